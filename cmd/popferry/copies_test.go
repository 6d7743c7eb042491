package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// newCopies is a fixture with held messages that only popferry has: their server no
// longer does.
func newCopies(t *testing.T, messages int) *fixture {
	t.Helper()
	mail := testworld.Mail(messages)
	f := newFixture(t, mail...)
	f.keepsMail()
	f.poll(true)
	if err := os.MkdirAll(f.kept(), 0o700); err != nil {
		t.Fatal(err)
	}
	f.change(func(r *ledger.Record) {
		r.CopyFile = fmt.Sprintf("%d-%s.eml", r.Account, r.UID)
		var n int
		if _, err := fmt.Sscanf(r.UID, "uid-%d", &n); err != nil {
			t.Fatal(err)
		}
		testworld.Write(t, filepath.Join(f.kept(), r.CopyFile), mail[n-1])
	})
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	return f
}

// kept is the folder with the copies.
func (f *fixture) kept() string { return filepath.Join(filepath.Dir(f.config), "popferry.db.kept") }

// hasCopies checks the names of the files in a folder.
func (f *fixture) hasCopies(dir string, want ...string) {
	f.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !e.IsDir() {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("in %s are %v, want %v", dir, got, want)
	}
}

// edit changes the configuration: from and to, by turns.
func (f *fixture) edit(changes ...string) {
	f.t.Helper()
	text, err := os.ReadFile(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	after := strings.NewReplacer(changes...).Replace(string(text))
	if after == string(text) {
		f.t.Fatalf("%q changes nothing in\n%s", changes, text)
	}
	testworld.Write(f.t, f.config, after)
}

// arrives polls with a destination that takes everything, and checks that all
// copies arrive.
func (f *fixture) arrives(messages int) {
	f.t.Helper()
	f.poll(false)
	if got := len(f.sink.Messages()); got != messages {
		f.t.Errorf("%d messages arrived, want %d; the messages are %s", got, messages, f.states())
	}
	f.hasCopies(f.kept())
}

func TestForgetKeepsTheOnlyCopies(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 2)
	f.change(func(r *ledger.Record) {
		if r.UID == "uid-2" {
			r.Skip() // given up before, but its octets are nowhere else
		}
	})
	f.do(exitUsage, []string{"2 messages would be forgotten", "2 of them were not delivered, and popferry has their only copies, in " + f.kept(),
		"popferry forget --config " + f.config + " isp --yes --drop-copies"}, "forget", "isp")
	f.do(exitUsage, []string{"isp: 2 messages were not delivered, and their only copies are in " + f.kept(), "nothing was removed",
		"popferry forget --config " + f.config + ` "isp" --yes --drop-copies`}, "forget", "isp", "--yes")
	f.do(exitUsage, []string{"--drop-copies needs --yes"}, "forget", "isp", "--drop-copies")
	f.hasStates("uid-1 held, uid-2 skipped")
	f.hasCopies(f.kept(), "1-uid-1.eml", "1-uid-2.eml")

	f.do(exitOK, []string{"isp: 2 messages forgotten", "isp: the copies of messages that were not delivered (2) are now in " + filepath.Join(f.kept(), "forgotten")},
		"forget", "isp", "--yes", "--drop-copies")
	f.hasStates("")
	f.hasCopies(f.kept())
	moved, err := filepath.Glob(filepath.Join(f.kept(), "forgotten", "*-isp"))
	if err != nil || len(moved) != 1 {
		t.Fatalf("the folders with moved copies are %v, %v; want one", moved, err)
	}
	f.hasCopies(moved[0], "1-uid-1.eml", "1-uid-2.eml")
	_, out, _ := popferry(t, "status", "--config", f.config)
	if strings.Contains(out, "copies") {
		t.Errorf("status speaks of copies that were given up:\n%s", out)
	}
}

// Where nothing would be lost, there is nothing to ask.
func TestForgetWithCopiesWhoseFilesAreGone(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 1)
	if err := os.RemoveAll(f.kept()); err != nil {
		t.Fatal(err)
	}
	f.do(exitOK, []string{"isp: 1 messages forgotten"}, "forget", "isp", "--yes")
}

