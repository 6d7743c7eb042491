package provider

import (
	"strings"
	"testing"
)

func TestLookups(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		look func(string) (Provider, bool)
		word string
		want string // "": unknown
	}{
		"name":                        {ByName, "gmail", "gmail"},
		"name in capitals":            {ByName, "GMX", "gmx"},
		"unknown name":                {ByName, "example", ""},
		"no name":                     {ByName, "", ""},
		"address":                     {ForAddress, "leo@googlemail.com", "gmail"},
		"address in capitals":         {ForAddress, "Leo@Hotmail.CO.UK", "outlook"},
		"quoted @":                    {ForAddress, `"a@web.de"@gmx.de`, "gmx"},
		"domain":                      {ForAddress, "icloud.com", "icloud"},
		"below a domain":              {ForAddress, "leo@sub.gmail.com", ""},
		"address of one's own":        {ForAddress, "leo@example.net", ""},
		"no domain":                   {ForAddress, "leo", ""},
		"no address":                  {ForAddress, "", ""},
		"MX of Google":                {ForMX, "aspmx.l.google.com.", "gmail"},
		"MX in capitals":              {ForMX, "ALT1.ASPMX.L.GOOGLE.COM", "gmail"},
		"MX of a tenant":              {ForMX, "example-net.mail.protection.outlook.com", "microsoft365"},
		"MX of Outlook.com":           {ForMX, "outlook-com.olc.protection.outlook.com", "outlook"},
		"MX that ends like one":       {ForMX, "mx.notgoogle.com", ""},
		"no MX":                       {ForMX, "", ""},
		"POP3 server":                 {ForHost, "pop3.web.de", "web.de"},
		"submission server":           {ForHost, "smtp.mail.yahoo.com.", "yahoo"},
		"server of two":               {ForHost, "outlook.office365.com", "microsoft365"},
		"server of a guest":           {ForHost, "pop.aol.com", "aol"},
		"other name of a server":      {ForHost, "pop.googlemail.com", "gmail"},
		"server of iCloud":            {ForHost, "smtp.mail.me.com", "icloud"},
		"IMAP server":                 {ForHost, "imap.gmail.com", "gmail"},
		"IMAP server of two":          {ForHost, "imap.aol.com", "aol"},
		"server only a guest has":     {ForHost, "smtp-mail.outlook.com", "outlook"},
		"a bridge on this machine":    {ForHost, "127.0.0.1", ""},
		"server of one's own":         {ForHost, "pop.example.net", ""},
		"below the name of a server":  {ForHost, "x.pop.gmail.com", ""},
		"address in place of a name":  {ForHost, "192.0.2.1", ""},
		"Gmail greets":                {ForGreeting, "mx.google.com ESMTP 98e67ed59e1d1-2ee06f1b5fasm1.12 - gsmtp", "gmail"},
		"it does so by its name":      {ForGreeting, "smtp.gmail.com ESMTP ffacd0b85a97d - gsmtp", "gmail"},
		"its relay that is set up":    {ForGreeting, "smtp-relay.gmail.com ESMTP ffacd0b85a97d - gsmtp", ""},
		"somebody else greets":        {ForGreeting, "mx.example.org ESMTP Postfix", ""},
		"nothing in place of a name ": {ForHost, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ok := tt.look(tt.word)
			if p.Name != tt.want || ok != (tt.want != "") {
				t.Errorf("%q: %q, %v; want %q", tt.word, p.Name, ok, tt.want)
			}
		})
	}
}

func TestNearCorrectsTypos(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"gmial.com":       "gmail.com",
		"Gmial":           "gmail",
		"pop.gmial.com":   "pop.gmail.com",
		"pop.gmail.con":   "pop.gmail.com",
		"hotmial.com":     "hotmail.com",
		"yaho.com":        "yahoo.com",
		"pop3.wed.de":     "pop3.web.de",
		"outlok.com":      "outlook.com",
		"gmail.com":       "", // right as it is
		"web.de":          "",
		"pop.example.net": "",
		"example.com":     "",
		"":                "",
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			p, near := Near(word)
			if near != want || (p.Name == "") != (want == "") {
				t.Errorf("%q: %q of %q; want %q", word, near, p.Name, want)
			}
		})
	}
}

// TestPrefersIMAP: only a provider whose submission is known to take mail from
// others, and one without IMAP, gets it by SMTP.
func TestPrefersIMAP(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"gmail":   true,  // rewrites
		"yahoo":   true,  // refuses
		"proton":  true,  // refuses, with a bridge
		"gmx":     true,  // not known
		"icloud":  true,  // not known
		"arcor":   false, // no IMAP server is known
		"unknown": false,
	} {
		if p, _ := ByName(name); p.PrefersIMAP() != want {
			t.Errorf("%s: PrefersIMAP() = %v, want %v", name, !want, want)
		}
	}
	if p := (Provider{IMAP: []Server{{}}, Submission: Submission{ForeignFrom: Accepts}}); p.PrefersIMAP() {
		t.Error("PrefersIMAP() = true where submission takes mail from others, want false")
	}
}

// TestEachIsFound: all that leads to a provider by name or server is among the words of
// the file.
func TestEachIsFound(t *testing.T) {
	t.Parallel()
	for _, p := range All() {
		if got, ok := ByName(strings.ToUpper(p.Name)); !ok || got.Name != p.Name {
			t.Errorf("%s is not found by its name", p.Name)
		}
		for _, host := range p.hosts() {
			if _, ok := ForHost(strings.ToUpper(host) + "."); !ok {
				t.Errorf("%s is not found by its server %s", p.Name, host)
			}
		}
	}
}

// BenchmarkForHost looks for a server that nobody is known to run, as each start does.
func BenchmarkForHost(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, known := ForHost("mail.example.org"); known {
			b.Fatal("it is known")
		}
	}
}
