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
	"time"

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

// TestRootStaysInside: the owner of the Maildir may replace a folder by a link
// at any moment. Nothing is made, moved or given away behind it.
func TestRootStaysInside(t *testing.T) {
	t.Parallel()
	for step, part := range map[string]string{"create": "tmp", "rename": "new", "mkdir": ".Work", "give": ".Work"} {
		dir, elsewhere := theirs(t), filepath.Join(t.TempDir(), "elsewhere")
		folder := map[bool]string{true: "Work", false: ""}[part == ".Work"]
		for _, name := range append(folders(), "") {
			must(t, os.MkdirAll(filepath.Join(elsewhere, name), 0o700))
		}
		if step == "mkdir" {
			must(t, os.Remove(filepath.Join(elsewhere, "new")))
		}
		d := NewDestination(Options{Path: dir, Folder: folder, Create: true})
		b := d.box(folder)
		b.disk = swapping{b.disk, func(now, path string) {
			if now != step || part == ".Work" && filepath.Base(path) != "new" {
				return
			}
			_ = os.Rename(filepath.Join(dir, part), filepath.Join(dir, "away"))
			target := elsewhere
			if part != ".Work" {
				target = filepath.Join(elsewhere, part)
			}
			_ = os.Symlink(target, filepath.Join(dir, part))
		}}
		if o := deliver(t, d, newMessage()); o.Kind == forwarder.Accepted {
			t.Errorf("%s: got %+v, want no acceptance", step, o)
		}
		for _, path := range append(tree(t, elsewhere), elsewhere) {
			info, err := os.Stat(path)
			must(t, err)
			if !info.IsDir() || ownerOf(info).uid != 0 || step == "mkdir" && filepath.Base(path) == "new" {
				t.Errorf("%s: %s of user %d is there", step, path, ownerOf(info).uid)
			}
		}
	}
}

// swapping is a disk on which something happens in front of each step.
type swapping struct {
	disk
	before func(step, path string)
}

func (s swapping) Mkdir(path string) error {
	s.before("mkdir", path)
	return s.disk.Mkdir(path)
}

func (s swapping) Create(path string) (file, error) {
	s.before("create", path)
	return s.disk.Create(path)
}

func (s swapping) Rename(from, to string) error {
	s.before("rename", to)
	return s.disk.Rename(from, to)
}

func (s swapping) GiveFolder(path, around string) error {
	s.before("give", path)
	return s.disk.GiveFolder(path, around)
}

// TestRootChangesNothingOutside: nor is anything removed behind such a link, or given a
// date.
func TestRootChangesNothingOutside(t *testing.T) {
	t.Parallel()
	dir, elsewhere := newInbox(t), t.TempDir()
	tmp, kept := filepath.Join(dir, "tmp", "x"), filepath.Join(elsewhere, "x")
	must(t, os.WriteFile(kept, nil, 0o600))
	before, err := os.Stat(kept)
	must(t, err)
	r := rooted{dir: dir}
	f, err := r.Create(tmp)
	must(t, err)
	must(t, os.Remove(tmp))
	must(t, os.Symlink(kept, tmp))
	if err := f.SetDate(time.Unix(0, 0)); err == nil {
		t.Error("the date of a file outside was set")
	}
	must(t, f.Close())
	must(t, os.RemoveAll(filepath.Dir(tmp)))
	must(t, os.Symlink(elsewhere, filepath.Dir(tmp)))
	r.Remove(tmp)
	after, err := os.Stat(kept)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the file outside: %v, %v; want it unchanged", after, err)
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
