package legacy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestImport reads testdata/PROGRAM-CASE.txt. Each has the files of the other
// program in the user's home folder, and what is wanted: the configuration, the
// passwords, the fetched UIDs and the remarks. The files "to" and "smtp-host" have what
// the user chooses instead.
func TestImport(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(cases) == 0 {
		t.Fatalf("got %d cases, %v; want some", len(cases), err)
	}
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			home, want := t.TempDir(), ""
			var c Choice
			for _, f := range archive.Files {
				switch f.Name {
				case "want":
					want = string(f.Data)
					continue
				case "to":
					c.To = strings.Fields(string(f.Data))
					continue
				case "smtp-host":
					c.Server.Host = strings.TrimSpace(string(f.Data))
					continue
				}
				write(t, filepath.Join(home, f.Name), strings.ReplaceAll(string(f.Data), "<NUL>", "\x00"))
			}
			program, _, _ := strings.Cut(name, "-")
			var files []string
			if program == "inboxbridge" { // which has no usual place
				files = []string{filepath.Join(home, ".env")}
			}
			setup, err := Read(program, testEnv(home), files, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(shape(t, setup, c), home, "HOME")
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if os.Getenv("POPFERRY_WRITE_GOLDEN") != "" { // read the difference before it is committed
				for i := range archive.Files {
					if archive.Files[i].Name == "want" {
						archive.Files[i].Data = []byte(got)
					}
				}
				write(t, path, string(txtar.Format(archive)))
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// testEnv is the environment of a user with this home folder.
func testEnv(home string) Env {
	return Env{User: "me", Getenv: func(name string) string {
		if name == "HOME" {
			return home
		}
		return ""
	}}
}

// shape describes everything that a setup results in.
func shape(t *testing.T, s *Setup, c Choice) string {
	t.Helper()
	draft := s.Draft(c)
	text, err := draft.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(text)
	for _, f := range draft.Secrets {
		fmt.Fprintf(&b, "%s: %q\n", f.Name, f.Password.Reveal())
	}
	for i, a := range s.Accounts {
		fmt.Fprintf(&b, "%s: seen %q\n", draft.Names[i], slices.Concat(a.Seen.UIDs, a.Seen.Spellings))
	}
	for _, r := range s.Remarks {
		if r.Todo {
			b.WriteString("to do: ")
		}
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// TestNamedRecord: a record that does not exist is an error, and the record of
// another account is not used.
func TestNamedRecord(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	rc := filepath.Join(home, "getmailrc")
	write(t, rc, "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.example.net\nusername = leo\npassword = x\n[destination]\ntype = Maildir\n")
	write(t, filepath.Join(home, "elsewhere", "oldmail-pop.example.net-995-leo"), "1\x001\n")
	write(t, filepath.Join(home, "elsewhere", "oldmail-pop.example.net-995-zoe"), "2\x001\n")
	if _, err := Read("getmail", testEnv(home), []string{rc}, []string{filepath.Join(home, "none")}); err == nil {
		t.Error("a record that does not exist: got no error, want one")
	}
	for _, state := range []string{"elsewhere", "elsewhere/oldmail-pop.example.net-995-leo"} {
		s, err := Read("getmail", testEnv(home), []string{rc}, []string{filepath.Join(home, state)})
		if err != nil || fmt.Sprint(s.Accounts[0].Seen.UIDs) != "[1]" {
			t.Errorf("%s: got %v, %v; want the UID 1", state, s, err)
		}
	}
	s, err := Read("getmail", testEnv(home), []string{rc}, []string{filepath.Join(home, "elsewhere", "oldmail-pop.example.net-995-zoe")})
	if err != nil || len(s.Accounts[0].Seen.UIDs) > 0 {
		t.Errorf("another account's record: got %v, %v; want no UIDs", s, err)
	}
}

// TestSecretIsNotPrinted: no verb prints it.
func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	a := Account{Password: "hush", Delivery: Delivery{Password: "hush"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, a); strings.Contains(got, "hush") || strings.Contains(got, "68757368") {
			t.Errorf("%s prints %s, want no password in it", verb, got)
		}
	}
}

// TestUsualPlaces: each program looks for its file there.
func TestUsualPlaces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ program, variable, file, text string }{
		{"fetchmail", "FETCHMAILHOME", "fetchmailrc", "poll a proto pop3 user b pass c"},
		{"fetchmail", "HOME_ETC", ".fetchmailrc", "poll a proto pop3 user b pass c"},
		{"mpop", "XDG_CONFIG_HOME", "mpop/config", "account x\nhost a\nuser b\npassword c"},
		{"getmail", "XDG_CONFIG_HOME", "getmail/getmailrc", "[retriever]\ntype = SimplePOP3Retriever\nserver = a\nusername = b\npassword = c"},
	} {
		t.Run(test.program+" "+test.variable, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, test.file), test.text)
			env := map[string]string{"HOME": filepath.Join(dir, "nothing"), test.variable: dir}
			s, err := Read(test.program, Env{Getenv: func(name string) string { return env[name] }}, nil, nil)
			if err != nil || len(s.Accounts) != 1 || s.Accounts[0].Username != "b" {
				t.Errorf("got %+v, %v; want one account of b", s, err)
			}
		})
	}
}

