package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// received is when the messages of these tests came to their mailbox.
var received = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// nameOf1 is the file of newMessage's in new/.
const nameOf1 = "1795334400.trace1.popferry,S=39"

func newMessage() *forwarder.Message {
	return &forwarder.Message{
		Recipients: []string{"INBOX"}, Size: int64(len(message)), Body: func() io.Reader { return strings.NewReader(message) },
		Date: received, Trace: "trace1", MessageID: "<1@example.org>",
	}
}

// newInbox returns a Maildir.
func newInbox(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Mail dir")
	must(t, newBox(dir, keyOf).folders())
	return dir
}

// deliver delivers a message, and fails if that has no outcome.
func deliver(t *testing.T, d *Destination, m *forwarder.Message) forwarder.Outcome {
	t.Helper()
	outs, err := d.Send(t.Context(), m)
	must(t, err)
	if len(outs) != len(m.Recipients) {
		t.Fatalf("outcomes %v, want one for each of %v", outs, m.Recipients)
	}
	return outs[0]
}

// accepted delivers a message, which has to be stored.
func accepted(t *testing.T, d *Destination, m *forwarder.Message) {
	t.Helper()
	if o := deliver(t, d, m); o.Kind != forwarder.Accepted || o.Stage != forwarder.StageDot || o.Recipient != m.Recipients[0] {
		t.Fatalf("%+v: %s, want accepted", o, o.Reply())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeliver: the file has the octets, the date and a name from which readers take
// order and size.
func TestDeliver(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir})
	accepted(t, d, newMessage())
	wantFiles(t, dir, "new/"+nameOf1, message)
	info, err := os.Stat(filepath.Join(dir, "new", nameOf1))
	must(t, err)
	if !info.ModTime().Equal(received) || info.Mode().Perm() != 0o600 {
		t.Errorf("it is of %v with mode %o, want %v and 600", info.ModTime().UTC(), info.Mode().Perm(), received)
	}
	other := newMessage()
	other.Trace, other.Date = "", time.Time{} // a notice
	accepted(t, d, other)
	accepted(t, d, other)
	if files, _ := filepath.Glob(filepath.Join(dir, "new", "*.popferry,S=39")); len(files) != 3 {
		t.Errorf("files %q, want 3: a message without a trace is another one each time", files)
	}
}

// TestDeliverAgain: one message of a trace is there once, wherever readers have put
// it and whatever they have appended to its name. It comes again only if they have
// removed it.
func TestDeliverAgain(t *testing.T) {
	t.Parallel()
	for _, there := range []string{"new/" + nameOf1, "cur/" + nameOf1 + ":2,S", "cur/" + nameOf1 + ",W=40:2,FS", "cur/1.trace1.popferry:2,"} {
		dir := newInbox(t)
		must(t, os.WriteFile(filepath.Join(dir, there), []byte(message), 0o600))
		m := newMessage()
		m.Date = m.Date.Add(time.Hour) // it may be found in another way the second time
		accepted(t, NewDestination(Options{Path: dir}), m)
		wantFiles(t, dir, there, message)
		must(t, os.Remove(filepath.Join(dir, there)))
		accepted(t, NewDestination(Options{Path: dir}), newMessage())
		wantFiles(t, dir, "new/"+nameOf1, message)
	}
}

// TestResend: a wrapped message is not taken for the original of the same trace, nor
// the other way round, however often both are delivered.
func TestResend(t *testing.T) {
	t.Parallel()
	explained := strings.Replace(message, "Hello", "HELLO", 1)
	dir := newInbox(t)
	wrapped := newMessage()
	wrapped.MessageID, wrapped.Body = "<popferry.trace1@localhost>", func() io.Reader { return strings.NewReader(explained) }
	for range 2 {
		d := NewDestination(Options{Path: dir}).Submit(newMessage())
		_, err := d.Wait(t.Context(), nil)
		must(t, err)
		outs, err := d.Resend(t.Context(), wrapped, nil)
		must(t, err)
		d.Done()
		if outs[0].Kind != forwarder.Accepted {
			t.Errorf("%+v", outs)
		}
		wantFiles(t, dir, "new/"+nameOf1, message, "new/1795334400.trace1~2.popferry,S=39", explained)
	}
}

