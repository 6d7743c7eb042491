package realserver

import (
	"fmt"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// EnvServers names the variable with the folder of unpacked servers, if that is not
// popferry/servers in the user's cache folder.
const EnvServers = "POPFERRY_SERVERS"

// root is a root folder of its own for a server that is not installed, because its
// Debian package conflicts with others, but unpacked with its libraries
// (.ci/unpack). It finds its own users, paths and devices there. Only root can
// start it.
type root struct {
	scratch
	server string
}

// firstSystemUser is the user and group id of the first system user of a root
// folder. Outside it is nobody's.
const firstSystemUser = 64100

// newRoot creates the root folder of a server with its system users.
func newRoot(tb testing.TB, server string, users ...string) root {
	tb.Helper()
	unpacked := os.Getenv(EnvServers)
	if unpacked == "" {
		cache, err := os.UserCacheDir()
		check(tb, err)
		unpacked = filepath.Join(cache, "popferry", "servers")
	}
	unpacked = filepath.Join(unpacked, server)
	if _, err := os.Stat(unpacked); err != nil {
		missing(tb, fmt.Sprintf("%s is not unpacked: run .ci/unpack %[1]s (%v)", server, err))
	}
	if os.Getuid() != 0 {
		missing(tb, server+" must be started by root")
	}
	r := root{newScratch(tb), server}
	tb.Cleanup(r.kill)
	entries, err := os.ReadDir(unpacked)
	check(tb, err)
	for _, e := range entries {
		from, how := filepath.Join(unpacked, e.Name()), "-al" // links, because nothing writes there
		if e.Name() == "etc" || e.Name() == "var" || exec.Command("cp", how, from, r.dir).Run() != nil {
			r.run("cp", "-a", from, r.dir)
		}
	}
	r.writeUsers(users)
	r.devices()
	uid, gid := owner()
	r.mkdir("tmp", 0o777, 0, 0)
	r.mkdir("mail", 0o755, uid, gid)
	return r
}

// has skips the test, or fails it, if the unpacked packages lack a file: they were
// unpacked when there were fewer.
func (r root) has(file string) {
	r.tb.Helper()
	if _, err := os.Stat(r.path(file)); err != nil {
		missing(r.tb, fmt.Sprintf("%s is unpacked without %s: remove its folder and run .ci/unpack %[1]s", r.server, file))
	}
}

// writeUsers writes the user and group databases. Mail belongs to the user mail.
func (r root) writeUsers(names []string) {
	r.tb.Helper()
	uid, gid := owner()
	users, groups := fmt.Sprintf("root:x:0:0::/:/bin/sh\nmail:x:%d:%d::/mail:/bin/sh\n", uid, gid), fmt.Sprintf("root:x:0:\nmail:x:%d:\n", gid)
	for i, name := range names {
		users += fmt.Sprintf("%s:x:%d:%[2]d::/:/bin/sh\n", name, firstSystemUser+i)
		groups += fmt.Sprintf("%s:x:%d:\n", name, firstSystemUser+i)
	}
	r.mkdir("etc", 0o755, 0, 0)
	r.write("etc/passwd", users)
	r.write("etc/group", groups)
	r.write("etc/hosts", "127.0.0.1 localhost\n")
}

// own gives a folder, which it creates if necessary, to a system user.
func (r root) own(name string, mode os.FileMode, user int) {
	r.tb.Helper()
	check(r.tb, os.MkdirAll(filepath.Dir(r.path(name)), 0o755))
	r.mkdir(name, mode, firstSystemUser+user, firstSystemUser+user)
}

func (r root) devices() {
	r.tb.Helper()
	r.mkdir("dev", 0o755, 0, 0)
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		r.run("mknod", "-m", "666", r.path("dev/"+name), "c", "1", strconv.Itoa(minor))
	}
}

// start starts the server, and stops it at the end of the test.
func (r root) start(addrs []string, argv ...string) *daemon {
	r.tb.Helper()
	d := &daemon{tb: r.tb, name: r.server, log: r.path("log"), argv: append([]string{program(r.tb, "chroot"), r.dir}, argv...), addrs: addrs}
	d.attach()
	d.Start()
	return d
}

// syslog writes to the server's log what it says to the system's.
func (r root) syslog() {
	r.tb.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: r.path("dev/log")})
	check(r.tb, err)
	check(r.tb, os.Chmod(r.path("dev/log"), 0o666))
	ended := make(chan struct{})
	r.tb.Cleanup(func() {
		socket.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		line := make([]byte, 64<<10)
		for {
			n, err := socket.Read(line)
			if err != nil {
				return
			}
			file, err := os.OpenFile(r.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
			if err == nil {
				_, err = fmt.Fprintf(file, "%s\n", line[:n])
				file.Close()
			}
			if err != nil {
				r.tb.Error(err)
			}
		}
	}()
}

// kill ends processes that have left their server's process group.
func (r root) kill() {
	links, _ := filepath.Glob("/proc/[0-9]*/root") // the pattern is good
	for _, link := range links {
		if dir, err := os.Readlink(link); err != nil || dir != r.dir {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		check(r.tb, err)
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // it may have ended
		}
	}
}

// Stored yields a user's messages as they are in the mailbox, with CRLF line ends.
func (r root) Stored(user string) iter.Seq[[]byte] { return r.maildir(local(user)).stored() }
