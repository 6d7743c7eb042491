package outcome

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// refused is a reply of the destination.
func refused(stage forwarder.Stage, code int, enhanced ...int) forwarder.Outcome {
	o := forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Refused, Stage: stage, Code: code}
	copy(o.Enhanced[:], enhanced)
	return o
}

func saying(o forwarder.Outcome, text string) forwarder.Outcome {
	o.Text = text
	return o
}

// TestJudge is the table of what a destination's answers mean.
func TestJudge(t *testing.T) {
	t.Parallel()
	const mail, rcpt, data, dot = forwarder.StageMail, forwarder.StageRcpt, forwarder.StageData, forwarder.StageDot
	own, several := Envelope{OwnSender: true}, Envelope{Several: true}
	for _, test := range []struct {
		o    forwarder.Outcome
		e    Envelope
		want Disposition
	}{
		{forwarder.Outcome{Kind: forwarder.Accepted, Stage: dot, Code: 250}, Envelope{}, Delivered},
		{forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageAuth, Code: 535}, Envelope{}, DestinationFault},
		{forwarder.Outcome{Kind: forwarder.InDoubt, Stage: dot}, Envelope{}, Unknown},
		{forwarder.Outcome{Kind: forwarder.Broken, Stage: forwarder.StageBody}, Envelope{}, Requeue},
		{forwarder.Outcome{Kind: forwarder.Impossible, Code: 554}, Envelope{}, Refused},
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: rcpt, Code: 553, Enhanced: forwarder.EnhancedCode{5, 6, 7}}, Envelope{}, DestinationFault},
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: mail, Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 7}}, own, Refused},

		{refused(mail, 421), Envelope{}, Requeue},
		{refused(dot, 421, 4, 3, 2), Envelope{}, Requeue},
		{refused(data, 503), Envelope{}, Requeue},
		{refused(data, 503, 5, 5, 1), Envelope{}, Requeue},
		{refused(mail, 503, 5, 7, 0), Envelope{}, DestinationFault},
		{refused(rcpt, 501, 5, 1, 3), Envelope{}, DestinationFault},

		{refused(rcpt, 452, 4, 2, 2), Envelope{}, DestinationFault},
		{refused(rcpt, 552, 5, 2, 2), several, Retry},
		{refused(mail, 552), Envelope{}, Refused},
		{refused(mail, 552, 5, 3, 4), Envelope{}, Refused},
		{refused(rcpt, 550, 5, 2, 3), Envelope{}, Refused},
		{refused(mail, 555), Envelope{}, Refused},
		{refused(dot, 554, 5, 6, 0), Envelope{}, Refused},

		{refused(mail, 550, 5, 1, 8), own, Refused},
		{refused(mail, 550, 5, 1, 8), Envelope{}, DestinationFault},
		{refused(mail, 550), own, Retry},
		{refused(mail, 450, 4, 1, 8), own, Retry},
		{saying(refused(rcpt, 550), "Sender rejected"), own, Retry},
		{refused(rcpt, 550, 5, 1, 1), own, DestinationFault},

		{refused(rcpt, 550, 5, 1, 1), several, Refused},
		{refused(rcpt, 450, 4, 2, 0), several, Retry},
		{refused(rcpt, 550, 5, 1, 1), Envelope{}, DestinationFault},
		{refused(rcpt, 450), Envelope{}, DestinationFault},

		{refused(dot, 554, 5, 7, 1), Envelope{}, Refused},
		{refused(dot, 451, 4, 7, 1), Envelope{}, Retry},
		{refused(data, 451), Envelope{}, Retry},
	} {
		name := fmt.Sprintf("%s %s %s, %+v", test.o.Stage, test.o.Kind, test.o.Reply(), test.e)
		if got := Judge(test.o, test.e); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
