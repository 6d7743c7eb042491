package cause

import (
	"errors"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/filter"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
)

// never is for causes that only the ledger records, without an error.
func never(error) bool { return false }

// is matches errors that wrap one of these, as errors.Is does.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

// as matches errors that wrap one of type T, as errors.As does.
func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

func stage(s dial.Stage) func(error) bool {
	return func(err error) bool {
		var e *dial.Error
		return errors.As(err, &e) && e.Stage == s
	}
}

// proxied matches a connection that a proxy did not make for this reason.
func proxied(r dial.ProxyReason) func(error) bool {
	return func(err error) bool {
		var e *dial.ProxyError
		return errors.As(err, &e) && e.Reason == r
	}
}

func certificate(r dial.Reason) func(error) bool {
	return func(err error) bool {
		var e *dial.CertificateError
		return errors.As(err, &e) && e.Reason == r
	}
}

// unusableCertificate matches by text, see dial.UnusableCertificateError.
func unusableCertificate(text string) func(error) bool {
	return func(err error) bool {
		var e *dial.UnusableCertificateError
		return errors.As(err, &e) && strings.Contains(e.Error(), text)
	}
}

func kind(k pop3.Kind) func(error) bool {
	return func(err error) bool {
		var e *pop3.Error
		return errors.As(err, &e) && e.Kind() == k
	}
}

// signIn matches a sign-in by OAuth2 that cannot be used for this reason.
func signIn(r oauth.Reason) func(error) bool {
	return func(err error) bool {
		var e *oauth.Error
		return errors.As(err, &e) && e.Reason == r
	}
}

// filterFault matches a filter that failed in this way.
func filterFault(k filter.Kind) func(error) bool {
	return func(err error) bool {
		var e *filter.Error
		return errors.As(err, &e) && e.Kind == k
	}
}

// tokenRefused matches refused credentials that were an access token.
func tokenRefused(err error) bool {
	var e *pop3.Error
	return kind(pop3.KindCredentials)(err) && errors.As(err, &e) && (strings.HasSuffix(e.Command, "XOAUTH2") || strings.HasSuffix(e.Command, "OAUTHBEARER"))
}

func step(s pop3.Step) func(error) bool {
	return func(err error) bool {
		var e *mailbox.Error
		return errors.As(err, &e) && e.Step == s
	}
}

// brokenMessage matches a reply out of place where a message was retrieved: the
// server does speak POP3, for it came that far.
func brokenMessage(err error) bool {
	return as[*pop3.ProtocolError](err) && (step(mailbox.StepRetr)(err) || step(mailbox.StepTop)(err))
}

// tooLongListing matches a listing that exceeded max_listing.
func tooLongListing(err error) bool {
	var e *pop3.ProtocolError
	return errors.As(err, &e) && e.Budget == pop3.BudgetListing
}

// folder matches what a destination that is a folder failed with, if it is about more
// than one message.
func folder(err error) bool {
	_, wide, _ := outcome.AnswerIn(err)
	return wide && as[*maildir.Error](err)
}

// quarantined matches a failure of the folder for refused messages.
func quarantined(err error) bool {
	_, _, ok := outcome.AnswerIn(err)
	return !ok && as[*maildir.Error](err)
}

// answered matches what a destination answered, about itself or one message.
func answered(matches func(forwarder.Outcome) bool) func(error) bool {
	return func(err error) bool {
		o, _, ok := outcome.AnswerIn(err)
		return ok && matches(o)
	}
}

func atStage(s forwarder.Stage) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool { return o.Stage == s }
}

func ofKind(k forwarder.Kind) func(forwarder.Outcome) bool {
	return func(o forwarder.Outcome) bool { return o.Kind == k }
}

func forGood(o forwarder.Outcome) bool { return o.Code >= 500 }

// heldInDoubt matches a message that is held because no reply came too often.
func heldInDoubt(err error) bool {
	var m *outcome.MessageError
	return errors.As(err, &m) && m.Held && m.Outcome.Kind == forwarder.InDoubt
}

// heldUnexplained matches a message that is held because it was refused too often
// without a reason.
func heldUnexplained(err error) bool {
	var m *outcome.MessageError
	return errors.As(err, &m) && m.Held && m.Outcome.Unexplained()
}

// either matches what one of two others matches.
func either(one, other func(error) bool) func(error) bool {
	return func(err error) bool { return one(err) || other(err) }
}

// both matches what two others match.
func both(one, other func(error) bool) func(error) bool {
	return func(err error) bool { return one(err) && other(err) }
}

// destination matches a refusal that is about more than one message.
func destination(matches func(forwarder.Outcome) bool) func(error) bool {
	return func(err error) bool {
		o, wide, ok := outcome.AnswerIn(err)
		return ok && wide && o.Kind == forwarder.Refused && matches(o)
	}
}

// at matches what was answered at a stage.
func at(s forwarder.Stage, matches func(forwarder.Outcome) bool) func(error) bool {
	return answered(func(o forwarder.Outcome) bool { return o.Stage == s && matches(o) })
}
