package legacy

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/memtest"
)

// Whatever is in a file, reading it ends and takes memory in proportion, and the result
// can be written as a configuration.

func FuzzFetchmailrc(f *testing.F) {
	f.Add("set daemon 300 defaults proto pop3\npoll a via b port 1: user \"c\" there with pass 'd\\x41' is e here smtphost f/25,g ssl keep no rewrite")
	f.Add("skip a no keep nokeep user b here is c there to x=y * sslproto '' timeout 9999999999999999999 interval 3 limit -1")
	fuzz(f, func(r *reader, text string) error { return r.fetchmail("rc", text) })
}

func FuzzGetmailrc(f *testing.F) {
	f.Add("[retriever]\ntype=SimplePOP3Retriever\nserver: a\nusername=b\n c\npassword_command=('d', r\"e\\n\",)\n[options]\ndelete_after=9999\n[destination]\ntype=MDA_lmtp\nhost=/f\n")
	f.Add("[retriever]\ntype=SimplePOP3SSLRetriever\nserver=a\nssl_fingerprints=(\n  'a',\n)\nport=99999999999999999999\n]\n[\n=\n")
	fuzz(f, func(r *reader, text string) error { return r.getmail("rc", text) })
}

func FuzzMpoprc(f *testing.F) {
	f.Add("defaults\ntls on\nuidls_file ~/%U/%H\naccount a\nhost b\nuser c\npassword \"d\"\naccount e : a, a,e\nkeep\nskipsize 99999999999m\ntls_fingerprint a:b")
	fuzz(f, func(r *reader, text string) error { return r.mpop("rc", text) })
}

func FuzzPrefs(f *testing.F) {
	f.Add("user_pref(\"mail.accountmanager.accounts\", \"a,b\");\nuser_pref(\"mail.account.a.server\", \"s\");\nuser_pref(\"mail.server.s.type\", \"pop3\");\nuser_pref(\"mail.server.s.max_size\", 99999999999);")
	f.Add("user_pref(\"mail.accountmanager.accounts\", \"a,a,,\\u0000\");\nuser_pref(\"mail.account.a.server\", \"\");\nuser_pref(\"mail.server..type\", \"imap\");\nuser_pref(\"mail.server..port\", -1);")
	fuzz(f, func(r *reader, text string) error { return r.thunderbird("prefs.js", text) })
}

func FuzzFdmConf(f *testing.F) {
	f.Add("$m = \"x\"\naccount \"a\" pop3s server \"h\" port 1 user \"u\" pass 'p' new-only cache \"${m}\" keep\naction \"d\" drop\nmatch not \"^a\\\"b\" in headers and size > 5K action \"d\"\nmatch all action maildir \"%h/m\"")
	f.Add("match account { \"[\" } action\nset proxy \"socks://:\"\naccount\n\"\nmatch action { smtp server\naccount \"b\" pop3 pipe \"nc %h\"")
	fuzz(f, func(r *reader, text string) error { return r.fdm("fdm.conf", text) })
}

func FuzzEnv(f *testing.F) {
	f.Add("POLL_INTERVAL=PT5M\nMAIL_ACCOUNT_0__HOST=a\nMAIL_ACCOUNT_0__PROTOCOL=POP3\nexport MAIL_ACCOUNT_999999999__PORT=\"99999999999\"\n=\nMAIL_ACCOUNT_0__TLS='")
	fuzz(f, func(r *reader, text string) error { return r.inboxbridge(".env", text) })
}

func fuzz(f *testing.F, read func(*reader, string) error) {
	none := f.TempDir() // without a record
	f.Fuzz(func(t *testing.T, text string) {
		r := &reader{env: testEnv(none), states: []string{filepath.Join(none, "none")}, setup: &Setup{}}
		var err error
		if most := uint64(1<<20 + 1024*len(text)); memtest.Exceeds(most, func() {
			r.setup = &Setup{}
			err = read(r, text)
		}) {
			t.Errorf("a file of %d octets takes more than %d", len(text), most)
		}
		if err != nil {
			return // an impossible name of a record
		}
		lines := 1 + strings.Count(text, "\n")
		for _, remark := range r.setup.Remarks {
			if remark.Line > lines {
				t.Errorf("got %s, want a line up to %d", remark, lines)
			}
		}
		draft := r.setup.Draft(Choice{})
		if _, err := draft.YAML(); err != nil {
			t.Error(err)
		}
		names := make(map[string]bool)
		for _, name := range draft.Names {
			if names[name] {
				t.Errorf("two accounts have the name %q, want unique names", name)
			}
			names[name] = true
		}
		files := make(map[string]bool)
		for _, s := range draft.Secrets {
			if files[s.Name] || filepath.Base(s.Name) != s.Name || !filepath.IsLocal(s.Name) {
				t.Errorf("password file %q, want unique local names", s.Name)
			}
			files[s.Name] = true
		}
	})
}

// FuzzRecords: the same for records.
func FuzzRecords(f *testing.F) {
	f.Add("leo@pop.example.net 1\nleo@pop.example.net\n@ \n")
	f.Add("1\x001\n\x00\n-+\x00\n")
	f.Add("# mpop\n 1 pop.example.net leo\n1\n\n  \n 1 pop.example.net\n2\n")
	f.Fuzz(func(t *testing.T, text string) {
		var seen Seen
		seen.add(oldmailUIDs(text)...)
		seen.add(mpopUIDs(text, "pop.example.net", "leo")...)
		accounts := []Account{{Host: "pop.example.net", Username: "leo"}}
		(&reader{setup: &Setup{}}).fetchids("ids", text, accounts)
		for _, uid := range append(seen.UIDs, accounts[0].Seen.UIDs...) {
			if uid == "" || strings.Contains(uid, "\n") {
				t.Errorf("got the UID %q, want one line that is not empty", uid)
			}
		}
	})
}
