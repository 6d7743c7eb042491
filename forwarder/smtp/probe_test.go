package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestProbe: what is said of each address, and that no message comes of it.
func TestProbe(t *testing.T) {
	t.Parallel()
	two := []smtp.Envelope{{Sender: "a@x.test", Recipients: []string{"b@x.test", "c@x.test"}}, {Recipients: []string{"d@x.test"}}}
	tests := []struct {
		name  string
		fault func(smtptest.Event) smtptest.Fault
		want  []string
		fails forwarder.Stage // where the probe ends; 0: it does not
	}{
		{"all is well", nil, []string{"mail accepted", "rcpt b@x.test accepted", "rcpt c@x.test accepted", "mail accepted", "rcpt d@x.test accepted"}, 0},
		{"a recipient is refused", faultAt(forwarder.StageRcpt, "b@x.test", smtptest.Fault{Code: 550, Text: "no"}),
			[]string{"mail accepted", "rcpt b@x.test refused", "rcpt c@x.test accepted", "mail accepted", "rcpt d@x.test accepted"}, 0},
		{"a sender is refused", faultAt(forwarder.StageMail, "a@x.test", smtptest.Fault{Code: 553, Text: "no"}),
			[]string{"mail refused", "mail accepted", "rcpt d@x.test accepted"}, 0},
		{"the session is ended", faultAt(forwarder.StageRcpt, "b@x.test", smtptest.Fault{Code: 421, Text: "enough"}), []string{"mail accepted"}, forwarder.StageRcpt},
		{"the connection is cut", faultAt(forwarder.StageMail, "", smtptest.Fault{Close: true}),
			[]string{"mail accepted", "rcpt b@x.test accepted", "rcpt c@x.test accepted"}, forwarder.StageMail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, smtptest.Options{Fault: tt.fault, MaxSize: 4711})
			var got []string
			limit, err := smtp.Probe(t.Context(), smtp.Options{Dial: srv.Dial}, two, func(o forwarder.Outcome) {
				line := o.Stage.String() + " "
				if o.Recipient != "" {
					line += o.Recipient + " "
				}
				got = append(got, line+o.Kind.String())
			})
			var e *smtp.Error
			if at := errors.As(err, &e); at != (tt.fails != 0) || at && e.Stage != tt.fails || limit != 4711 {
				t.Errorf("limit %d, error %v", limit, err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if n := len(srv.Messages()); n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// faultAt misbehaves at a stage with an address.
func faultAt(stage forwarder.Stage, address string, f smtptest.Fault) func(smtptest.Event) smtptest.Fault {
	return func(e smtptest.Event) smtptest.Fault {
		if e.Stage == stage && e.Address == address {
			return f
		}
		return smtptest.Fault{}
	}
}

// TestProbeAddresses: what cannot be sent is not.
func TestProbeAddresses(t *testing.T) {
	t.Parallel()
	srv := serve(t, smtptest.Options{})
	var got []string
	_, err := smtp.Probe(t.Context(), smtp.Options{Dial: srv.Dial}, []smtp.Envelope{{Recipients: []string{"jürgen@x.test"}}}, func(o forwarder.Outcome) {
		got = append(got, fmt.Sprint(o.Stage, " ", o.Kind, " ", o.Enhanced))
	})
	if want := []string{"mail accepted 2.0.0", "rcpt impossible 5.6.7"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestProbeStages: Options.Passed reports each stage of the handshake, and Greeted
// what the server says first.
func TestProbeStages(t *testing.T) {
	t.Parallel()
	server, client := certificates(t)
	srv := serve(t, smtptest.Options{TLS: server, Username: "leo", Password: "s3cret"})
	var got []forwarder.Stage
	greeting := ""
	_, err := smtp.Probe(t.Context(), smtp.Options{
		Dial: srv.Dial, StartTLS: upgrade(client), Username: "leo", Secret: func(context.Context) (string, error) { return "s3cret", nil },
		Passed:  func(s forwarder.Stage) { got = append(got, s) },
		Greeted: func(text string) { greeting += text + "." },
	}, nil, nil)
	want := []forwarder.Stage{forwarder.StageHello, forwarder.StageTLS, forwarder.StageAuth}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if greeting != "smtptest.example ESMTP Service Ready." {
		t.Errorf("greeting %q", greeting)
	}
}

// TestProbeGivenUp: the error is the context's.
func TestProbeStopped(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	srv := serve(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		cancel(why)
		return smtptest.Fault{Stall: true}
	}})
	if _, err := smtp.Probe(ctx, smtp.Options{Dial: srv.Dial}, nil, nil); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}
