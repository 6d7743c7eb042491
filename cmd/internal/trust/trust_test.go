//go:build unix

package trust_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/trust"
)

const stranger = 54321 // a uid and gid without a name

// me is the guard of whoever runs the test, outside of a container.
func me() *trust.Guard { return trust.As(os.Geteuid(), false) }

// private is a folder that only its owner can use.
func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	chmod(t, dir, 0o700)
	return dir
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil { // not by the umask
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
}

func mkdir(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, mode)
}

// giveAway makes a file a stranger's and returns the guard to whom it is. Only root
// can give files away; anybody else takes the part of another user, to whom all that
// the test made is a stranger's.
func giveAway(t *testing.T, path string) *trust.Guard {
	t.Helper()
	if os.Geteuid() != 0 {
		return trust.As(os.Geteuid()+1, false)
	}
	if err := os.Lchown(path, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	return me()
}

// setGroup makes a file that of a stranger's group, or skips.
func setGroup(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to a group it is not in")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, -1, stranger); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, info.Mode()&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid)) // chown takes setgid off
}

// refused requires that an error blames a path, with these words.
func refused(t *testing.T, err error, culprit string, words ...string) {
	t.Helper()
	e, ok := errors.AsType[*trust.Error](err)
	if !ok {
		t.Fatalf("error %v, want a *trust.Error about %s", err, culprit)
	}
	if e.Culprit != culprit {
		t.Errorf("blames %s, want %s (%v)", e.Culprit, culprit, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want %q in it", err, w)
		}
	}
}

// Each mode of a file in a private folder, and what is to be typed.
func TestModesOfAFile(t *testing.T) {
	t.Parallel()
	for mode, remedy := range map[fs.FileMode]string{
		0o400: "", 0o600: "", 0o640: "", 0o644: "", 0o755: "",
		0o622: "chmod go-w ", 0o666: "chmod go-w ", 0o602: "chmod o-w ", 0o646: "chmod o-w ",
	} {
		path := filepath.Join(private(t), "popferry.yaml")
		write(t, path, mode)
		if mode&0o020 != 0 && os.Geteuid() == 0 {
			setGroup(t, path)
		} else if mode&0o020 != 0 {
			remedy = "chmod " // the group may be the user's own
		}
		f, err := me().Open(path)
		if remedy != "" {
			refused(t, err, path, path+": other users can write to it (mode 0", "run "+remedy, " "+path)
			continue
		}
		if err != nil {
			t.Errorf("%04o: %v", mode, err)
			continue
		}
		if text, err := io.ReadAll(f); string(text) != "text" || err != nil {
			t.Errorf("%04o: read %q, %v", mode, text, err)
		}
		_ = f.Close()
	}
}

// A group other than the user's own can hold anybody; in a container it is the
// volume's (fsGroup).
func TestGroups(t *testing.T) {
	t.Parallel()
	path := filepath.Join(private(t), "popferry.yaml")
	write(t, path, 0o660)
	if err := os.Chown(path, -1, os.Getegid()); err != nil {
		t.Fatal(err)
	}
	own := me().Check(path)
	setGroup(t, path)
	if own != nil { // root's group has root's name
		t.Errorf("root's own group can write: %v, want no error", own)
	}
	refused(t, me().Check(path), path, "the group 54321 can write to it (mode 0660)", "run chmod g-w "+path)
	if err := trust.As(os.Geteuid(), true).Check(path); err != nil {
		t.Errorf("in a container: %v, want no error", err)
	}
	chmod(t, path, 0o662)
	refused(t, trust.As(os.Geteuid(), true).Check(path), path, "run chmod o-w")
}

// A uid without a name has a group of its own: that of the same number. Users of
// containers often have no name.
func TestGroupOfAUserWithoutName(t *testing.T) {
	t.Parallel()
	dir := private(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(dir, "popferry.yaml")
	write(t, path, 0o660)
	if err := os.Chown(path, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	if err := trust.As(stranger, false).Check(path); err != nil {
		t.Errorf("54321:54321: %v, want no error", err)
	}
	if err := os.Chown(path, stranger, stranger+1); err != nil {
		t.Fatal(err)
	}
	refused(t, trust.As(stranger, false).Check(path), path, "the group 54322 can write to it")
}

func TestForeignFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(private(t), "my popferry.yaml")
	write(t, path, 0o600)
	guard := giveAway(t, path)
	err := guard.Check(path)
	refused(t, err, path, path+": it belongs to ", "chown ", "'"+path+"'")
	if _, opened := guard.Open(path); opened == nil || !strings.Contains(opened.Error(), err.Error()) {
		t.Errorf("opened: %v, want %v", opened, err)
	}
	if os.Geteuid() == 0 {
		refused(t, err, path, "it belongs to uid 54321, but root runs popferry; run popferry as uid 54321, or if you trust what is in there, run chown root ")
		if err := trust.As(stranger, false).Check(path); err != nil {
			t.Errorf("for its owner: %v, want no error", err)
		}
		refused(t, trust.As(stranger+1, true).Check(path), path, "neither to uid 54322, who runs popferry, nor to root", "run sudo chown 54322 '") // also in a container
	}
	if err := trust.Everybody().Check(path); err != nil {
		t.Errorf("without checks: %v", err)
	}
}

// Whoever can write to a folder above can put another file in place of this one.
func TestFolders(t *testing.T) {
	t.Parallel()
	top := private(t)
	above, dir := filepath.Join(top, "above"), filepath.Join(top, "above", "dir")
	mkdir(t, above, 0o755)
	mkdir(t, dir, 0o755)
	path := filepath.Join(dir, "popferry.yaml")
	write(t, path, 0o644)
	if err := me().Check(path); err != nil {
		t.Fatalf("0755: %v, want no error", err)
	}
	for _, culprit := range []string{above, dir} {
		chmod(t, culprit, 0o757)
		refused(t, me().Check(path), culprit, path+": other users can replace what is in its folder "+culprit+" (mode 0757)", "run chmod o-w "+culprit)
		chmod(t, culprit, 0o777|fs.ModeSticky)
		if err := me().Check(path); err != nil {
			t.Errorf("%s with the sticky bit: %v, want no error", culprit, err)
		}
		chmod(t, culprit, 0o755)
	}
	guard := giveAway(t, above)
	culprit := above
	if os.Geteuid() != 0 {
		t.Skip("the file itself is a stranger's then") // and TestForeignFile has that
	}
	refused(t, guard.Check(path), culprit, culprit+", on the way to it, belongs to uid 54321")
}

// Where others can put files beside a ledger, SQLite takes a journal of theirs for its
// own and plays it into the ledger, whatever the sticky bit says.
func TestLedgerInASharedFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(private(t), "shared")
	mkdir(t, dir, 0o777|fs.ModeSticky)
	path := filepath.Join(dir, "popferry.db")
	words := "other users can put files beside it in " + dir + " (mode 1777), and SQLite would take some for the ledger's own; "
	refused(t, me().Ledger(path), dir, path+": "+words, "move it to a folder of its own")
	write(t, path, 0o600)
	refused(t, me().Ledger(path), dir, words)
	link := filepath.Join(private(t), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	refused(t, me().Ledger(link), dir, words)
	if err := me().Check(path); err != nil {
		t.Errorf("a configuration there: %v, want no error", err)
	}
	chmod(t, dir, 0o755)
	if err := me().Ledger(path); err != nil {
		t.Errorf("the folder is private now: %v, want no error", err)
	}
	write(t, path+"-journal", 0o600)
	refused(t, giveAway(t, path+"-journal").Ledger(path), path+"-journal", "belongs to ")
}

// Volumes of Docker and Kubernetes: a folder of root's with mode 0777, with setgid and
// the group of fsGroup, or 2775.
func TestVolumes(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make folders of root's")
	}
	for _, mode := range []fs.FileMode{0o777, 0o777 | fs.ModeSetgid, 0o775 | fs.ModeSetgid} {
		top := t.TempDir()
		for _, dir := range []string{top, filepath.Dir(top)} {
			chmod(t, dir, 0o755)
		}
		dir := filepath.Join(top, "data")
		mkdir(t, dir, mode)
		setGroup(t, dir)
		path := filepath.Join(dir, "popferry.db")
		write(t, path, 0o660)
		if err := os.Chown(path, 65532, stranger); err != nil {
			t.Fatal(err)
		}
		pod := trust.As(65532, true)
		if err := errors.Join(pod.Ledger(path), pod.Check(path)); err != nil {
			t.Errorf("%v in a container: %v, want no error", mode, err)
		}
		refused(t, trust.As(65532, false).Ledger(path), dir, "replace what is in its folder "+dir)
		if err := os.Chown(dir, stranger, -1); err != nil {
			t.Fatal(err)
		}
		refused(t, pod.Ledger(path), dir, "belongs to uid 54321")
	}
}

// A ConfigMap's file is a link to one behind another link, ..data.
func TestLinks(t *testing.T) {
	t.Parallel()
	top := private(t)
	mkdir(t, filepath.Join(top, "..2026"), 0o755)
	file := filepath.Join(top, "..2026", "popferry.yaml")
	write(t, file, 0o644)
	for link, target := range map[string]string{"..data": "..2026", "popferry.yaml": "..data/popferry.yaml", "absolute": file, "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(top, "popferry.yaml")
	for _, p := range []string{path, filepath.Join(top, "absolute"), top + "/..data/../popferry.yaml"} {
		if err := me().Check(p); err != nil {
			t.Errorf("%s: %v, want no error", p, err)
		}
	}
	if err := me().Ledger(filepath.Join(top, "loop")); err == nil || !strings.Contains(err.Error(), "symbolic links") {
		t.Errorf("a link to itself: %v, want an error about links", err)
	}
	chmod(t, filepath.Join(top, "..2026"), 0o757)
	refused(t, me().Check(path), filepath.Join(top, "..2026"), "other users can replace")
	chmod(t, filepath.Join(top, "..2026"), 0o755)
	if os.Geteuid() != 0 {
		t.Skip("only root can give links away")
	}
	refused(t, giveAway(t, filepath.Join(top, "..data")).Check(path), filepath.Join(top, "..data"), "belongs to uid 54321")
}

// What belongs to a ledger is read as the ledger is: SQLite takes over a log.
func TestLedger(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"", "-wal", "-shm", ".locks", ".kept"} {
		dir := private(t)
		path := filepath.Join(dir, "popferry.db")
		if err := me().Ledger(path); err != nil {
			t.Fatalf("none yet: %v, want no error", err)
		}
		if ending == ".locks" || ending == ".kept" {
			mkdir(t, path+ending, 0o700)
		} else {
			write(t, path+ending, 0o600)
		}
		if err := me().Ledger(path); err != nil {
			t.Fatalf("%q: %v, want no error", ending, err)
		}
		chmod(t, path+ending, 0o702)
		refused(t, me().Ledger(path), path+ending, "chmod o-w "+path+ending)
		chmod(t, path+ending, 0o700)
		if guard := giveAway(t, path+ending); os.Geteuid() == 0 {
			refused(t, guard.Ledger(path), path+ending, "belongs to uid 54321")
		}
	}
	// The folder that it will be made in counts before it exists.
	open := filepath.Join(private(t), "open")
	mkdir(t, open, 0o777)
	if os.Geteuid() == 0 {
		setGroup(t, open)
	}
	refused(t, me().Ledger(filepath.Join(open, "new", "popferry.db")), open, "(mode 0777)", "w "+open)
}

// Root looks at the ledger of a service, also of one whose user systemd makes up, but
// takes no ledger or configuration from a person.
func TestServiceOfRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for uid, service := range map[int]bool{101: true, 999: true, 1000: false, 61184: true, 65519: true, 65520: false, 65534: false} {
		path := filepath.Join(private(t), "popferry.db")
		write(t, path, 0o600)
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
		if err := me().Ledger(path); (err == nil) != service {
			t.Errorf("the ledger of uid %d: %v; want it accepted: %v", uid, err, service)
		}
		if me().Peer(uid) != service {
			t.Errorf("the socket of uid %d: want it accepted: %v", uid, service)
		}
		refused(t, me().Check(path), path, "but root runs popferry")
		if trust.As(stranger, false).Peer(uid) {
			t.Errorf("the socket of uid %d is accepted by another user", uid)
		}
	}
}

func TestExposed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(private(t), "password")
	for mode, want := range map[fs.FileMode]string{0o600: "", 0o604: "other users", 0o644: "other users", 0o440: ""} {
		write(t, path, 0o600)
		chmod(t, path, mode)
		if info := stat(t, path); me().Exposed(info) != want && mode != 0o440 || mode == 0o440 && os.Geteuid() == 0 && me().Exposed(info) != "" {
			t.Errorf("%04o: %q, want %q", mode, me().Exposed(info), want)
		}
		chmod(t, path, 0o600)
	}
	setGroup(t, path)
	chmod(t, path, 0o440)
	if got := me().Exposed(stat(t, path)); got != "" { // a Secret with fsGroup, or a credential
		t.Errorf("0440 root:54321: %q, want nobody", got)
	}
	if err := os.Chown(path, stranger, stranger+1); err != nil {
		t.Fatal(err)
	}
	if got := trust.As(stranger, false).Exposed(stat(t, path)); got != "the group 54322" {
		t.Errorf("0440 54321:54322: %q, want the group", got)
	}
	if got := trust.As(stranger, true).Exposed(stat(t, path)); got != "" {
		t.Errorf("0440 in a container: %q, want nobody", got)
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
