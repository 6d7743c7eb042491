package check

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/notice"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/forwarder/smtp"
)

// withSubmission adds to the greeting of a server what it does with mail from
// others, if that is known by its name or by the greeting.
func withSubmission(d config.Destination, report func(probe.Step)) func(probe.Step) {
	return func(st probe.Step) {
		if st.Name == probe.StepGreeting && st.Err == nil && d.Protocol == config.ProtocolSMTP {
			p, known := provider.ForHost(d.Host)
			if !known {
				p, _ = provider.ForGreeting(st.Note)
			}
			wrapped := p.Submission.ForeignFrom == provider.Refuses && d.OnReject == config.RejectWrap
			if p.Submission.Damages() && !wrapped {
				st.Note = fmt.Sprintf("%s; this server %s: set %s", st.Note, p.Submission.Effect(), p.IMAPKeys())
			}
		}
		report(st)
	}
}

// foreignFromAdvice says what to do about a server that refuses mail from others;
// "" if the catalogue knows it as well.
func foreignFromAdvice(s config.Server) string {
	p, _ := provider.ForHost(s.Host)
	if p.IMAPKeys() == "" {
		return ""
	}
	return "Set " + p.IMAPKeys() + ". With on_reject: wrap each message is sent as an attachment from your own address."
}

// letters are what Options.Send sends: one as real mail would be, from the address
// of a mailbox that is collected from, and one from one's own address, in case the
// first is refused. own is nil if no such mailbox is known.
func (c *checker) letters(d config.Destination, e smtp.Envelope) (letter probe.Letter, own *probe.Letter) {
	mine := cmp.Or(e.Sender, e.Recipients[0])
	from := c.correspondent(d, mine)
	if from == "" {
		return testLetter(d.Name, mine, e), nil
	}
	fallback := testLetter(d.Name, mine, e)
	return testLetter(d.Name, from, e), &fallback
}

// testLetter is a test message from an address.
func testLetter(destination, from string, e smtp.Envelope) probe.Letter {
	m := notice.Compose(time.Now(), from, e.Recipients, "test of the destination "+destination,
		"popferry check --send sent this message through the destination "+destination+" to test whether mail arrives.\nYou need not do anything.\n")
	m.Sender = e.Sender
	return probe.Letter{From: from, Message: m}
}

// correspondent is the address of a mailbox whose mail goes to a destination, if
// possible at another domain than one's own address; "" if there is none but that.
func (c *checker) correspondent(d config.Destination, mine string) string {
	var all []string
	for _, a := range c.Config.Accounts {
		if address := mailboxAddress(a); a.Enabled && a.Forward == d.Name && address != "" && !strings.EqualFold(address, mine) {
			all = append(all, address)
		}
	}
	elsewhere := slices.IndexFunc(all, func(address string) bool { return !strings.EqualFold(domainOf(address), domainOf(mine)) })
	switch {
	case elsewhere >= 0:
		return all[elsewhere]
	case len(all) > 0:
		return all[0]
	}
	return ""
}

// mailboxAddress is the address of a mailbox: its user name, or that at the domain
// of its server; "" for a server without one.
func mailboxAddress(a config.Account) string {
	if strings.Contains(a.Username, "@") {
		return a.Username
	}
	if _, err := netip.ParseAddr(a.Host); err == nil {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(a.Host))
	if err != nil {
		return ""
	}
	return a.Username + "@" + domain
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
