package forwarder_test

import (
	"errors"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestReply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    forwarder.Outcome
		want string
	}{
		{"nothing", forwarder.Outcome{}, ""},
		{"error", forwarder.Outcome{Err: errors.New("connection refused")}, "connection refused"},
		{"code", forwarder.Outcome{Code: 250}, "250"},
		{"code and text", forwarder.Outcome{Code: 250, Text: "ok"}, "250 ok"},
		{"all", forwarder.Outcome{Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "unknown"}, "550 5.1.1 unknown"},
		{"codes that the server has not said", forwarder.Outcome{Code: 552, Enhanced: forwarder.EnhancedCode{5, 2, 2}, Text: "NO [OVERQUOTA] full", Translated: true}, "NO [OVERQUOTA] full"},
		{"reply before error", forwarder.Outcome{Code: 550, Err: errors.New("x")}, "550"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.o.Reply(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for k := forwarder.Accepted; k <= forwarder.Impossible; k++ {
		if s := k.String(); s == "" || s[:min(len(s), 4)] == "kind" {
			t.Errorf("kind %d has no name", uint8(k))
		}
	}
	for s := forwarder.StageDial; s <= forwarder.StageDot; s++ {
		if n := s.String(); n == "" || n[:min(len(n), 5)] == "stage" {
			t.Errorf("stage %d has no name", uint8(s))
		}
	}
	if got := forwarder.Kind(0).String() + ", " + forwarder.Stage(99).String(); got != "kind 0, stage 99" {
		t.Errorf("got %q, want \"kind 0, stage 99\"", got)
	}
}
