package daemon

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// answering serves popferry poll by a function, and returns the configuration that
// finds it.
func answering(t *testing.T, poll pollFunc) *config.Config {
	t.Helper()
	cfg, err := app.Load(oneAccount(t, testworld.POP3(t, pop3test.Options{}), testworld.SMTP(t, smtptest.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSocket(socketPath(cfg), poll, func() health { return health{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return cfg
}

// An account that a new configuration does not have is no failure of popferry's.
func TestPollOfAnAccountThatIsNoMore(t *testing.T) {
	t.Parallel()
	cfg := answering(t, func(...string) (<-chan fetcher.Result, int, error) {
		results := make(chan fetcher.Result, 1)
		results <- fetcher.Result{Account: "isp", Err: errNotPolled}
		return results, 1, nil
	})
	var got []PollResult
	err := RequestPolls(t.Context(), cfg, []string{"isp"}, func(r PollResult) error {
		got = append(got, r)
		return nil
	})
	if err != nil || len(got) != 1 || !got[0].NotPolled || got[0].TryAgain || got[0].Summary != "" {
		t.Fatalf("got %+v, %v; want one result: not polled, nothing to try again", got, err)
	}
	const want = "isp: not polled: the configuration was read again meanwhile, and has no account of this name now, or has it disabled; popferry status lists the accounts as they are now"
	if got[0].Problem != want {
		t.Errorf("it says %q, want %q", got[0].Problem, want)
	}
}

// A name that only the new configuration has is right, but comes too early.
func TestPollOfAnAccountThatIsNewToTheDaemon(t *testing.T) {
	t.Parallel()
	cfg := answering(t, func(...string) (<-chan fetcher.Result, int, error) {
		return nil, 0, errors.New(`there is no account "isp" that is polled`)
	})
	err := RequestPolls(t.Context(), cfg, []string{"isp"}, nil)
	if _, again := errors.AsType[*app.TryAgainError](err); !again || !strings.Contains(err.Error(), "it has not read "+cfg.Path+" as it is now: try again in a few seconds") {
		t.Errorf("a name of the new configuration: %v, want a TryAgainError that says so", err)
	}
	err = RequestPolls(t.Context(), cfg, []string{"isp", "nobody"}, nil)
	if _, wrong := errors.AsType[*app.UsageError](err); !wrong {
		t.Errorf("a name of none: %v, want a UsageError", err)
	}
}

// What listens on the socket may be somebody else: its answers only show.
func TestAnswersOnlyShow(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;owned\x07\u009b2J\u202egpj.exe"
	for name, answer := range map[string]string{
		"refusal": `{"error": "\u001b]0;owned\u0007\u009b2J\u202egpj.exe"}`,
		"usage":   `{"usage": true, "error": "\u001b]0;owned\u0007\u009b2J\u202egpj.exe"}`,
		"results": `{"polls": 1}{"summary": "\u001b]0;owned\u0007\u009b2J\u202egpj.exe", "complaint": "\u001b]0;owned\u0007\u009b2J\u202egpj.exe"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := app.Load(oneAccount(t, testworld.POP3(t, pop3test.Options{}), testworld.SMTP(t, smtptest.Options{})))
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("unix", socketPath(cfg))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_, _ = io.WriteString(conn, answer)
			}()
			var said string
			if err := RequestPolls(t.Context(), cfg, nil, func(r PollResult) error { said += r.Summary + r.Problem; return nil }); err != nil {
				said += err.Error()
			}
			if !strings.Contains(said, "gpj.exe") || strings.ContainsAny(said, hostile[:1]+"\x07\u009b\u202e") {
				t.Errorf("got %q, want only what prints", said)
			}
		})
	}
}