// TestMissingFolder: what is not there is not made. The destination is at fault, or
// only the folder, before anything is written to the ledger.
func TestMissingFolder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(dir string) error // on a Maildir
		folder  string
		stage   forwarder.Stage // StageRcpt: that folder alone
		want    string          // of the reply
	}{
		"not mounted":      {os.RemoveAll, "", forwarder.StageFolder, "set create_folder: true"},
		"not a Maildir":    {func(dir string) error { return os.Remove(filepath.Join(dir, "cur")) }, "", forwarder.StageFolder, "mkdir -p -m 700 '"},
		"no folder":        {nil, "Work/ISP", forwarder.StageRcpt, "check the spelling of folder"},
		"a file in place":  {func(dir string) error { return replace(filepath.Join(dir, "new")) }, "", forwarder.StageFolder, "a file is in the way"},
		"a file as folder": {func(dir string) error { return os.WriteFile(filepath.Join(dir, ".Work"), nil, 0o600) }, "Work", forwarder.StageRcpt, "a file is in the way"},
		"above is missing": {os.RemoveAll, "Work", forwarder.StageFolder, "if its disk is mounted"},
	} {
		dir := newInbox(t)
		if test.prepare != nil {
			must(t, test.prepare(dir))
		}
		before := tree(t, filepath.Dir(dir))
		m := newMessage()
		m.Folder = test.folder
		outs, err := NewDestination(Options{Path: dir}).Submit(m).Wait(t.Context(), func(context.Context, forwarder.Mark) error {
			t.Errorf("%s: the ledger is written", name)
			return nil
		})
		must(t, err)
		kind := map[forwarder.Stage]forwarder.Kind{forwarder.StageFolder: forwarder.Unusable, forwarder.StageRcpt: forwarder.Refused}[test.stage]
		if o := outs[0]; o.Kind != kind || o.Stage != test.stage || !strings.Contains(o.Reply(), test.want) || !strings.Contains(o.Reply(), dir) {
			t.Errorf("%s: %+v: %s, want %v at %v with %q", name, o, o.Reply(), kind, test.stage, test.want)
		}
		if after := tree(t, filepath.Dir(dir)); !slices.Equal(before, after) {
			t.Errorf("%s: there is now %q, want %q", name, after, before)
		}
	}
}

// replace puts a file where a folder was.
func replace(path string) error {
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte("mine"), 0o600))
}

// tree lists all below a folder.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}

func TestCreateFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "Maildir")
	d := NewDestination(Options{Path: dir, Folder: "Arbeit/Büro", Create: true})
	accepted(t, d, newMessage())
	work := filepath.Join(dir, ".Arbeit.B&APw-ro")
	wantFiles(t, dir, ".Arbeit.B&APw-ro/maildirfolder", "", ".Arbeit.B&APw-ro/new/"+nameOf1, message)
	for _, part := range []string{"", "tmp", "new", "cur"} {
		for _, path := range []string{dir, work} {
			if info, err := os.Stat(filepath.Join(path, part)); err != nil || info.Mode() != os.ModeDir|0o700 {
				t.Errorf("%s/%s: %v, %v; want a folder for its owner only", path, part, info, err)
			}
		}
	}
	m := newMessage()
	m.Folder, m.Trace = "INBOX", "trace2" // the account's own
	accepted(t, d, m)
	wantFiles(t, filepath.Join(dir, "new"), "1795334400.trace2.popferry,S=39", message)
}

// TestJunk: mail programs call the folder for junk so.
func TestJunk(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir, Create: true})
	defer d.Close()
	m := newMessage()
	m.Folder = forwarder.JunkFolder
	accepted(t, d, m)
	if _, err := os.Stat(filepath.Join(dir, ".Junk", "new", nameOf1)); err != nil {
		t.Error(err)
	}
}

