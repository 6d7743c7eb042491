package ledgertest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// signInKey is the sign-in of the tests.
var signInKey = ledger.TokenKey{Provider: "https://login.example.net/token", Client: "client", User: "leo@example.net"}

// signIn returns a sign-in with a value in every field.
func signIn() ledger.Token {
	return ledger.Token{
		TokenKey: signInKey, Access: "access", Refresh: "refresh", URL: "https://login.example.net/token", Header: true, Scopes: "mail offline_access",
		Signed: epoch, Obtained: epoch.Add(time.Second), Ends: epoch.Add(time.Hour), Until: epoch.Add(7 * 24 * time.Hour), Rotation: ledger.RotationSeen,
		Asked: epoch.Add(2 * time.Second), Told: epoch.Add(4 * time.Second),
		Refusal: ledger.Refusal{Cause: ledger.Cause{Code: "signin_refused", Text: "müde\r\nzweite Zeile"}, At: epoch.Add(3 * time.Second), Count: 2},
	}
}

// testTokens: a sign-in is read as it was written, under its lease and without, until
// it is deleted; others are not touched.
func testTokens(t *testing.T, k Kind) {
	ctx, s := t.Context(), open(t, k, k.New(t))
	_, err := s.Token(ctx, signInKey)
	wantError(t, "no sign-in", err, ledger.ErrNotFound)
	l, err := s.LeaseToken(ctx, signInKey)
	must(t, err)
	_, err = l.Token(ctx)
	wantError(t, "no sign-in, under its lease", err, ledger.ErrNotFound)
	must(t, l.Put(ctx, signIn(), 9000))
	want := signIn()
	reads := func() {
		t.Helper()
		got, err := l.Token(ctx)
		must(t, err)
		sameToken(t, got, want)
		got, err = s.Token(ctx, signInKey)
		must(t, err)
		sameToken(t, got, want)
		list, err := s.Tokens(ctx)
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("%d sign-ins, want one", len(list))
		}
		sameToken(t, list[0], want)
	}
	reads()
	want = ledger.Token{TokenKey: signInKey, Refresh: "second"} // all else is empty again
	must(t, l.Put(ctx, want, 0))
	reads()
	other := signIn()
	other.User = "ada@example.net"
	o, err := s.LeaseToken(ctx, other.TokenKey)
	must(t, err)
	must(t, errors.Join(o.Put(ctx, other, 0), o.Release()))
	must(t, errors.Join(l.Delete(ctx), l.Delete(ctx)))
	_, err = s.Token(ctx, signInKey)
	wantError(t, "a sign-in that was deleted", err, ledger.ErrNotFound)
	got, err := s.Token(ctx, other.TokenKey)
	must(t, err)
	sameToken(t, got, other)
	must(t, l.Release())
	wantFailure(t, "a change after Release", l.Put(ctx, signIn(), 0))
	_, err = s.Token(ctx, signInKey)
	wantError(t, "what was written after Release", err, ledger.ErrNotFound)
}

// sameToken compares all fields: a sign-in prints none of its tokens.
func sameToken(t *testing.T, got, want ledger.Token) {
	t.Helper()
	for _, p := range []*time.Time{&got.Signed, &got.Obtained, &got.Ends, &got.Until, &got.Asked, &got.Told, &got.Refusal.At,
		&want.Signed, &want.Obtained, &want.Ends, &want.Until, &want.Asked, &want.Told, &want.Refusal.At} {
		if !p.IsZero() {
			*p = p.UTC()
		}
	}
	if got != want {
		t.Errorf("%v is another one than was put", got)
	}
}

// testTokenLease: one holder at a time, in whatever store; who waits gets it when it
// is released, and reads what the last holder left; an ended context ends the waiting
// and takes nothing.
func testTokenLease(t *testing.T, k Kind) {
	ctx, address := t.Context(), k.New(t)
	s, second := open(t, k, address), open(t, k, address)
	l, err := s.LeaseToken(ctx, signInKey)
	must(t, err)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = s.LeaseToken(short, signInKey)
	wantError(t, "a second lease of the same store", err, context.DeadlineExceeded)
	_, err = second.LeaseToken(short, signInKey)
	wantError(t, "a lease of another store", err, context.DeadlineExceeded)
	other := signInKey
	other.Client = "another"
	o, err := second.LeaseToken(ctx, other)
	must(t, err)
	must(t, o.Release())

	read := make(chan string)
	go func() {
		defer close(read)
		waited, err := second.LeaseToken(ctx, signInKey)
		if err != nil {
			t.Error(err)
			return
		}
		got, err := waited.Token(ctx)
		if err := errors.Join(err, waited.Release()); err != nil {
			t.Error(err)
		}
		read <- got.Refresh
	}()
	if err := errors.Join(l.Put(ctx, signIn(), 0), l.Release()); err != nil {
		t.Error(err) // and the next holder has its turn
	}
	equal(t, "what the next holder reads", <-read, signIn().Refresh)
}

// testTokenProcesses: under the lease, each process reads a counter and writes it back
// incremented. If two ever held the lease at once, or one read what is not the last
// that was written, increments would be lost.
func testTokenProcesses(t *testing.T, k Kind) {
	address := k.New(t)
	s := open(t, k, address)
	const processes, rounds = 8, 10
	var all []*child
	for range processes {
		all = append(all, start(t, "renew", address, strconv.Itoa(rounds)))
	}
	for _, c := range all {
		c.wait(t)
	}
	got, err := s.Token(t.Context(), signInKey)
	must(t, err)
	equal(t, "counted under the lease", got.Refresh, strconv.Itoa(processes*rounds))
}

// testTokenKilled: what Put has returned of is there, however the process ends, and
// its lease is free.
func testTokenKilled(t *testing.T, k Kind) {
	address := k.New(t)
	s := open(t, k, address)
	for life := range 5 {
		c := start(t, "renew", address, "1000000")
		last := ""
		for range 5 * (life + 1) {
			last = c.line(t)
		}
		for _, line := range c.kill() {
			last = line
		}
		l, err := s.LeaseToken(t.Context(), signInKey)
		must(t, err)
		got, err := l.Token(t.Context())
		must(t, errors.Join(err, l.Release()))
		said, err := strconv.Atoi(last)
		must(t, err)
		if n, err := strconv.Atoi(got.Refresh); err != nil || n < said || n > said+1 {
			t.Errorf("life %d: the ledger has %q, and %d was on disk", life, got.Refresh, said)
		}
	}
}

// renew replaces the refresh token by the next number, a number of times, each under a
// lease of its own, and prints it once it is on disk.
func renew(ctx context.Context, s ledger.Store, args []string) error {
	rounds, err := strconv.Atoi(args[0])
	out := &lockedWriter{w: bufio.NewWriter(os.Stdout)}
	for i := 0; i < rounds && err == nil; i++ {
		err = renewOnce(ctx, s, out)
	}
	return err
}

func renewOnce(ctx context.Context, s ledger.Store, out *lockedWriter) error {
	l, err := s.LeaseToken(ctx, signInKey)
	if err != nil {
		return err
	}
	row, err := l.Token(ctx)
	if errors.Is(err, ledger.ErrNotFound) {
		row, err = ledger.Token{TokenKey: signInKey, Refresh: "0"}, nil
	}
	n, bad := strconv.Atoi(row.Refresh)
	if err = errors.Join(err, bad); err == nil {
		row.Refresh = fmt.Sprint(n + 1)
		err = l.Put(ctx, row, 0)
	}
	if err == nil {
		err = out.say(row.Refresh)
	}
	return errors.Join(err, l.Release())
}
