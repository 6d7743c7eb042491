package talk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/talk"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// asked waits for the next question.
func asked(t *testing.T, x *talk.Talk) *talk.Question {
	t.Helper()
	x.Await(t.Context())
	s := x.State()
	if s.Question == nil {
		t.Fatalf("nothing is asked; the talk is %+v", s)
	}
	return s.Question
}

func answer(t *testing.T, x *talk.Talk, text string) {
	t.Helper()
	if err := x.Answer(asked(t, x).ID, text); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

// A talk asks one question after the other, and shows no secret, not even where the
// whole state is printed.
func TestTalk(t *testing.T) {
	t.Parallel()
	var got []string
	x := talk.Start(t.Context(), "a talk", func(ctx context.Context, x *talk.Talk) (string, error) {
		x.Say("\n  ! Look \x1b[2J out")
		x.Say("\n    https://login.example.net/?x=1\n")
		name, err := x.Ask(ctx, "Name", "leo")
		secret, err2 := x.Secret(ctx, "Password")
		word, err3 := x.Choose(ctx, "How", "imap", "smtp")
		yes, err4 := x.Confirm(ctx, "Sure", false)
		got = []string{name, secret, word, fmt.Sprint(yes)}
		return "all done", errors.Join(err, err2, err3, err4)
	})
	if q := asked(t, x); q.Kind != talk.AsLine || q.Preset != "leo" {
		t.Errorf("got the question %+v, want one for a line with its preset", q)
	}
	answer(t, x, "  ")
	answer(t, x, "s3cr3t")
	if err := x.Answer(asked(t, x).ID, "carrier pigeon"); !errors.Is(err, talk.ErrAnswer) {
		t.Errorf("a word that is not offered: %v, want ErrAnswer", err)
	}
	answer(t, x, "smtp")
	if q := asked(t, x); q.Words[0] != "no" {
		t.Errorf("the usual answer is %q, want no", q.Words[0])
	}
	answer(t, x, "yes")
	<-x.Ended()
	s := x.State()
	if want := "[leo s3cr3t smtp true]"; fmt.Sprint(got) != want || !s.Ended || s.Result.Done != "all done" || s.Result.Err != nil {
		t.Errorf("the answers are %v, want %s; the end is %+v", got, want, s.Result)
	}
	if all := fmt.Sprintf("%+v", s); strings.Contains(all, "s3cr3t") || strings.ContainsRune(all, '\x1b') {
		t.Errorf("the state has the secret or a control character: %q", all)
	}
	if s.Lines[0].Mark != talk.Note || s.Lines[1].Mark != talk.Address {
		t.Errorf("the first lines are %+v, want a note and an address", s.Lines[:2])
	}
}

// Of two browsers one answers. What nobody can type is no answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	x := talk.Start(t.Context(), "", func(ctx context.Context, x *talk.Talk) (string, error) {
		_, err := x.Ask(ctx, "One", "")
		_, err2 := x.Ask(ctx, "Two", "")
		return "", errors.Join(err, err2)
	})
	defer x.Stop()
	first := asked(t, x).ID
	for _, text := range []string{"a\r\nDELE 1", "\x00", "\xff", strings.Repeat("x", 5000)} {
		if err := x.Answer(first, text); !errors.Is(err, talk.ErrAnswer) {
			t.Errorf("%.20q: %v, want ErrAnswer", text, err)
		}
	}
	answer(t, x, "one")
	second := asked(t, x).ID
	if err := x.Answer(first, "one again"); !errors.Is(err, talk.ErrStale) || first == second {
		t.Errorf("a question that was answered: %v, want ErrStale", err)
	}
	if err := x.Answer("", ""); !errors.Is(err, talk.ErrStale) {
		t.Errorf("no question: %v, want ErrStale", err)
	}
}

// A page that is left open does not keep a talk, nor does one that was ended.
func TestTalkEnds(t *testing.T) {
	t.Parallel()
	ask := func(ctx context.Context, x *talk.Talk) (string, error) { return x.Secret(ctx, "Password") }
	synctest.Test(t, func(t *testing.T) {
		x := talk.Start(t.Context(), "", ask)
		id := asked(t, x).ID
		began := time.Now()
		<-x.Ended()
		if took := time.Since(began); took != 10*time.Minute {
			t.Errorf("it ended after %v, want 10 minutes", took)
		}
		if err := x.Answer(id, "late"); !errors.Is(err, talk.ErrStale) {
			t.Errorf("an answer after the end: %v, want ErrStale", err)
		}
		x = talk.Start(t.Context(), "", ask)
		asked(t, x)
		x.Stop()
		if s := x.State(); !errors.Is(s.Result.Err, terminal.ErrStopped) || s.Question != nil {
			t.Errorf("stopped: %+v, want ErrStopped and no question", s)
		}
	})
}
