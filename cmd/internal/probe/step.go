package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
)

// The names of steps, in their order. With STARTTLS the greeting comes before
// TLS.
const (
	StepName     = "name"     // of the host; left out for an address
	StepProxy    = "proxy"    // only where the proxy itself failed
	StepConnect  = "connect"  //
	StepTLS      = "tls"      // implicit or by STARTTLS
	StepGreeting = "greeting" // of SMTP with EHLO
	StepSignIn   = "sign-in"  // by OAuth2, from the ledger; left out without that
	StepLogin    = "login"    //
	StepListing  = "listing"  // of a mailbox
	StepSize     = "size"     // only where a message is larger than its destination takes
	StepMail     = "mail"     // MAIL, once for each sender
	StepRcpt     = "rcpt"     // RCPT, once for each recipient
	StepFolder   = "folder"   // of a mailbox, or of a destination on this machine, once for each
	StepSend     = "send"     // a message
)

// Step is one step of a probe.
type Step struct {
	Name string
	Took time.Duration
	Note string // what is worth knowing; may be empty
	Err  error  // nil if the step succeeded; cause.Of has the words
}

// recorder reports the steps of one probe and takes their times.
type recorder struct {
	report func(Step)
	since  time.Time
}

func newRecorder(report func(Step)) *recorder { return &recorder{report, time.Now()} }

// ok reports a step that succeeded.
func (r *recorder) ok(name, note string) { r.record(Step{Name: name, Note: note}) }

// failed reports a step that failed, and returns its error.
func (r *recorder) failed(name string, err error) error {
	r.record(Step{Name: name, Err: err})
	return err
}

func (r *recorder) record(s Step) {
	now := time.Now()
	s.Took, r.since = now.Sub(r.since), now
	r.report(s)
}

// ofProxy reports whether it is a proxy that failed, at whatever step.
func ofProxy(err error) bool {
	var p *dial.ProxyError
	return errors.As(err, &p) && p.Reason != dial.ProxyNoServer
}

// stepOf is the step at which a connection failed.
func stepOf(err error) string {
	if ofProxy(err) {
		return StepProxy
	}
	var e *dial.Error
	if errors.As(err, &e) {
		switch e.Stage {
		case dial.StageName:
			return StepName
		case dial.StageTLS, dial.StageCertificate:
			return StepTLS
		}
	}
	return StepConnect
}

// connected reports the stages of a Dialer, except TLS: encrypted knows more of it.
func (r *recorder) connected(d *dial.Dialer) func(dial.Stage) {
	return func(s dial.Stage) {
		switch s {
		case dial.StageName:
			r.ok(StepName, "")
		case dial.StageConnect:
			note := ""
			if via := d.Via(); via != "" {
				note = "through " + via
			}
			r.ok(StepConnect, note)
		}
	}
}

// encrypted reports TLS.
func (r *recorder) encrypted(s tls.ConnectionState) { r.ok(StepTLS, describe(s, time.Now())) }

// soon is how long before its end a certificate should have been renewed: those
// that are valid for 90 days are usually renewed after 60.
const soon = 14 * 24 * time.Hour

// describe names the TLS version, and a certificate that ends soon.
func describe(s tls.ConnectionState, now time.Time) string {
	note := tls.VersionName(s.Version)
	if len(s.PeerCertificates) == 0 {
		return note
	}
	end := s.PeerCertificates[0].NotAfter
	if end.Sub(now) < soon {
		note += "; its certificate ends on " + end.UTC().Format(time.DateOnly) + " and has not been renewed yet"
	}
	return note
}

// observed is upgrade with a report of each handshake. nil stays nil.
func observed(upgrade func(context.Context, net.Conn) (net.Conn, error), report func(tls.ConnectionState)) func(context.Context, net.Conn) (net.Conn, error) {
	if upgrade == nil {
		return nil
	}
	return func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		conn, err := upgrade(ctx, raw)
		if t, ok := conn.(*tls.Conn); ok {
			report(t.ConnectionState())
		}
		return conn, err
	}
}