func TestRenameKeepsTheOnlyCopies(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 2)
	f.do(exitOK, nil, "rename", "isp", "home")
	f.edit("name: isp", "name: home")
	f.do(exitOK, nil, "retry", "home", "--state", "held")
	f.arrives(2)
}

// Whatever is decided about the UIDs on the server, the copies are sent.
func TestAdoptAndResendKeepTheOnlyCopies(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"adopt", "resend"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			f := newCopies(t, 2)
			f.ledger(func(s *sqlite.Store) {
				row := f.accountIn(s)
				row.UIDs = ledger.UIDsRenumbered
				lease, err := s.Lease(t.Context(), row.ID)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = lease.Release() }()
				if err := lease.PutAccount(t.Context(), row); err != nil {
					t.Fatal(err)
				}
			})
			f.do(exitOK, nil, answer, "isp")
			f.hasCopies(f.kept(), "1-uid-1.eml", "1-uid-2.eml")
			f.do(exitOK, nil, "retry", "isp", "--state", "held")
			f.arrives(2)
		})
	}
}

// accountIn is the row of account isp.
func (f *fixture) accountIn(s *sqlite.Store) ledger.Account {
	f.t.Helper()
	list, err := s.Accounts(f.t.Context())
	if err != nil || len(list) != 1 {
		f.t.Fatalf("the accounts are %+v, %v; want one", list, err)
	}
	return list[0]
}

// copiesStatus is what status --json says of copies.
type copiesStatus struct {
	Stranded []struct {
		Account  string
		Disabled bool
		Messages int
	}
	Orphans []string
}

func (f *fixture) copiesStatus() copiesStatus {
	f.t.Helper()
	_, out, errs := popferry(f.t, "status", "--json", "--config", f.config)
	var doc struct{ Copies *copiesStatus }
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Copies == nil || doc.Copies.Stranded == nil || doc.Copies.Orphans == nil {
		f.t.Fatalf("status --json: %v, want both lists of copies in\n%s%s", err, out, errs)
	}
	return *doc.Copies
}

// Mail that only popferry has is not forgotten with the account that it came from.
func TestCopiesOfAnAccountThatIsNotPolledAreNamed(t *testing.T) {
	t.Parallel()
	other := testworld.POP3(t, pop3test.Options{})
	for name, test := range map[string]struct {
		edit     func(f *fixture)
		back     []string
		why      string
		disabled bool
	}{
		"disabled": {
			func(f *fixture) {
				f.edit("{name: isp", "{name: isp, enabled: false", "forward:", "  - {name: other, "+testworld.HostPort(t, other.Addr())+", tls: none, username: zoe, password: secret}\nforward:")
			},
			[]string{"enabled: false", "enabled: true"}, "the account is disabled (enabled: false)", true,
		},
		"taken out": {
			func(f *fixture) { f.edit("{name: isp", "{name: other", "username: leo", "username: zoe") },
			[]string{"{name: other", "{name: isp", "username: zoe", "username: leo"}, "the account is not in the configuration", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCopies(t, 2)
			if got := f.copiesStatus(); len(got.Stranded)+len(got.Orphans) > 0 {
				t.Errorf("while the account is polled: %+v, want nothing", got)
			}
			test.edit(f)
			f.keepsMail()
			line := "isp: mail that was not delivered, and that only popferry has, is not sent: 2 messages, and " + test.why + ". Put the account into the configuration"
			code, _, errs := popferry(t, "run", "--once", "--config", f.config)
			if code != exitOK || !strings.Contains(errs, "popferry: warning: "+line) {
				t.Errorf("run: exit %d, want %d with a warning %q\n%s", code, exitOK, line, errs)
			}
			f.do(exitOK, []string{"\n" + line}, "status")
			want := copiesStatus{Orphans: []string{}}
			want.Stranded = append(want.Stranded, struct {
				Account  string
				Disabled bool
				Messages int
			}{"isp", test.disabled, 2})
			if got := f.copiesStatus(); !reflect.DeepEqual(got, want) {
				t.Errorf("status --json: %+v, want %+v", got, want)
			}
			c := checkJSONOf(t, f.config, exitAgain)
			if len(c.Copies) != 1 || len(c.Copies[0].Steps) != 1 || *c.Copies[0].Steps[0].Cause != "copies_stranded" || !strings.Contains(*c.Copies[0].Steps[0].Note, "isp") {
				t.Errorf("check --json: %+v, want the copies of isp as copies_stranded", c.Copies)
			}
			f.hasCopies(f.kept(), "1-uid-1.eml", "1-uid-2.eml")

			f.edit(test.back...)
			f.do(exitOK, nil, "retry", "isp", "--state", "held")
			f.arrives(2)
			if got := f.copiesStatus(); len(got.Stranded) > 0 {
				t.Errorf("when they have arrived: %+v, want nothing", got)
			}
		})
	}
}

