//go:build unix

package maildir

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// theirs is a Maildir of another user, which only root can make.
func theirs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders away")
	}
	dir := newInbox(t)
	for _, part := range append(folders(), ".") {
		must(t, os.Chown(filepath.Join(dir, part), 12345, 23456))
	}
	return dir
}

// TestRootGivesMailAway: what root stores is the user's, also in a new folder.
func TestRootGivesMailAway(t *testing.T) {
	t.Parallel()
	dir := theirs(t)
	d := NewDestination(Options{Path: dir, Create: true})
	accepted(t, d, newMessage())
	m := newMessage()
	m.Folder = "Work"
	accepted(t, d, m)
	for _, path := range tree(t, dir) {
		info, err := os.Stat(path)
		must(t, err)
		if got := ownerOf(info); got != (owner{12345, 23456}) || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v's with mode %v, want it to be the owner's only", path, got, info.Mode())
		}
	}
}

// TestRootFollowsNoLinks: root would write into any folder that the owner of the
// Maildir names.
func TestRootFollowsNoLinks(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"new", "tmp", "cur", ".Work"} {
		dir, elsewhere := theirs(t), newInbox(t)
		_ = os.Remove(filepath.Join(dir, part))
		must(t, os.Symlink(elsewhere, filepath.Join(dir, part)))
		m := newMessage()
		m.Folder = map[bool]string{true: "Work", false: "INBOX"}[part == ".Work"]
		if o := deliver(t, NewDestination(Options{Path: dir, Create: true}), m); o.Kind == forwarder.Accepted || !strings.Contains(o.Reply(), "symbolic link") {
			t.Errorf("%s: %+v: %s, want it refused", part, o, o.Reply())
		}
		wantFiles(t, elsewhere)
	}
}

// TestForeignMaildir: without root, mail that the owner of a Maildir could not read
// is not stored. Where the Maildir is open to a group, the group may read it.
func TestForeignMaildir(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("POPFERRY_TEST_MAILDIR"); dir != "" { // the other user's process
		o := deliver(t, NewDestination(Options{Path: dir}), newMessage())
		t.Logf("outcome: %v: %s", o.Kind, o.Reply())
		return
	}
	for name, test := range map[string]struct {
		mode os.FileMode // of the folders
		gid  uint32      // of the other user
		want string
		file string // mode and group of the message
	}{
		"private":  {0o707, 34567, "unusable", ""},
		"of group": {0o770, 23456, "accepted", "-rw-rw---- 23456"},
	} {
		dir := theirs(t)
		must(t, chmodAll(dir, test.mode))
		out := asUser(t, 12346, test.gid, dir)
		if !strings.Contains(out, "outcome: "+test.want) || test.file == "" && !strings.Contains(out, "the Maildir belongs to user 12345, who could not read it; run popferry as user 12345") {
			t.Errorf("%s: %s, want %s", name, out, test.want)
		}
		got := ""
		if info, err := os.Stat(filepath.Join(dir, "new", nameOf1)); err == nil {
			got = fmt.Sprint(info.Mode(), " ", ownerOf(info).gid)
		}
		if got != test.file {
			t.Errorf("%s: the message is %q, want %q", name, got, test.file)
		}
	}
}

// chmodAll changes the mode of a Maildir, and opens the folders around it.
func chmodAll(dir string, mode os.FileMode) error {
	var all []error
	for _, part := range append(folders(), ".") {
		all = append(all, os.Chmod(filepath.Join(dir, part), mode))
	}
	for up := filepath.Dir(dir); up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		all = append(all, os.Chmod(up, 0o755)) //nolint:gosec // another user is to get there
	}
	return errors.Join(all...)
}

// asUser runs the calling test in a process of another user, who is in a group.
func asUser(t *testing.T, uid, gid uint32, dir string) string {
	t.Helper()
	program, err := os.ReadFile(os.Args[0])
	must(t, err)
	path := filepath.Join(filepath.Dir(dir), "maildir.test")
	must(t, os.WriteFile(path, program, 0o755)) //nolint:gosec // see above
	c := exec.CommandContext(t.Context(), path, "-test.v", "-test.run=^"+t.Name()+"$")
	c.Dir, c.Env = "/", []string{"POPFERRY_TEST_MAILDIR=" + dir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: 54321, Groups: []uint32{gid}}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
