package probe

import (
	"errors"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
)

// The names of steps, in their order. With STARTTLS, the greeting comes before
// TLS.
const (
	StepName     = "name"     // of the host; left out for an address
	StepConnect  = "connect"  //
	StepTLS      = "tls"      // implicit or by STARTTLS
	StepGreeting = "greeting" // of SMTP with EHLO
	StepLogin    = "login"    //
	StepListing  = "listing"  // of a mailbox
	StepSize     = "size"     // only where a message is larger than its destination takes
	StepMail     = "mail"     // MAIL, once for each sender
	StepRcpt     = "rcpt"     // RCPT, once for each recipient
	StepSend     = "send"     // a message
)

// Step is one step of a probe.
type Step struct {
	Name string
	Took time.Duration
	Note string // what is worth knowing; "" for nothing
	Err  error  // nil if it went well; cause.Of has the words
}

// path reports the steps of one probe and takes their times.
type path struct {
	told  func(Step)
	since time.Time
}

func newPath(told func(Step)) *path { return &path{told, time.Now()} }

// passed tells of a step that went well.
func (p *path) passed(name, note string) { p.tell(Step{Name: name, Note: note}) }

// failed tells of a step that did not, and returns its error.
func (p *path) failed(name string, err error) error {
	p.tell(Step{Name: name, Err: err})
	return err
}

func (p *path) tell(s Step) {
	now := time.Now()
	s.Took, p.since = now.Sub(p.since), now
	p.told(s)
}

// stepOf is the step at which a connection failed.
func stepOf(err error) string {
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

// dialed passes on what a Dialer has behind it.
func (p *path) dialed(s dial.Stage) {
	switch s {
	case dial.StageName:
		p.passed(StepName, "")
	case dial.StageConnect:
		p.passed(StepConnect, "")
	case dial.StageTLS:
		p.passed(StepTLS, "")
	}
}