// TestCreateFolderAtOnce: several messages may be the first ones of a folder, in one
// process and in two.
func TestCreateFolderAtOnce(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir, Folder: "Work", Create: true})
	made := 0
	d.box("Work").disk = overtaken{probe{before: func(step string) error {
		if strings.HasPrefix(step, "mkdir") {
			made++
			if d.making.TryLock() {
				t.Errorf("%s: another message could do the same now", step)
				d.making.Unlock()
			}
		}
		return nil
	}}}
	accepted(t, d, newMessage())
	if made != 4 {
		t.Errorf("%d folders were made, want 4", made)
	}
}

// overtaken is a disk where another process is faster.
type overtaken struct{ probe }

func (o overtaken) Create(path string) (file, error) {
	if filepath.Base(path) == "maildirfolder" {
		return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EEXIST}
	}
	return o.probe.Create(path)
}

// TestOutcomes: what the failure of each step means.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	unusable, full, large := "unusable folder", "refused body 452 4.3.1", "refused body 552 5.3.4"
	for _, test := range []struct {
		step string
		err  error
		want string
		rest bool // the message is there nevertheless
	}{
		{"create", syscall.EACCES, unusable, false},
		{"create", syscall.ENOSPC, full, false},
		{"write", syscall.ENOSPC, full, false},
		{"write", syscall.EDQUOT, full, false},
		{"write", syscall.EFBIG, large, false},
		{"write", syscall.EIO, unusable, false},
		{"fsync", syscall.EIO, unusable, false},
		{"fsync", syscall.EDQUOT, full, false}, // NFS says it here
		{"close", syscall.ENOSPC, full, false},
		{"rename", syscall.EROFS, unusable, false},
		{"rename", syscall.ENOSPC, full, false},
		{"sync", syscall.EIO, "in doubt dot", true},
	} {
		dir := newInbox(t)
		d := NewDestination(Options{Path: dir})
		d.box("").disk = probe{before: func(step string) error {
			if verb, _, _ := strings.Cut(step, " "); verb == test.step {
				return test.err
			}
			return nil
		}}
		o := deliver(t, d, newMessage())
		got := strings.TrimSpace(o.Kind.String() + " " + o.Stage.String() + " " + strings.TrimSuffix(forwarder.Outcome{Code: o.Code, Enhanced: o.Enhanced}.Reply(), " "))
		if got != test.want || o.NoRoom() != (test.want == full) || o.TooLarge() != (test.want == large) || !strings.Contains(o.Err.Error(), dir) {
			t.Errorf("%s: %v: %s: %s, want %s", test.step, test.err, got, o.Reply(), test.want)
		}
		want := []string{}
		if test.rest {
			want = []string{"new/" + nameOf1, message}
		}
		wantFiles(t, dir, want...)
		accepted(t, NewDestination(Options{Path: dir}), newMessage())
		wantFiles(t, dir, "new/"+nameOf1, message)
	}
}

// TestRenamedNevertheless: a network file system may answer with an error and have
// moved the file.
func TestRenamedNevertheless(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir})
	d.box("").disk = lying{}
	if o := deliver(t, d, newMessage()); o.Kind != forwarder.InDoubt {
		t.Errorf("%+v, want in doubt", o)
	}
	accepted(t, NewDestination(Options{Path: dir}), newMessage())
	wantFiles(t, dir, "new/"+nameOf1, message)
}

type lying struct{ system }

func (l lying) Rename(from, to string) error {
	return errors.Join(l.system.Rename(from, to), syscall.ETIMEDOUT)
}

// TestOwnFaults: what is not about the Maildir is an error, and nothing is stored.
func TestOwnFaults(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	short, broken := newMessage(), newMessage()
	short.Size++
	broken.Body = func() io.Reader { return iotest.ErrReader(failed) }
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(failed)
	closed := func(d *Destination) { must(t, d.Close()) }
	for name, test := range map[string]struct {
		ctx     context.Context
		message *forwarder.Message
		begin   error
		before  func(*Destination)
		want    string
	}{
		"intent":   {t.Context(), newMessage(), failed, nil, "failed"},
		"body":     {t.Context(), broken, nil, nil, "failed"},
		"too few":  {t.Context(), short, nil, nil, "39 octets where there should be 40"},
		"stopping": {stopped, newMessage(), nil, nil, "failed"},
		"closed":   {t.Context(), newMessage(), nil, closed, "closed"},
	} {
		dir := newInbox(t)
		d := NewDestination(Options{Path: dir})
		if test.before != nil {
			test.before(d)
		}
		outs, err := d.Submit(test.message).Wait(test.ctx, func(context.Context, forwarder.Mark) error { return test.begin })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v; want an error with %q", name, outs, err, test.want)
		}
		wantFiles(t, dir)
	}
}

