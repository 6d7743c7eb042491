package pop3

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// names are the keywords of capabilities, sorted.
func names(c Capabilities) []string { return slices.Sorted(maps.Keys(c.args)) }

func TestCapa(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
		err   error
	}{
		{"Dovecot", []string{"S: +OK", "S: CAPA", "S: TOP", "S: UIDL", "S: SASL PLAIN LOGIN", "S: ."}, []string{"CAPA", "SASL", "TOP", "UIDL"}, nil},
		{"none", []string{"S: +OK", "S: ."}, nil, nil},
		{"odd forms", []string{"S: +ok", "R: top\n", "S: Uidl  ", "S: RESP_CODES", "S: ", "S: X-\xe9", "S: ."}, []string{"RESP-CODES", "TOP", "UIDL", "X-\xe9"}, nil},
		{"cut", []string{"S: +OK", "S: TOP", "X:"}, nil, errEOF},
		{"no line of its own for the dot", []string{"S: +OK", "S: TOP.", "X:"}, nil, errEOF},
		{"hang-up", []string{"X:"}, nil, errEOF},
		{"endless", []string{"S: +OK", "R: " + strings.Repeat("X\r\n", 100_000)}, nil, errProtocol},
		{"33 words", []string{"S: +OK", "S: SASL PLAIN" + strings.Repeat(" X", 20), "S: TOP", "S: sasl" + strings.Repeat(" Y", 12), "S: ."}, nil, errProtocol},
		{"a line without an end", []string{"S: +OK", "R: " + strings.Repeat("X", 100_000)}, nil, errProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, append([]string{"C: CAPA"}, tt.lines...)...)
			caps, err := c.capa(t.Context())
			if tt.err != nil {
				broken(t, c, err, tt.err)
			} else if got := names(caps); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
	c := ready(t, "C: CAPA", "S: -ERR unknown command")
	if _, err := c.capa(t.Context()); refused(t, err).Kind() != KindProtocol || c.Err() != nil {
		t.Errorf("%v, session %v; want a refusal because of the protocol", err, c.Err())
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	caps := parseCapabilities("sasl plain", "SASL Cram-MD5 XOAUTH2", "EXPIRE 0 USER", "Login-Delay 900 USER", "pipelining", "Implementation Foo v1")
	if !caps.Has("Sasl") || caps.Has("TOP") || !caps.Pipelining() {
		t.Error("has the wrong capabilities")
	}
	if got := caps.mechanisms(); !slices.Equal(got, []string{"PLAIN", "CRAM-MD5", "XOAUTH2"}) {
		t.Errorf("SASL %q", got)
	}
	if got := caps.arguments("IMPLEMENTATION"); !slices.Equal(got, []string{"Foo", "v1"}) {
		t.Errorf("IMPLEMENTATION %q", got)
	}
	if d, ok := caps.loginDelay(); d != 15*time.Minute || !ok {
		t.Errorf("login delay %v %v", d, ok)
	}
	if got := fmt.Sprint(caps.expire()); got != "0 false true" {
		t.Errorf("expire %s", got)
	}
	for line, want := range map[string]string{
		"EXPIRE NEVER": "0 true true", "expire never": "0 true true", "EXPIRE 30": "30 false true",
		"EXPIRE": "0 false false", "EXPIRE -1": "0 false false", "EXPIRE 99999999999999999999": "0 false false", "TOP": "0 false false",
	} {
		if got := fmt.Sprint(parseCapabilities(line).expire()); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for _, line := range []string{"LOGIN-DELAY", "LOGIN-DELAY x", "LOGIN-DELAY -5", "TOP"} {
		if d, ok := parseCapabilities(line).loginDelay(); ok || d != 0 {
			t.Errorf("%s: login delay %v, want none", line, d)
		}
	}
	if zero := (Capabilities{}); zero.Has("TOP") || zero.mechanisms() != nil || names(zero) != nil {
		t.Error("the zero value has capabilities")
	}
}

// FuzzCapa reads any octets as the reply to CAPA: what it takes is bounded, whatever
// they are.
func FuzzCapa(f *testing.F) {
	f.Add([]byte("TOP\r\nUIDL\r\nSASL PLAIN LOGIN\r\n.\r\n"))
	f.Add([]byte("X" + strings.Repeat(" a", 4090) + "\r\nX a\r\n.\r\n"))
	f.Add([]byte(strings.Repeat("X a a a a\n", 2000) + ".\n"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		var caps Capabilities
		var err error
		const most = 1 << 20
		if allocates(most, func() {
			c, done := from(&answers{[][]byte{append([]byte("+OK\r\n"), octets...)}})
			defer done()
			caps, err = c.capa(t.Context())
		}) {
			t.Errorf("a reply of %d octets takes more than %d", len(octets), most)
		}
		words := 0
		for k, args := range caps.args {
			words += 1 + len(args)
			if len(args) > maxWords {
				t.Errorf("%d words of %q, want %d at most", len(args), k, maxWords)
			}
		}
		if words > capaOctets || err == nil && caps.crowded != "" {
			t.Errorf("%v, %d words, too many of %q", err, words, caps.crowded)
		}
	})
}

// FuzzCapabilities reads any lines as capabilities.
func FuzzCapabilities(f *testing.F) {
	f.Add("CAPA\nTOP\nUIDL\nRESP-CODES\nPIPELINING\nAUTH-RESP-CODE\nSTLS\nUSER\nSASL PLAIN LOGIN")                 // Dovecot
	f.Add("USER\nRESP-CODES\nEXPIRE 0\nLOGIN-DELAY 300\nTOP\nUIDL\nX-GOOGLE-RICO\nSASL PLAIN XOAUTH2 OAUTHBEARER") // Gmail
	f.Add("TOP\nUIDL\nSASL PLAIN XOAUTH2\nUSER")                                                                   // Exchange
	f.Add("top\nUidl  \nuser\nRESP_CODES\nExpire never\nX-\xe9\npipelining\nLOGIN-DELAY 99999999999\nexpire 5 USER\nUTF8 USER")
	f.Fuzz(func(t *testing.T, text string) {
		caps := parseCapabilities(strings.Split(text, "\n")...)
		for _, n := range names(caps) {
			if !caps.Has(n) || n != upper(n) {
				t.Errorf("%q is listed and not there", n)
			}
		}
		for k, words := range caps.args {
			if len(words) > maxWords {
				t.Errorf("%d words of %s, want %d at most", len(words), k, maxWords)
			}
		}
		if d, ok := caps.loginDelay(); d < 0 || !ok && d != 0 {
			t.Errorf("login delay %v %v", d, ok)
		}
		if days, never, ok := caps.expire(); days < 0 || never && days != 0 || !ok && (never || days != 0) {
			t.Errorf("expire %d %v %v", days, never, ok)
		}
		for _, m := range caps.mechanisms() {
			if !caps.offers(m) {
				t.Errorf("%q is listed and not offered", m)
			}
		}
	})
}
