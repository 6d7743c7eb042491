package main

import (
	"context"
	"errors"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestPools: who means the same sessions has the same pool, with the newest
// password, until the last one leaves it.
func TestPools(t *testing.T) {
	t.Parallel()
	var p pools
	var passwords []secret
	take := func(change func(*config.Destination)) *sharedPool {
		t.Helper()
		d := config.Destination{Name: "main", Server: config.Server{Host: "smtp.example.net", Port: 587, Secret: config.NewSecret("first")}, Connections: 4, To: []string{"a@example.org"}}
		change(&d)
		s, err := p.take(d, func(s secret) (*smtp.Pool, error) {
			passwords = append(passwords, s)
			return smtp.New(smtp.Options{}), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := take(func(*config.Destination) {})
	for name, c := range map[string]struct {
		change func(*config.Destination)
		same   bool
	}{
		"nothing":         {func(*config.Destination) {}, true},
		"the recipients":  {func(d *config.Destination) { d.To = []string{"b@example.org"} }, true},
		"the place":       {func(d *config.Destination) { d.Line = 7 }, true},
		"the host":        {func(d *config.Destination) { d.Host = "other.example.net" }, false},
		"the TLS":         {func(d *config.Destination) { d.TLS.Pin = "sha256:00" }, false},
		"the connections": {func(d *config.Destination) { d.Connections = 1 }, false},
		"the name":        {func(d *config.Destination) { d.Name = "other" }, false},
	} {
		s := take(c.change)
		if (s == first) != c.same {
			t.Errorf("%s has changed: the same pool: %t", name, s == first)
		}
		p.leave(s)
	}
	second := take(func(d *config.Destination) { d.Secret = config.NewSecret("second") })
	if got, err := passwords[0](t.Context()); second != first || err != nil || got != "second" {
		t.Errorf("the password is %q, %v", got, err)
	}
	none := func(context.Context) error { return nil }
	p.leave(first)
	if len(p.open) != 1 {
		t.Errorf("%d pools are open while one is used", len(p.open))
	}
	p.leave(second)
	if _, err := first.Deliver(t.Context(), &forwarder.Message{}, none); len(p.open) != 0 || !errors.Is(err, smtp.ErrClosed) {
		t.Errorf("%d pools are open while none is used; delivering: %v", len(p.open), err)
	}
}