// A run of some accounts has no news about the others, which are not disabled.
func TestRunOfOneAccountDoesNotNameTheOthers(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 1)
	f.edit("forward:", "  - {name: other, "+testworld.HostPort(t, f.pop.Addr())+", tls: none, username: zoe, password: secret}\nforward:")
	code, _, errs := popferry(t, "run", "--once", "--config", f.config, "other")
	if code != exitOK || strings.Contains(errs, "isp") {
		t.Errorf("run other: exit %d, want %d and no word of isp\n%s", code, exitOK, errs)
	}
}

// A file without a row may be the only octets of a message. One that has just been
// written may get its row at any moment.
func TestCopiesWithoutARowAreNamed(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 1)
	orphan := filepath.Join(f.kept(), "1-orphan.eml")
	testworld.Write(t, orphan, testworld.OneMail)
	if got := f.copiesStatus(); len(got.Orphans) > 0 {
		t.Errorf("just written: %+v, want nothing", got)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(orphan, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	if got, want := f.copiesStatus().Orphans, []string{orphan}; !slices.Equal(got, want) {
		t.Errorf("status --json: %v, want %v", got, want)
	}
	f.do(exitOK, []string{"\nretained copies: the ledger does not know some of the retained copies: 1 file in " + f.kept() + ": 1-orphan.eml. "}, "status")
	code, out, _ := popferry(t, "check", "--config", f.config)
	if code != exitAgain || !strings.Contains(out, "retained copies ("+f.kept()+")") || !strings.Contains(out, "Problems: retained copies.") {
		t.Errorf("check: exit %d, want %d, and the copies among the problems\n%s", code, exitAgain, out)
	}
	f.do(exitOK, nil, "retry", "isp", "--state", "held")
	f.poll(false)
	f.hasCopies(f.kept(), "1-orphan.eml")
}

// A ledger may be damaged, or somebody else's work. A path in it is neither sent nor
// removed, and all who meet it say what it is; the other copies arrive.
func TestNoPathOutOfTheLedgerIsUsed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../victim.txt", "sub/1-a.eml", "victim.txt", "ABSOLUTE"} {
		f := newCopies(t, 2)
		f.refuse.Store(false)
		victim, name := filepath.Join(f.kept(), path), path
		if path == "ABSOLUTE" {
			name = victim
		}
		if err := os.MkdirAll(filepath.Dir(victim), 0o700); err != nil {
			t.Fatal(err)
		}
		testworld.Write(t, victim, "Subject: a secret\r\n\r\nkey\r\n")
		f.change(func(r *ledger.Record) {
			if r.UID == "uid-1" {
				r.CopyFile = name
			}
		})
		f.do(exitOK, nil, "retry", "isp", "uid-1", "uid-2")
		code, out, errs := popferry(t, "run", "--once", "--now", "--config", f.config)
		if code != exitAgain || !strings.Contains(out+errs, fmt.Sprintf("%q is no name that popferry gives to a copy", name)) {
			t.Errorf("%s: got exit %d, want %d and the name\n%s%s", path, code, exitAgain, out, errs)
		}
		f.do(exitOther, []string{"the ledger names as the copy of a message what popferry never wrote", fmt.Sprintf("%q is no name", name)}, "show", "isp", "uid-1")
		if text, err := os.ReadFile(victim); err != nil || !strings.Contains(string(text), "key") {
			t.Errorf("%s: %q, %v; want the file as it was", path, text, err)
		}
		if got := f.sink.Messages(); len(got) != 1 || strings.Contains(string(got[0].Data), "secret") {
			t.Errorf("%s: %d messages arrived, want the other one alone", path, len(got))
		}
		f.hasStates("uid-1 deferred, uid-2 forwarded")
	}
}
