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
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: rcpt, Code: 553, Enhanced: forwarder.EnhancedCode{5, 6, 7}}, Envelope{}, RouteFault},
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: rcpt, Code: 553, Enhanced: forwarder.EnhancedCode{5, 6, 7}}, several, Refused},
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: mail, Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 7}}, own, Refused},
		{forwarder.Outcome{Kind: forwarder.Impossible, Stage: mail, Code: 553, Enhanced: forwarder.EnhancedCode{5, 6, 7}}, own, Refused},

		// The connection, or commands that were not understood.
		{refused(mail, 421), Envelope{}, Requeue},
		{refused(dot, 421, 4, 3, 2), Envelope{}, Requeue},
		{refused(data, 503), Envelope{}, Requeue},
		{refused(data, 503, 5, 5, 1), Envelope{}, Requeue},
		{refused(mail, 503, 5, 7, 0), Envelope{}, RouteFault},
		{refused(rcpt, 501, 5, 1, 3), Envelope{}, RouteFault},

		// The same codes about this message.
		{saying(refused(dot, 500), "Line too long"), Envelope{}, Refused},
		{saying(refused(dot, 421, 4, 5, 0), "Bare carriage return (CR) not allowed"), Envelope{}, Refused},
		{refused(dot, 503), Envelope{}, Refused},
		{saying(refused(mail, 534), "SIZE=Message too big."), Envelope{}, Refused},
		{saying(refused(mail, 501, 5, 5, 4), "Invalid FROM: Invalid character in path"), own, Refused},

		// Too much at once.
		{refused(dot, 432, 4, 3, 2), Envelope{}, Throttled},
		{saying(refused(rcpt, 450, 4, 7, 1), "Error: too many mails, rate limit exceeded"), Envelope{}, Throttled},
		{saying(refused(rcpt, 452, 4, 5, 3), "Error: too many recipients"), several, NextTransaction},
		{saying(refused(rcpt, 452, 4, 5, 3), "Error: too many recipients"), Envelope{}, RouteFault},

		// No room, now; or too large, for good.
		{refused(rcpt, 452, 4, 2, 2), Envelope{}, NoRoom},
		{refused(dot, 552, 5, 2, 2), Envelope{}, NoRoom},
		{refused(mail, 452, 4, 3, 1), Envelope{}, NoRoom},
		{saying(refused(dot, 552), "Mailbox is full"), Envelope{}, NoRoom},
		{refused(rcpt, 552, 5, 2, 2), several, Retry},
		{refused(mail, 552), Envelope{}, Refused},
		{refused(mail, 552, 5, 3, 4), Envelope{}, Refused},
		{refused(rcpt, 550, 5, 2, 3), Envelope{}, Refused},
		{refused(mail, 555), Envelope{}, Refused},
		{refused(dot, 554, 5, 6, 0), Envelope{}, Refused},

		// The sender: the message's own, or ours.
		{refused(mail, 550, 5, 1, 8), own, Refused},
		{refused(mail, 550, 5, 1, 8), Envelope{}, RouteFault},
		{refused(mail, 550), own, Retry},
		{refused(mail, 450, 4, 1, 8), own, Retry},
		{saying(refused(rcpt, 550), "Sender rejected"), own, Retry},
		{saying(refused(rcpt, 554, 5, 7, 1), "<a@example.org>: Relay access denied"), own, RouteFault},
		{refused(rcpt, 550, 5, 1, 1), own, RouteFault},
		{saying(refused(rcpt, 550), "Invalid recipient: <b@example.org>"), own, Retry},
		{saying(refused(rcpt, 550), "Invalid recipient: <b@example.org>"), Envelope{}, RouteFault},
		{saying(refused(rcpt, 550), "relay not permitted"), own, RouteFault},
		{saying(refused(rcpt, 450, 4, 2, 0), "<b@example.org>: Recipient address rejected: Greylisted"), own, Retry},
		{saying(refused(rcpt, 450, 4, 2, 0), "<b@example.org>: Recipient address rejected: Greylisted"), Envelope{}, RouteFault},

		{saying(refused(rcpt, 450, 4, 1, 8), "<a@spamhaus.example>: Sender address rejected: Domain not found"), own, Retry},
		{saying(refused(rcpt, 550, 5, 1, 8), "<relay@example.org>: Sender address rejected: Domain not found"), own, Refused},
		{saying(refused(rcpt, 554, 5, 7, 1), "Service unavailable; Sender address [a@example.org] blocked using dbl.spamhaus.org"), own, Refused},
		{saying(refused(rcpt, 554, 5, 7, 1), "Service unavailable; Sender address [me@example.org] blocked using dbl.spamhaus.org"), Envelope{}, RouteFault},

		// The recipient: one of several, or ours alone.
		{refused(rcpt, 550, 5, 1, 1), several, Refused},
		{refused(rcpt, 450, 4, 2, 0), several, Retry},
		{refused(rcpt, 550, 5, 1, 1), Envelope{}, RouteFault},
		{refused(rcpt, 450), Envelope{}, RouteFault},

		// About popferry itself, before the message.
		{refused(mail, 530, 5, 7, 0), Envelope{}, DestinationFault},
		{saying(refused(mail, 530, 5, 7, 0), "Must issue a STARTTLS command first"), Envelope{}, DestinationFault},
		{saying(refused(rcpt, 503), "This mail server requires authentication"), Envelope{}, RouteFault},
		{saying(refused(rcpt, 554, 5, 7, 1), "Client host [192.0.2.1] blocked using zen.spamhaus.org"), own, DestinationFault},

		// After the message: always its own, but for a server of its own users.
		{refused(dot, 554, 5, 7, 1), Envelope{}, Refused},
		{saying(refused(dot, 554, 5, 7, 1), "Message contains a link that is listed by Spamhaus"), Envelope{}, Refused},
		{saying(refused(dot, 550, 5, 7, 1), "relay not permitted, authentication required"), Envelope{}, Refused},
		{refused(dot, 554, 5, 2, 252), Envelope{}, DestinationFault},
		{saying(refused(dot, 551, 5, 7, 1), "Not authorised to send from this header address"), Envelope{}, DestinationFault},
		{saying(refused(dot, 550), "Request failed; Mailbox unavailable"), Envelope{}, DestinationFault},
		{saying(refused(dot, 550), "Request failed; Mailbox unavailable"), Envelope{Wraps: true}, Refused},
		{saying(refused(rcpt, 550), "Your domain example.org is not allowed in header From"), Envelope{}, RouteFault},
		{saying(refused(dot, 550, 5, 7, 1), "Message has no From header"), Envelope{}, Refused},
		{refused(dot, 451, 4, 7, 1), Envelope{}, Retry},
		{refused(data, 451), Envelope{}, Retry},
	} {
		name := fmt.Sprintf("%s %s %s, %+v", test.o.Stage, test.o.Kind, test.o.Reply(), test.e)
		if got := Judge(test.o, test.e); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
