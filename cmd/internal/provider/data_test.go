package provider

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostForm is a name of the DNS with at least two labels, in small letters.
var hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)

// TestEntries: each entry says what its readers rely on, in the right form.
func TestEntries(t *testing.T) {
	t.Parallel()
	nameForm := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			if !nameForm.MatchString(p.Name) {
				t.Errorf("name %q: small letters, digits, dots and hyphens only", p.Name)
			}
			if p.Title == "" {
				t.Error("no title")
			}
			for _, name := range slices.Concat(p.Domains, p.MX, p.hosts()) {
				if !hostForm.MatchString(name) {
					t.Errorf("%q is not a host or domain in lower case", name)
				}
			}
			if len(p.Domains)+len(p.MX)+len(p.POP3) == 0 {
				t.Error("nothing leads to it: no domain, no MX, no server")
			}
			if !slices.Contains([]string{"", AuthOAuth2}, p.Auth) {
				t.Errorf("auth %q", p.Auth)
			}
			if p.IntervalMinutes < 0 || p.IntervalMinutes > 60 {
				t.Errorf("%d minutes between polls", p.IntervalMinutes)
			}
			checkServers(t, p)
			checkIMAP(t, p)
			checkSubmission(t, p)
			checkSteps(t, p)
			checkSources(t, p)
		})
	}
}

func checkServers(t *testing.T, p Provider) {
	t.Helper()
	if noPOP := len(p.POP3) == 0; noPOP == (p.Instead == "") {
		t.Errorf("%d POP3 servers and instead: %q: it is one or the other", len(p.POP3), p.Instead)
	}
	if !slices.Contains([]string{LoginAddress, LoginLocalPart, ""}, p.Login) {
		t.Errorf("login %q", p.Login)
	}
	for _, s := range slices.Concat(p.POP3, p.SMTP) {
		if s.TLS != TLSImplicit && s.TLS != TLSStart {
			t.Errorf("%s: tls %q", s.Addr(), s.TLS)
		}
	}
	for _, s := range p.POP3 { // no provider was seen to use other ports
		if (s.TLS == TLSImplicit) != (s.Port == 995) || (s.TLS == TLSStart) != (s.Port == 110) {
			t.Errorf("%s with tls %q", s.Addr(), s.TLS)
		}
	}
	for _, s := range p.SMTP { // 465 never begins without TLS, 25 never with it
		if s.TLS == TLSStart && s.Port == 465 || s.TLS == TLSImplicit && s.Port == 25 || !slices.Contains([]int{25, 465, 587}, s.Port) {
			t.Errorf("%s with tls %q", s.Addr(), s.TLS)
		}
	}
}

// checkIMAP checks the servers for IMAP and what is known of them: other ports
// are those of programs on one's own machine alone.
func checkIMAP(t *testing.T, p Provider) {
	t.Helper()
	for _, s := range p.IMAP {
		usual := s.TLS == TLSImplicit && s.Port == 993 || s.TLS == TLSStart && s.Port == 143
		if s.local() == usual || s.TLS != TLSImplicit && s.TLS != TLSStart {
			t.Errorf("IMAP at %s with tls %q", s.Addr(), s.TLS)
		}
		if !s.local() && !hostForm.MatchString(s.Host) {
			t.Errorf("%q is not a host in lower case", s.Host)
		}
	}
	l := p.IMAPLimits
	if !slices.Contains([]string{LoginAddress, LoginLocalPart, ""}, l.Login) {
		t.Errorf("login %q by IMAP", l.Login)
	}
	if l.AppendLimit < 0 || l.DailyUpload < 0 || l.AppendLimit > 0 && l.AppendLimit < 1_000_000 {
		t.Errorf("append_limit %d, daily_upload %d: they are octets", l.AppendLimit, l.DailyUpload)
	}
	something := l.Login != "" || l.AppendLimit+l.DailyUpload > 0 || l.Enable != nil || l.Note != ""
	if something != (l.Checked != "") || something != (len(l.Sources) > 0) || something && len(p.IMAP) == 0 {
		t.Errorf("imap_limits %+v: facts, their sources and their day go together, and with a server", l)
	}
	if something {
		checkDay(t, l.Checked)
	}
	for _, source := range l.Sources {
		checkURL(t, source)
	}
}

