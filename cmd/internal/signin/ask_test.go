package signin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// user is one who reads what is said, and answers.
type user struct {
	said   []string
	asks   int
	here   bool                     // there is a browser on this machine
	answer func(said string) string // to a question
	leaves bool                     // at the first question
}

func (u *user) Say(format string, args ...any)                      { u.said = append(u.said, fmt.Sprintf(format, args...)) }
func (*user) OK(string, ...any)                                     {}
func (*user) Failed(string, ...any)                                 {}
func (*user) Step(check.Step)                                       {}
func (u *user) Interactive() bool                                   { return u.answer != nil || u.leaves }
func (u *user) Confirm(context.Context, string, bool) (bool, error) { return u.here, nil }

func (u *user) Ask(context.Context, string, string) (string, error) {
	u.asks++
	if u.leaves {
		return "", terminal.ErrStopped
	}
	return u.answer(strings.Join(u.said, "\n")), nil
}

func client(p *oauthtest.Provider, device bool) oauth.Client {
	c := oauth.Client{ID: oauthtest.Client, User: "leo@example.net", Scopes: []string{"mail"}, Endpoints: oauth.Endpoints{Auth: p.URL + "/authorize", Token: p.URL + "/token"}}
	if device {
		c.Endpoints.Device = p.URL + "/device"
	}
	return c
}

// lastAddress is the last one that was said.
func lastAddress(said string) (address string) {
	for _, word := range strings.Fields(said) {
		if strings.HasPrefix(word, "http") {
			address = word
		}
	}
	return address
}

// TestPaste: where no code is to be had and no browser is here, the address is
// pasted; what is not that address is asked for again.
func TestPaste(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	u := &user{}
	u.answer = func(said string) string {
		if u.asks == 1 {
			return "http://localhost/?code=another&state=another"
		}
		return oauthtest.Browse(t, lastAddress(strings.ReplaceAll(said, "http://localhost/", "")))
	}
	s, err := Ask(t.Context(), u, client(p, false), Auto, true)
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := p.User(s.Access()); !ok || who != "leo@example.net" || u.asks != 2 {
		t.Errorf("signed in as %q after %d questions, want leo@example.net after 2", who, u.asks)
	}
}

// TestWaysOut: nobody can be asked, and a user who leaves.
func TestWaysOut(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	if _, err := Ask(t.Context(), &user{}, client(p, true), Paste, false); !errors.Is(err, &oauth.Error{Reason: oauth.Invalid}) {
		t.Errorf("nobody to paste: %v", err)
	}
	if _, err := Ask(t.Context(), &user{leaves: true}, client(p, true), Paste, false); !errors.Is(err, terminal.ErrStopped) {
		t.Errorf("a user who leaves: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	cancel(left)
	for _, flow := range []Flow{Device, Browser} {
		if _, err := Ask(ctx, &user{}, client(p, true), flow, false); err == nil {
			t.Errorf("%s, and the user has left: %v", flow, err)
		}
	}
}

// TestCountDown: what is said of the time that is left.
func TestCountDown(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]string{15 * time.Minute: "15 minutes", 899 * time.Second: "15 minutes", time.Minute: "60 seconds", 30 * time.Second: "30 seconds"} {
		if got := inWords(left); got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
	if got, want := due(marks, 3*time.Minute), []time.Duration{2 * time.Minute, time.Minute, 30 * time.Second}; !reflect.DeepEqual(got, want) {
		t.Errorf("of three minutes: %v, want %v", got, want)
	}
}