// TestSubmitOrder: a message is not stored before one that was submitted earlier, unless
// that one was given up.
func TestSubmitOrder(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir})
	submit := func(trace string) *Delivery {
		m := newMessage()
		m.Trace = trace
		return d.Submit(m)
	}
	var stored []string
	d.box("").disk = probe{before: func(step string) error {
		if strings.HasPrefix(step, "rename") {
			stored = append(stored, step)
		}
		return nil
	}}
	first, givenUp, last := submit("first"), submit("given-up"), submit("last")
	begun, done := make(chan struct{}), make(chan error)
	go func() {
		defer last.Done()
		_, err := last.Wait(t.Context(), func(context.Context, forwarder.Mark) error { close(begun); return nil })
		done <- err
	}()
	<-begun
	givenUp.Done() // which does not let the last one pass the first
	_, err := first.Wait(t.Context(), nil)
	must(t, err)
	first.Done()
	must(t, <-done)
	if want := []string{"rename new/1795334400.first.popferry,S=39", "rename new/1795334400.last.popferry,S=39"}; !slices.Equal(stored, want) {
		t.Errorf("stored %q, want %q", stored, want)
	}
	must(t, d.Close())
}

// TestDiskHangs: a disk that never answers holds nobody up for ever. The message may
// be stored once it does.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	synctest.Test(t, func(t *testing.T) {
		d := NewDestination(Options{Path: dir})
		answer := make(chan struct{})
		d.box("").disk = probe{before: func(step string) error {
			if strings.HasPrefix(step, "rename") {
				<-answer
			}
			return nil
		}}
		if o := deliver(t, d, newMessage()); o.Kind != forwarder.InDoubt || !errors.Is(o.Err, os.ErrDeadlineExceeded) || !strings.Contains(o.Reply(), dir) {
			t.Errorf("%+v: %s, want in doubt", o, o.Reply())
		}
		close(answer)
		synctest.Wait()
		accepted(t, d, newMessage())
		wantFiles(t, dir, "new/"+nameOf1, message)
	})
}

// TestDeliveryIsKilled: wherever the process ends, from the making of the folder on,
// the message is there once after the next delivery, and never in part.
func TestDeliveryIsKilled(t *testing.T) {
	t.Parallel()
	o := Options{Folder: "Work", Create: true}
	run := func(before func(step string) error) {
		d := NewDestination(o)
		for _, folder := range []string{"", "Work"} {
			d.box(folder).disk = probe{before: before}
		}
		accepted(t, d, newMessage())
	}
	steps := 1
	for n := 0; n < steps; n++ {
		o.Path = filepath.Join(t.TempDir(), "Maildir")
		killed := filepath.Join(t.TempDir(), "Maildir") // as the killed process leaves it
		i := 0
		run(func(step string) error {
			i++
			if i-1 != n {
				return nil
			}
			t.Log(step)
			return copyTree(killed, o.Path)
		})
		steps = i
		wantWhole(t, filepath.Join(killed, ".Work"))
		o.Path = killed
		accepted(t, NewDestination(o), newMessage())
		wantFiles(t, killed, ".Work/maildirfolder", "", ".Work/new/"+nameOf1, message)
	}
	if steps < 15 {
		t.Errorf("%d steps, want all from the first folder to the last sync", steps)
	}
}

func TestCheckFolderOfDestination(t *testing.T) {
	t.Parallel()
	dir := newInbox(t)
	d := NewDestination(Options{Path: dir})
	must(t, d.Check(t.Context()))
	wantFiles(t, dir)
	if err := d.CheckFolder(t.Context(), "Work"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that the folder does not exist", err)
	}
	d.box("").disk = probe{before: func(string) error { return syscall.EROFS }}
	if err := d.Check(t.Context()); !errors.Is(err, syscall.EROFS) {
		t.Errorf("%v, want that it is read-only", err)
	}
}
