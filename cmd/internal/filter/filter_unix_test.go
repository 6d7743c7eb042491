//go:build unix

package filter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const message = "Subject: a\r\n\r\nbody\r\n.\r\nbare\rCR\r\n"

// shell is a filter that is a script.
func shell(script string) *Filter {
	some := func(s string) error {
		if strings.Contains(s, "bad") {
			return errors.New("it is bad")
		}
		return nil
	}
	return &Filter{Command: []string{"sh", "-c", script}, Environ: os.Environ, Address: some, Folder: some, Limit: time.Minute}
}

func look(f *Filter) (fetcher.Verdict, error) {
	return f.Look(context.Background(), strings.NewReader(message))
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]fetcher.Verdict{
		"cat >/dev/null":                 {},
		"exit 0":                         {}, // it need not read
		"exit 99":                        {Drop: true},
		"echo why >&2; exit 99":          {Drop: true, Reason: "why"},
		"echo X-Popferry-Folder: Spam":   {To: []string{"Spam"}},
		"echo 'x-popferry-FOLDER: a  b'": {To: []string{"a  b"}},
		"printf 'X-Popferry-To: a@x\\nX-Popferry-To: b@x\\r\\n\\nX-Popferry-To: a@x'": {To: []string{"a@x", "b@x"}},
	} {
		got, err := look(shell(script))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", script, got, err, want)
		}
	}
}

// Each fault has its kind, and says what the program said, but not what it printed.
func TestFaults(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]struct {
		kind  Kind
		words string
	}{
		"exit 1":                           {Died, "exit status 1"},
		"echo no network >&2; exit 75":     {Died, "exit status 75: no network"},
		"kill -SEGV $$":                    {Died, "signal: segmentation fault"},
		"cat":                              {Unclear, "something other than"},
		"echo X-Popferry-Folder: bad":      {Unclear, "it is bad"},
		"echo X-Popferry-To: bad":          {Unclear, "it is bad"},
		"yes":                              {Floods, "more than 4096 octets"},
		"yes | head -c 100000 >&2; exit 3": {Died, "exit status 3"},
		"printf 'X-Popferry-Folder: a\\nX-Popferry-Folder: b\\n'": {Unclear, "more than one folder"},
		"sleep 1000 & sleep 1000":                                 {Late, "did not end within"},
	} {
		f := shell(script)
		if want.kind == Late {
			f.Limit = 100 * time.Millisecond
		}
		_, err := look(f)
		var e *Error
		if !errors.As(err, &e) || e.Kind != want.kind || !strings.Contains(err.Error(), want.words) || strings.Contains(err.Error(), "body") {
			t.Errorf("%s: %v, want kind %d with %q", script, err, want.kind, want.words)
		}
	}
}

func TestFaultsOfStarting(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/no/such/program", "popferry-no-such-program", plain} {
		_, err := look(&Filter{Command: []string{program, "hunter2"}, Environ: os.Environ})
		var e *Error
		if !errors.As(err, &e) || e.Kind != Missing || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want that it is missing, without its arguments", program, err)
		}
	}
}

// A destination without folders, or without addresses, has none.
func TestPlacesThatTheDestinationDoesNotHave(t *testing.T) {
	t.Parallel()
	f := shell("echo X-Popferry-Folder: a")
	f.Folder = nil
	_, err := look(f)
	if !errors.Is(err, errNoPlace) {
		t.Errorf("a folder: %v", err)
	}
	f = shell("echo X-Popferry-To: a@x")
	f.Address = nil
	if _, err = look(f); !errors.Is(err, errNoTo) {
		t.Errorf("an address: %v", err)
	}
}

// What the filter gets is the message, with line ends of Unix, in its environment and
// folder.
func TestInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := shell("cat >got; echo $LEO >>got")
	f.Dir, f.Environ = dir, func() []string { return []string{"LEO=here", "PATH=" + os.Getenv("PATH")} }
	if _, err := look(f); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "got"))
	if want := "Subject: a\n\nbody\n.\nbare\rCR\nhere\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// A message that cannot be read is not the filter's fault.
func TestUnread(t *testing.T) {
	t.Parallel()
	f := shell("cat >/dev/null")
	_, err := f.Look(t.Context(), broken{})
	var e *Error
	if !errors.As(err, &e) || e.Kind != Unread {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk") }

// The end of the poll ends the filter, with what it has started.
func TestEndedWithItsPoll(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the poll ended")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := shell("sleep 1000 & wait").Look(ctx, strings.NewReader(message)); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestSlotsBoundWhatRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slots := NewSlots(2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			f := shell(`mkdir "$$" && ls | wc -l >&2; n=$(ls | wc -l); rmdir "$$"; test "$n" -le 2`)
			f.Dir, f.Slots = dir, slots
			if _, err := look(f); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
