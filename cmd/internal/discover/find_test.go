package discover

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// config is an autoconfig document with these servers: TYPE HOST PORT SOCKET
// USERNAME LOGIN, a line each.
func config(servers ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="x"><domain>x</domain>`)
	for _, s := range servers {
		f := strings.Fields(s)
		tag := "incomingServer"
		if f[0] == "smtp" {
			tag = "outgoingServer"
		}
		b.WriteString("<" + tag + ` type="` + f[0] + `"><hostname>` + f[1] + "</hostname><port>" + f[2] + "</port><socketType>" + f[3] +
			"</socketType><username>" + f[4] + "</username><authentication>" + f[5] + "</authentication></" + tag + ">")
	}
	b.WriteString("</emailProvider></clientConfig>")
	return b.String()
}

func TestFind(t *testing.T) {
	t.Parallel()
	const (
		own       = "autoconfig.example.test/mail/config-v1.1.xml"
		wellKnown = "example.test/.well-known/autoconfig/mail/config-v1.1.xml"
		database  = "autoconfig.thunderbird.net/v1.1/"
	)
	leo := " leo@example.test|leo"
	tests := map[string]struct {
		zone                   string
		pages                  map[string]string
		pop3, submission, imap []string
	}{
		"no source knows anything": {},
		"the domain's own autoconfig": {
			pages: map[string]string{own: config("imap imap.example.test 993 SSL %EMAILADDRESS% password-cleartext",
				"pop3 pop.hoster.test 995 SSL %EMAILLOCALPART% password-cleartext",
				"pop3 pop.%EMAILDOMAIN% 110 STARTTLS %EMAILADDRESS% password-cleartext",
				"pop3 pop.example.test 110 plain leo password-cleartext",
				"smtp smtp.hoster.test 587 STARTTLS %EMAILADDRESS% password-cleartext")},
			pop3: []string{"pop.hoster.test:995, TLS from the start (the autoconfig of example.test) leo",
				"pop.example.test:110, STARTTLS (the autoconfig of example.test) leo@example.test"},
			submission: []string{"smtp.hoster.test:587, STARTTLS (the autoconfig of example.test) leo@example.test"},
			imap:       []string{"imap.example.test:993, TLS from the start (the autoconfig of example.test) leo@example.test"},
		},
		"its well-known place, and tokens": {
			pages: map[string]string{wellKnown: config("pop3 pop.example.test 995 SSL %REALNAME% OAuth2")},
			pop3:  []string{"pop.example.test:995, TLS from the start (the autoconfig of example.test) token only" + leo},
		},
		"a redirect within HTTPS": {
			pages: map[string]string{own: "https://hoster.test/here", "hoster.test/here": config("pop3 pop.hoster.test 995 SSL a password-cleartext")},
			pop3:  []string{"pop.hoster.test:995, TLS from the start (the autoconfig of example.test) a"},
		},
		"a redirect out of HTTPS": {
			pages: map[string]string{own: "http://hoster.test/here", "hoster.test/here": config("pop3 pop.hoster.test 995 SSL a password-cleartext")},
		},
		"a redirect to another port": {
			pages: map[string]string{own: "https://hoster.test:6379/here", "hoster.test/here": config("pop3 pop.hoster.test 995 SSL a password-cleartext")},
		},
		"a redirect without end": {pages: map[string]string{own: "https://" + own}},
		"too much": {
			pages: map[string]string{own: strings.Replace(config("pop3 pop.example.test 995 SSL a b"), "<domain>", "<!--"+strings.Repeat(" ", maxDocument)+"--><domain>", 1)},
		},
		"nonsense": {pages: map[string]string{own: "<html>", wellKnown: config("pop3 http://pop.example.test 995 SSL a b",
			"pop3 pop.example.test 0 SSL a b", "pop3 pop..test 995 SSL a b", "pop3 -p.test 995 SSL a b")}},
		"Thunderbird's database": {
			pages:      map[string]string{database + "example.test": config("pop3 pop.hoster.test 995 SSL %EMAILADDRESS% password-cleartext", "smtp smtp.hoster.test 465 SSL %EMAILADDRESS% password-cleartext")},
			pop3:       []string{"pop.hoster.test:995, TLS from the start (Thunderbird's database, under example.test) leo@example.test"},
			submission: []string{"smtp.hoster.test:465, TLS from the start (Thunderbird's database, under example.test) leo@example.test"},
		},
		"SRV records": {
			zone: `_pop3s._tcp.example.test. SRV 10 1 1995 second.example.test.
_pop3s._tcp.example.test. SRV 5 1 995 first.example.test.
_pop3._tcp.example.test. SRV 0 1 110 pop.elsewhere.test.
_submissions._tcp.example.test. SRV 0 1 465 smtp.example.test.
_submission._tcp.example.test. SRV 0 0 0 .
_imaps._tcp.example.test. SRV 0 1 993 imap.example.test.
_imap._tcp.example.test. SRV 0 1 143 imap.elsewhere.test.`,
			pop3: []string{"first.example.test:995, TLS from the start (the SRV records of example.test)" + leo,
				"pop.elsewhere.test:110, STARTTLS (the SRV records of example.test) untrusted" + leo},
			submission: []string{"smtp.example.test:465, TLS from the start (the SRV records of example.test)" + leo},
			imap: []string{"imap.example.test:993, TLS from the start (the SRV records of example.test)" + leo,
				"imap.elsewhere.test:143, STARTTLS (the SRV records of example.test) untrusted" + leo},
		},
		"the domain's mail host": {
			zone: `example.test. MX 20 mx.other.test.
example.test. MX 10 mx1.hoster.test.
_submissions._tcp.hoster.test. SRV 0 1 465 smtp.hoster.test.`,
			pages: map[string]string{"autoconfig.hoster.test/mail/config-v1.1.xml": config("pop3 pop.hoster.test 995 SSL %EMAILADDRESS% password-cleartext",
				"IMAP imap.hoster.test 143 STARTTLS %EMAILADDRESS% password-cleartext")},
			imap:       []string{"imap.hoster.test:143, STARTTLS (the autoconfig of hoster.test) untrusted leo@example.test"},
			pop3:       []string{"pop.hoster.test:995, TLS from the start (the autoconfig of hoster.test) untrusted leo@example.test"},
			submission: []string{"smtp.hoster.test:465, TLS from the start (the SRV records of hoster.test) untrusted" + leo},
		},
		"the most trusted first, each once": {
			zone:  "_pop3s._tcp.example.test. SRV 0 1 995 pop.example.test.\n_pop3._tcp.example.test. SRV 0 1 110 pop.example.test.",
			pages: map[string]string{own: config("pop3 pop.example.test 995 SSL leo1 password-cleartext"), database + "example.test": config("pop3 pop3.example.test 995 SSL a password-cleartext")},
			pop3: []string{"pop.example.test:995, TLS from the start (the autoconfig of example.test) leo1",
				"pop3.example.test:995, TLS from the start (Thunderbird's database, under example.test) a",
				"pop.example.test:110, STARTTLS (the SRV records of example.test)" + leo},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.zone, tt.pages)
			found, pop3, submission := w.find(t, "leo@example.test")
			begins(t, "POP3", pop3, tt.pop3)
			begins(t, "submission", submission, tt.submission)
			begins(t, "IMAP", lines(found.IMAP), tt.imap)
			if len(found.Replies) != 4 || t.Failed() {
				t.Logf("%+v", found.Replies)
			}
		})
	}
}

// TestAddressStaysHome: only the domain's own server learns the address,
// not even by a Referer.
func TestAddressStaysHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "example.test. MX 10 mx.hoster.test.", map[string]string{
		"autoconfig.example.test/mail/config-v1.1.xml": "https://elsewhere.test/config",
		"elsewhere.test/config":                        config(),
		"autoconfig.hoster.test/mail/config-v1.1.xml":  config(),
	})
	found, _, _ := w.find(t, "leo+x@example.test")
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := 0
	for _, request := range w.asked {
		if strings.Contains(request, "leo") {
			sent++
			if request != "autoconfig.example.test/mail/config-v1.1.xml?emailaddress=leo%2Bx%40example.test" {
				t.Errorf("the address was sent: %s", request)
			}
		}
	}
	if sent != 1 || len(w.asked) < 5 {
		t.Errorf("requests: %q", w.asked)
	}
	for _, r := range found.Replies {
		if strings.Contains(r.Said, "leo") {
			t.Errorf("the address is in a reply: %+v", r)
		}
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		domain string // "": refused
	}{
		"leo@example.net":         {"example.net"},
		"Leo@Example.NET":         {"example.net"},
		`a@b@example.net`:         {"example.net"},
		"leo@bücher.example":      {"xn--bcher-kva.example"},
		"leo@example.net.":        {"example.net"},
		"leo":                     {},
		"@example.net":            {},
		"leo@":                    {},
		"leo@example":             {},
		"leo@exam ple.net":        {},
		"Leo <leo@example.net>":   {"example.net"},
		"leo@https://example.net": {},
		"leo@a..b":                {},
	}
	for address, tt := range tests {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			a, err := ParseAddress(address)
			if a.Domain != tt.domain || (err == nil) != (tt.domain != "") {
				t.Errorf("domain %q, error %v", a.Domain, err)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		host, domain string
		want         bool
	}{
		"itself":              {"example.net", "example.net", true},
		"below":               {"pop.example.net", "example.net", true},
		"beside":              {"pop.example.net", "mail.example.net", true},
		"another":             {"pop.example.org", "example.net", false},
		"only looks like it":  {"badexample.net", "example.net", false},
		"below a suffix":      {"pop.evil.co.uk", "example.co.uk", false},
		"a suffix of hosters": {"pop.evil.github.io", "example.github.io", false},
		"an address":          {"192.0.2.1", "example.net", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := within(tt.host, tt.domain); got != tt.want {
				t.Errorf("within(%s, %s) = %v", tt.host, tt.domain, got)
			}
		})
	}
}

// TestPresetsNeedNoRequests: a known provider is not asked for, and a domain is
// known by its mail host.
func TestPresetsNeedNoRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "example.test. MX 5 aspmx.l.google.com.", nil)
	want := "pop.gmail.com:995, TLS from the start (preset gmail)"
	for _, address := range []string{"leo@gmail.com", "leo@example.test"} {
		found, pop3, submission := w.find(t, address)
		if found.Provider == nil || found.Provider.Name != "gmail" || len(submission) == 0 || len(pop3) == 0 || !strings.HasPrefix(pop3[0], want) ||
			strings.Contains(pop3[0], "untrusted") {
			t.Errorf("%s: %+v", address, found)
		}
		if address == "leo@gmail.com" && (len(found.Replies) > 0 || len(w.asked) > 0) {
			t.Errorf("somebody was asked: %v, %q", found.Replies, w.asked)
		}
	}
}

// TestFailureWords: a missing host has words of its own, any other failure is shown as it
// is.
func TestFailureWords(t *testing.T) {
	t.Parallel()
	none := &net.DNSError{Name: "autoconfig.example.test", Err: "no such host", Server: "192.0.2.1:53", IsNotFound: true}
	for want, err := range map[string]error{
		"there is no host autoconfig.example.test": fmt.Errorf("dial tcp: %w", none),
		"answers 500": errors.New("answers 500"),
	} {
		if got := words(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestForeignWordsOnlyShow: what a source says acts on no terminal.
func TestForeignWordsOnlyShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", map[string]string{"autoconfig.example.test/mail/config-v1.1.xml": "<client\u009b2J\u202eConfig>"})
	found, _, _ := w.find(t, "leo@example.test")
	if got := found.Replies[0].Said; !strings.Contains(got, "cannot be read") || strings.ContainsAny(got, "\u009b\u202e") {
		t.Errorf("got %q, want only what prints", got)
	}
	a, err := ParseAddress("leo@example.test")
	if err != nil {
		t.Fatal(err)
	}
	o, err := readDocument([]byte(strings.Replace(config("pop3 pop.example.test 995 SSL NAME x"), "NAME", "l\u202eeo\u200b", 1)), a, "somebody")
	if err != nil || len(o.pop3) != 1 || o.pop3[0].Usernames[0] != "leo@example.test" {
		t.Errorf("got %+v, %v; want the usual user name", o.pop3, err)
	}
}
