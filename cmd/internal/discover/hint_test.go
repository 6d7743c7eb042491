package discover

import (
	"slices"
	"testing"

	"github.com/popferry/popferry/cmd/internal/dial"
)

func TestHint(t *testing.T) {
	t.Parallel()
	mode := func(m dial.Mode) *dial.Mode { return &m }
	tests := map[string]struct {
		hint     Hint
		protocol Protocol
		want     []string
	}{
		"host":               {Hint{Host: "pop.example.test"}, POP3, []string{"pop.example.test:995, TLS from the start", "pop.example.test:110, STARTTLS"}},
		"usual port":         {Hint{Host: "pop.example.test", Port: 995}, POP3, []string{"pop.example.test:995, TLS from the start"}},
		"odd port":           {Hint{Host: "pop.example.test", Port: 1995}, POP3, []string{"pop.example.test:1995, TLS from the start", "pop.example.test:1995, STARTTLS"}},
		"TLS":                {Hint{Host: "pop.example.test", TLS: mode(dial.StartTLS)}, POP3, []string{"pop.example.test:110, STARTTLS"}},
		"no TLS":             {Hint{Host: "pop.example.test", TLS: mode(dial.None)}, POP3, []string{"pop.example.test:110, no TLS"}},
		"POP3 here":          {Hint{Host: "localhost"}, POP3, []string{"localhost:995, TLS from the start", "localhost:110, STARTTLS"}},
		"submission":         {Hint{Host: "mx.example.test"}, Submission, []string{"mx.example.test:465, TLS from the start", "mx.example.test:587, STARTTLS"}},
		"submission, no TLS": {Hint{Host: "mx.example.test", TLS: mode(dial.None)}, Submission, []string{"mx.example.test:25, no TLS"}},
		"this machine":       {Hint{Host: "localhost"}, Submission, []string{"localhost:465, TLS from the start", "localhost:587, STARTTLS", "localhost:25, no TLS"}},
		"its address":        {Hint{Host: "127.0.0.9", Port: 25}, Submission, []string{"127.0.0.9:25, TLS from the start", "127.0.0.9:25, STARTTLS", "127.0.0.9:25, no TLS"}},
		"IMAP":               {Hint{Host: "mx.example.test"}, IMAP, []string{"mx.example.test:993, TLS from the start", "mx.example.test:143, STARTTLS"}},
		"IMAP of a provider": {Hint{Host: "imap.gmail.com"}, IMAP, []string{"imap.gmail.com:993, TLS from the start"}},
		"LMTP":               {Hint{Host: "mx.example.test", Port: 24}, LMTP, []string{"mx.example.test:24, TLS from the start", "mx.example.test:24, STARTTLS"}},
		"LMTP, no port":      {Hint{Host: "mx.example.test"}, LMTP, nil},
		"socket":             {Hint{Host: "unix:/run/lmtp"}, LMTP, []string{"unix:/run/lmtp"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range tt.hint.Candidates(tt.protocol, Address{Full: "leo@example.test", Local: "leo"}) {
				got = append(got, c.Server.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
