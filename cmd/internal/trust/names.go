package trust

import (
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
)

// userName is the name of a user, or else the number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// chownName is what chown takes for a user.
func chownName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// groupName is the name of a group, or else the number.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// isOwnGroup reports whether a group is the user's own: the one that systems make
// for each user, with the user's name. Where neither has a name, as in many
// containers, the same number counts.
func isOwnGroup(gid, uid int) bool {
	g, noGroup := user.LookupGroupId(strconv.Itoa(gid))
	u, noUser := user.LookupId(strconv.Itoa(uid))
	if noGroup == nil && noUser == nil {
		return g.Name == u.Username && g.Gid == u.Gid
	}
	return noGroup != nil && noUser != nil && gid == uid
}

// isService reports whether a uid is that of a service, not of a person: a system
// account, or one that systemd makes up for a service (DynamicUser=yes: 61184 to
// 65519, https://systemd.io/UIDS-GIDS). People begin at 1000 on Linux and the BSDs
// (login.defs, UID_MIN), at 501 on macOS.
func isService(uid int) bool {
	people := 1000
	if runtime.GOOS == "darwin" {
		people = 501
	}
	return uid < people || uid >= 61184 && uid <= 65519
}

// inContainer reports whether this process runs in a container with one program:
// that of Docker, Podman or Kubernetes, or one where it is the first process.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return saysContainer(os.Getenv) || os.Getpid() == 1
}

// saysContainer reports whether the environment is that of such a container. $container
// is oci in our image. It is podman in all of podman's, which with --read-only have no
// mark; but lxc and systemd-nspawn may have many users.
func saysContainer(env func(string) string) bool {
	return env("container") == "oci" || env("container") == "podman" || env("KUBERNETES_SERVICE_HOST") != ""
}

// nobody is the uid that a user namespace shows for users that it does not know
// (user_namespaces(7); the default of /proc/sys/kernel/overflowuid).
const nobody = 65534

// hiddenUser is nobody in a user namespace, else -1.
func hiddenUser() int {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295" {
		return -1
	}
	return nobody
}
