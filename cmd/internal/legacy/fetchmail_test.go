package legacy

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
)

// TestFetchmailConfigdump: popferry reads each of these as fetchmail's own
// --configdump shows it.
func TestFetchmailConfigdump(t *testing.T) {
	t.Parallel()
	program := realserver.Program(t, "fetchmail")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, rc := range []string{
		`poll h proto pop3 user joe pass 1234`,
		`poll h proto pop3 user "joe" pass keep keep`,
		`poll h proto pop3 user 'a b' pass 'x\x41y' is z`,
		`poll h with proto pop3: user joe there with pass x is "leo" here options keep ssl; user esr here is eric there pass y`,
		`poll h proto pop3 user z pass a to b c d keep smtphost x,y/2525 z`,
		"poll h proto pop3 user z pass #comment\n realpw",
		`poll h proto pop3 user z pass a#b limit 5`,
		"poll h proto pop3 user z pass \"a\\\n  b\"",
		`poll h proto pop3 user z pass 'a\101b\0101c\9x'`,
		`poll h proto pop3 user joe pass "a\"b"`,
		`poll h proto pop3 user joe pass "a\" keep`,
		`poll h proto pop3 user joe pass 'a\' keep`,
		`poll h proto pop3 user joe pass "a\\" keep`,
		`poll h proto pop3 user joe pass "a\x22b\34c" keep`,
		`poll h proto pop3 user joe pass a"b keep`,
		`poll h proto pop3 user joe pass a\"b nokeep ssl no ssl`,
		"poll h proto pop3 user joe pass \"a\nb\" keep",
		`poll h proto pop3 user joe pass "ab"cd keep`,
		`poll h proto pop3 user joe pass "a b" is "in" lmtp smtphost x/24 keep no keep`,
		"poll h proto pop3 user joe pass \"unclosed\npoll j proto pop3 user k pass l",
		"defaults proto pop3 user d keep\nskip a.b via c.d pass x\npoll e user f pass g no keep",
		"defaults proto pop3 user d is a to b is c keep\npoll h user e pass f is g user i pass j is k",
		"set daemon 300\npoll h protocol POP3 no dns interval 2 timeout 10 and wants user joe pass x\nserver i proto pop3 username k password l",
		`poll h proto pop3 pass nouser is xx here`,
		`poll h proto pop3 user "joe@example.net" pass ''`,
		`poll h proto pop3 user joe pass "semi;colon, comma: and = sign"`,
		`poll h proto pop3 user z pass a is server=local here keep`,
		`poll h proto pop3 user z pass a is keep here keep`,
		`poll h proto pop3 user joe has pass "x" and wants limit 1000 fetchall no rewrite stripcr warnings 3600`,
	} {
		t.Run(rc, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "rc")
			if err := os.WriteFile(path, []byte(rc+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), program, "--configdump", "-f", path)
			c.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C")
			dump, err := c.Output()
			if err != nil {
				t.Fatalf("fetchmail: %v\n%s", err, dump)
			}
			setup := &Setup{}
			got := pollsAsDumped(parseFetchmailrc(path, rc, setup).polls, me.Username)
			if want := dumpedPolls(string(dump)); got != want {
				t.Errorf("popferry reads\n%sfetchmail reads\n%s", got, want)
			}
			if len(setup.Remarks) > 0 && strings.Contains(fmt.Sprint(setup.Remarks), "does not know") {
				t.Errorf("got %v, want no remark on unknown words", setup.Remarks)
			}
		})
	}
}

// dumpedLine matches the compared lines of a dump, which is Python source with a
// key a line.
var dumpedLine = regexp.MustCompile(`(?m)^\s*["'](pollname|active|via|remote|password|localnames|keep|ssl|lmtp|limit|interval)["']:(.*),$`)

// dumpedPolls returns the mailboxes of a dump: for each poll the options of the
// server, then those of each user.
func dumpedPolls(dump string) string {
	_, dump, _ = strings.Cut(dump, "fetchmailrc = {")
	var b strings.Builder
	server := ""
	for _, m := range dumpedLine.FindAllStringSubmatch(dump, -1) {
		key, value := m[1], m[2]
		switch key {
		case "pollname":
			server = value
		case "active", "interval":
			server += " " + key + "=" + value
		case "via":
			if value != "None" {
				server += " via=" + value
			}
		case "remote":
			fmt.Fprintf(&b, "%s\n  remote=%s", server, value)
		case "ssl":
			fmt.Fprintf(&b, " ssl=%s\n", value)
		default:
			fmt.Fprintf(&b, " %s=%s", key, value)
		}
	}
	return b.String()
}

// pollsAsDumped returns parsed polls in the same form. A user without a name is
// the one who runs fetchmail.
func pollsAsDumped(polls []rcPoll, me string) string {
	var b strings.Builder
	for _, p := range polls {
		fmt.Fprintf(&b, "%s active=%s", quotedAsDumped(p.server.name), truth(!p.skip))
		if p.server.via != "" {
			fmt.Fprintf(&b, " via=%s", quotedAsDumped(p.server.via))
		}
		fmt.Fprintf(&b, " interval=%s", orZero(p.server.interval))
		names := p.user.names
		if len(names) == 0 {
			names = []string{me}
		}
		for i, n := range names {
			if server, local, mapped := strings.Cut(n, "="); mapped {
				names[i] = fmt.Sprintf("(%s, %s)", quotedAsDumped(server), quotedAsDumped(local))
			} else {
				names[i] = quotedAsDumped(n)
			}
		}
		remote := p.user.remote
		if remote == "" {
			remote = me
		}
		fmt.Fprintf(&b, "\n  remote=%s password=%s localnames=[%s] keep=%s lmtp=%s limit=%s ssl=%s\n", quotedAsDumped(remote),
			quotedAsDumped(p.user.password.Reveal()), strings.Join(names, ", "), truth(p.user.keep), truth(p.user.lmtp), orZero(p.user.limit), truth(p.user.ssl))
	}
	return b.String()
}

func quotedAsDumped(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\b", `\b`).Replace(s) + `"`
}

func truth(b bool) string {
	return strings.ToUpper(fmt.Sprint(b))
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}