// TestUnreadRecord: a named record is read, or a remark says that it was not.
func TestUnreadRecord(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	rc, record := filepath.Join(home, "getmailrc"), filepath.Join(home, "oldmail-copy")
	write(t, rc, "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.example.net\nusername = leo\npassword = x\n[destination]\ntype = Maildir\n")
	write(t, record, "1\x001\n")
	for state, want := range map[string]bool{record: true, t.TempDir(): true, home: false} {
		write(t, filepath.Join(home, "oldmail-pop.example.net-995-leo"), "1\x001\n")
		s, err := Read("getmail", testEnv(home), []string{rc}, []string{state})
		if err != nil {
			t.Fatal(err)
		}
		matches := func(r Remark) bool {
			return r.Record && r.File == state && strings.Contains(r.Text, "nothing was read")
		}
		if slices.ContainsFunc(s.Remarks, matches) != want {
			t.Errorf("%s: got remarks %v, want one that nothing was read: %t", state, s.Remarks, want)
		}
	}
}

// TestPasswordFileNames: they are unique, also for files that the user has to
// write.
func TestPasswordFileNames(t *testing.T) {
	t.Parallel()
	s := &Setup{}
	for _, name := range []string{"a b", "A-B", "a/b", "..", "\u00e9"} {
		s.Accounts = append(s.Accounts, Account{Name: name, Host: "h", Username: name})
	}
	s.Accounts[1].Password = "hush"
	var got []any
	for _, a := range s.Draft(Choice{}).Accounts {
		for _, p := range a {
			if p.Key == "password_file" {
				got = append(got, p.Value)
			}
		}
	}
	if want := "[a-b.password A-B-2.password a-b-3.password account.password account-2.password]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestDuplicatesWithChosenDestination: the destination that the user chose counts.
func TestDuplicatesWithChosenDestination(t *testing.T) {
	t.Parallel()
	for to, want := range map[string][]bool{"": {false, false}, "me@example.org": {false, true}} {
		s := &Setup{Accounts: []Account{
			{Host: "h", Username: "leo", Delivery: Delivery{Host: "localhost", To: "a@b"}, Seen: Seen{UIDs: []string{"1"}}},
			{Host: "H", Username: "leo", Delivery: Delivery{Host: "localhost", To: "c@d"}, Seen: Seen{UIDs: []string{"1", "2"}}},
		}}
		c := Choice{}
		if to != "" {
			c.To = []string{to}
		}
		s.Draft(c)
		if got := []bool{s.Accounts[0].Disabled, s.Accounts[1].Disabled}; !slices.Equal(got, want) || len(s.Remarks) != 1 {
			t.Errorf("to %q: disabled %v, remarks %v; want %v and one remark", to, got, s.Remarks, want)
		}
		if got := len(s.Accounts[0].Seen.UIDs); (got == 2) != want[1] {
			t.Errorf("to %q: %d UIDs count as fetched, want 2: %t", to, got, want[1])
		}
	}
}
