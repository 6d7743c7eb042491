package cause

import (
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// The phrases, in lower case, of replies whose codes (RFC 3463, RFC 5248) do not
// say enough. Those of POP3 servers, and of providers on both sides, are in
// package pop3.
var (
	authOff = []string{
		"smtpclientauthentication is disabled", // Microsoft, 5.7.139
	}
	authPolicy = []string{
		"security defaults policy",  // Microsoft, 5.7.139: user is locked by your organization's security defaults policy
		"did not meet the criteria", // Microsoft, 5.7.139: the request did not meet the criteria to be authenticated successfully
	}
	badSender = []string{"sender address rejected"} // Postfix, at RCPT by default
)

// evidence returns the reply or the innermost error, without the place.
func evidence(err error) string {
	var (
		source  *mailbox.Error
		dialed  *dial.Error
		proxy   *dial.ProxyError
		network *net.OpError
		signIn  *oauth.Error
	)
	o, _, answered := outcome.AnswerIn(err)
	switch {
	case errors.As(err, &source):
		return evidence(source.Err)
	case answered:
		return answer(o)
	case errors.As(err, &signIn):
		return signIn.Error()
	case errors.As(err, &dialed):
		return evidence(dialed.Err)
	case errors.As(err, &proxy):
		return proxy.Proxy + ": " + evidence(proxy.Err)
	case errors.As(err, &network):
		return network.Err.Error() // without the addresses, which do not help
	}
	return err.Error()
}

// answer returns a destination's reply, or the error if there was none.
func answer(o forwarder.Outcome) string {
	switch refused := o.Kind == forwarder.Refused || o.Kind == forwarder.Unusable; {
	case refused && o.Translated && o.Text != "":
		return "the server says: " + o.Text
	case o.Err != nil:
		return evidence(o.Err)
	case o.Kind == forwarder.Impossible:
		return o.Text // the text is popferry's
	}
	return "the server says: " + o.Reply()
}

// reason matches a refusal by a POP3 server whose text gives this reason.
func reason(k pop3.Kind) func(error) bool {
	return func(err error) bool {
		var e *pop3.Error
		return errors.As(err, &e) && e.Reason() == k
	}
}

// ofReason does the same with a destination's reply: a provider uses the same
// words on both sides.
func ofReason(k pop3.Kind) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool { return o.Code >= 400 && (&pop3.Error{Text: o.Text}).Reason() == k }
}

// inWords matches a reply of a destination that has one of the phrases.
func inWords(list []string) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool { return o.Code >= 400 && o.Says(list) }
}

func contains(text string, list []string) bool {
	text = strings.ToLower(text)
	for _, w := range list {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// noDNS matches failed lookups, as opposed to names that do not exist.
func noDNS(err error) bool {
	var e *net.DNSError
	return stage(dial.StageName)(err) && errors.As(err, &e) && !e.IsNotFound
}

// port25 matches a timeout on port 25, which most networks for private customers
// block.
func port25(err error) bool {
	var e *dial.Error
	var late net.Error
	return errors.As(err, &e) && e.Stage == dial.StageConnect && strings.HasSuffix(e.Addr, ":25") && errors.As(e.Err, &late) && late.Timeout()
}

// noVersion matches by text: crypto/tls has no type for the server's alert, nor
// for its own error.
func noVersion(err error) bool {
	return contains(err.Error(), []string{"tls: protocol version not supported", "tls: server selected unsupported protocol version"})
}

// wantsCertificate matches by text, as noVersion does. In TLS 1.3 the alert comes
// when the server's greeting is read.
func wantsCertificate(err error) bool {
	return contains(err.Error(), []string{"remote error: tls: certificate required"})
}

// otherGreeting matches the greeting of an SMTP or IMAP server instead of POP3.
func otherGreeting(err error) bool {
	var e *pop3.ProtocolError
	return errors.As(err, &e) && e.Command == "greeting" && contains(e.Text, []string{`"220`, `"* ok`, `"* preauth`})
}

// otherReply matches the greeting of a POP3 or IMAP server instead of SMTP.
func otherReply(err error) bool {
	var e textproto.ProtocolError
	return answered(atStage(forwarder.StageGreeting))(err) && errors.As(err, &e) && contains(e.Error(), []string{`"+ok`, `"* ok`, `"* preauth`})
}

func later(o forwarder.Outcome) bool { return o.Code >= 400 && o.Code < 500 }

func sessionLater(o forwarder.Outcome) bool { return o.Kind == forwarder.Unusable && later(o) }

// hungUp matches a connection that the server closed during the login.
func hungUp(err error) bool {
	return step(pop3.StepLogin)(err) && errors.Is(err, io.ErrUnexpectedEOF)
}

// notOurs matches a refused sender, at whichever command.
func notOurs(o forwarder.Outcome) bool {
	return o.Stage == forwarder.StageMail || o.Says(badSender)
}

// syntax matches a refused address: 501 is for invalid arguments, x.1.3 and x.1.7
// are for invalid addresses (RFC 5321 4.2.2, RFC 3463 3.2).
func syntax(s forwarder.Stage) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool {
		form := o.Enhanced[1] == 1 && (o.Enhanced[2] == 3 || o.Enhanced[2] == 7)
		return o.Stage == s && (o.Code == 501 || form && !o.Says(badSender))
	}
}

// ofIMAP matches an answer of an IMAP server.
func ofIMAP(is func(forwarder.Outcome) bool) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool { return o.Translated && is(o) }
}

// hasEnhanced matches an answer by its enhanced status code (RFC 3463).
func hasEnhanced(class, subject, detail int) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool {
		return o.Enhanced == forwarder.EnhancedCode{class, subject, detail}
	}
}

// wantsPrivacy matches an IMAP server that wants TLS before a login (RFC 5530,
// PRIVACYREQUIRED).
func wantsPrivacy(o forwarder.Outcome) bool { return o.Translated && o.WantsTLS() }

// deniesFolder matches a folder into which mail may not be put (RFC 5530, NOPERM and
// READ-ONLY).
func deniesFolder(o forwarder.Outcome) bool {
	return hasEnhanced(5, 7, 1)(o) || hasEnhanced(5, 2, 1)(o)
}

// laterForNoKnownReason matches a session that was refused for now. One that was
// refused because there are too many has an entry of its own.
func laterForNoKnownReason(o forwarder.Outcome) bool { return sessionLater(o) && !o.Throttled() }
