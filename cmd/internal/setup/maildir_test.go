package setup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// An inbox that is a folder of this machine is named by its path. It is made only if the
// user says so, and not before all is set up.
func TestMaildir(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.mailboxAt("pop")
	missing, inTheWay := f.path("mail"), f.path("file")
	testworld.Write(t, inTheWay, "a file")
	const question = "Mail address of the inbox that receives the mail, or the path of a Maildir on this machine"
	questions := []testworld.Reply{
		{Question: question, Answer: filepath.Join(inTheWay, "mail")},
		{Question: "Path of the Maildir", Answer: missing},
		{Question: "There is no Maildir in " + missing + ". Make one there", Answer: "no"},
		{Question: "Path of the Maildir [" + missing + "]", Answer: ""},
		{Question: "There is no Maildir in " + missing + ". Make one there", Answer: ""},
		{Question: "Keep mail in the mailbox", Answer: ""},
		{Question: "Forward all mail", Answer: ""},
	}
	f.fails(f.run(in, append(questions[:len(questions):len(questions)], testworld.Reply{Question: "Write them?", Answer: "no"})...), setup.ErrStopped.Error())
	if _, err := os.Lstat(missing); err == nil {
		t.Error("the Maildir is there before anything is written")
	}
	f.succeeds(f.run(in, append(questions, testworld.Reply{Question: "Write them?", Answer: ""})...))
	want := "include: [accounts.d/*.yaml]\nforward:\n  - name: inbox\n    protocol: maildir\n    path: " + missing + "\n"
	f.reads("popferry.yaml", want)
	for _, name := range []string{"cur", "new", "tmp"} {
		if info, err := os.Stat(filepath.Join(missing, name)); err != nil || !info.IsDir() {
			t.Errorf("%s in the Maildir: %v, want it made", name, err)
		}
	}
}

// Without questions a Maildir has to be there.
func TestMaildirWithoutQuestions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.mailboxAt("pop")
	in.Maildir = f.path("mail")
	f.fails(f.run(in), "make the Maildir (mkdir -p -m 700 "+in.Maildir+"/tmp")
	f.nothingWritten()
	for _, name := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(in.Maildir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.succeeds(f.run(in))
	f.shows("the Maildir " + in.Maildir + " can be written to")
	both := in
	both.To = "leo@isp.test"
	if err := both.Check(); err == nil {
		t.Error("--maildir with --to: got no error, want one")
	}
}
