//go:build unix

package filter

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher"
)

// example is the script that the docs have for a program.
func example(t *testing.T, program string) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+program+"\n")
	found := regexp.MustCompile(`- \|\n((?: {8}.*\n)+)`).FindStringSubmatch(section)
	if found == nil {
		t.Fatalf("no example for %s", program)
	}
	return strings.ReplaceAll("\n"+found[1], "\n        ", "\n")
}

const (
	letterHead = "Return-Path: <anna@example.org>\r\nReceived: from a.example by b.example; Sun, 22 Nov 2026 08:00:00 +0000\r\nFrom: Anna <anna@example.org>\r\n" +
		"To: leo@example.net\r\nSubject: lunch\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
	ham = letterHead + "Shall we have lunch together tomorrow at noon, in the small place as usual?\r\n"
	// spam has what every installation of SpamAssassin and rspamd takes for spam.
	spam = letterHead + "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
)

// asked is what an example says of a message.
func asked(t *testing.T, script, message string, environ []string) (fetcher.Verdict, error) {
	t.Helper()
	f := shell(script)
	f.Environ = func() []string { return append(os.Environ(), environ...) }
	return f.Look(t.Context(), strings.NewReader(message))
}

// The example for bogofilter drops what was learnt as spam, and is a fault until it has
// learnt anything.
func TestExampleForBogofilter(t *testing.T) {
	t.Parallel()
	bogofilter := realserver.Program(t, "bogofilter")
	script, home := example(t, "bogofilter"), []string{"BOGOFILTER_DIR=" + t.TempDir()}
	if v, err := asked(t, script, ham, home); err == nil {
		t.Errorf("without a word list: got %+v, want an error", v)
	}
	for range 10 {
		for flag, message := range map[string]string{"-s": spam, "-n": ham} {
			c := exec.CommandContext(t.Context(), bogofilter, flag)
			c.Env, c.Stdin = append(os.Environ(), home...), strings.NewReader(message)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	for message, want := range map[string]fetcher.Verdict{ham: {}, spam: {Drop: true, Reason: "spam"}} {
		if v, err := asked(t, script, message, home); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("got %+v, %v; want %+v", v, err, want)
		}
	}
}

// The example for SpamAssassin puts spam into a folder, and is a fault without spamd.
func TestExampleForSpamAssassin(t *testing.T) {
	t.Parallel()
	spamc, spamd := realserver.Program(t, "spamc"), realserver.Program(t, "spamd")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	dir := t.TempDir()
	testworld.Write(t, filepath.Join(dir, "spamc"), "#!/bin/sh\nexec "+spamc+" -d 127.0.0.1 -p "+port+" \"$@\"\n")
	if err := os.Chmod(filepath.Join(dir, "spamc"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	script, path := example(t, "SpamAssassin"), []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	if v, err := asked(t, script, ham, path); err == nil {
		t.Errorf("without spamd: got %+v, want an error", v)
	}
	server := exec.CommandContext(t.Context(), spamd, "--local", "--nouser-config", "--max-children=2", "--listen=127.0.0.1:"+port)
	server.Env = append(os.Environ(), "HOME="+dir)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	testworld.WaitFor(t, "spamd", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	for message, want := range map[string]fetcher.Verdict{ham: {}, spam: {To: []string{"Junk"}}} {
		if v, err := asked(t, script, message, path); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("got %+v, %v; want %+v", v, err, want)
		}
	}
}