// checkSubmission: nothing is said of a provider's submission without a source,
// and nothing of a provider that has none.
func checkSubmission(t *testing.T, p Provider) {
	t.Helper()
	s := p.Submission
	if s == (Submission{}) {
		return
	}
	if !slices.Contains([]ForeignFrom{Accepts, Rewrites, Refuses, Unknown}, s.ForeignFrom) {
		t.Errorf("foreign_from %q", s.ForeignFrom)
	}
	if s.Reply != "" && (s.ForeignFrom == Accepts || s.ForeignFrom == Rewrites) {
		t.Errorf("foreign_from %s, with the refusal %q", s.ForeignFrom, s.Reply)
	}
	if s.Damages() && len(p.IMAP) == 0 {
		t.Errorf("foreign_from %s, and no IMAP server instead", s.ForeignFrom)
	}
	checkURL(t, s.Source)
	checkDay(t, s.Checked)
}

func checkSteps(t *testing.T, p Provider) {
	t.Helper()
	for _, s := range []*Step{p.AppPassword, p.EnablePOP, p.IMAPLimits.Enable} {
		if s == nil {
			continue
		}
		if s.How == "" && s.URL == "" {
			t.Error("a step that says nothing")
		}
		if s.URL != "" {
			checkURL(t, s.URL)
		}
	}
}

func checkSources(t *testing.T, p Provider) {
	t.Helper()
	if len(p.Sources) == 0 {
		t.Error("no source")
	}
	for _, s := range p.Sources {
		checkURL(t, s)
	}
	checkDay(t, p.Checked)
}

func checkDay(t *testing.T, day string) {
	t.Helper()
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		t.Errorf("checked: %v", err)
	}
}

func checkURL(t *testing.T, s string) {
	t.Helper()
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || !hostForm.MatchString(u.Host) {
		t.Errorf("%q is not an https URL (%v)", s, err)
	}
}

// TestNothingTwice: a lookup has one answer.
func TestNothingTwice(t *testing.T) {
	t.Parallel()
	for what, of := range map[string]func(Provider) []string{
		"name":   func(p Provider) []string { return []string{p.Name} },
		"title":  func(p Provider) []string { return []string{p.Title} },
		"domain": func(p Provider) []string { return p.Domains },
		"MX":     func(p Provider) []string { return p.MX },
	} {
		first := map[string]string{}
		for _, p := range All() {
			for _, s := range of(p) {
				if first[s] != "" {
					t.Errorf("%s %s is in %s and in %s", what, s, first[s], p.Name)
				}
				first[s] = p.Name
			}
		}
	}
}

// TestSharedServers: a POP3 server has one owner, and what is true of it is
// true of it in each entry that names it.
func TestSharedServers(t *testing.T) {
	t.Parallel()
	owners := map[string]string{}
	for _, p := range All() {
		for _, s := range p.POP3 {
			q, _ := ForHost(s.Host)
			if p.RETRHides != q.RETRHides || p.IntervalMinutes != q.IntervalMinutes || p.Auth != q.Auth {
				t.Errorf("%s and %s do not say the same of %s", p.Name, q.Name, s.Host)
			}
			if owner := owners[s.Host]; p.HostedBy == "" && owner != "" && owner != p.Name {
				t.Errorf("%s belongs to %s and to %s", s.Host, owner, p.Name)
			}
			if p.HostedBy == "" {
				owners[s.Host] = p.Name
			}
			if p.HostedBy != "" && q.Name != p.HostedBy {
				t.Errorf("%s is hosted by %s, but %s is of %q", p.Name, p.HostedBy, s.Host, q.Name)
			}
		}
	}
}

// TestSharedSubmission: what a submission server does with mail from others is the
// same in each entry that names it.
func TestSharedSubmission(t *testing.T) {
	t.Parallel()
	for _, p := range All() {
		for _, s := range p.SMTP {
			q, _ := ForHost(s.Host)
			if p.Submission != q.Submission {
				t.Errorf("%s and %s do not say the same of %s", p.Name, q.Name, s.Host)
			}
		}
	}
}

// TestProvidersAreSortedByName: people find an entry by its name.
func TestProvidersAreSortedByName(t *testing.T) {
	t.Parallel()
	if !slices.IsSortedFunc(All(), func(a, b Provider) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not in the order of names")
	}
}
