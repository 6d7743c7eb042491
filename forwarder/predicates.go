package forwarder

import "strings"

// The predicates say what a reply is about. Each is defined only here, so that
// the fetcher, smtp and the explanations that users read agree. What follows for
// the message is decided by the fetcher.

// OutOfSync reports whether the server did not understand a command, or not at
// this point (RFC 5321 4.2.2, RFC 3463 3.6): the two ends may disagree about
// where they are. The same codes with another subject are about that subject:
// "501 5.1.3" is an address, "503 5.7.0" a policy.
func (o Outcome) OutOfSync() bool {
	return o.Code >= 500 && o.Code <= 504 && (o.Enhanced[1] == 5 || o.Enhanced == EnhancedCode{})
}

// TooLarge reports whether the message is larger than the server or the
// recipient takes: x.2.3, x.3.4 (RFC 3463 3.3, 3.4), or 552 (RFC 1870 6) without
// a status code that gives another reason, as in Gmail's "552 5.7.0" for a
// forbidden attachment.
func (o Outcome) TooLarge() bool {
	subject, detail := o.Enhanced[1], o.Enhanced[2]
	return subject == 2 && detail == 3 || subject == 3 && detail == 4 ||
		o.Code == 552 && subject <= 3 && subject != 1 && !o.MailboxFull()
}

// MailboxFull reports whether the recipient's mailbox is full (RFC 3463 3.3).
// Some servers say that with 552, which is otherwise about the message.
func (o Outcome) MailboxFull() bool { return o.Enhanced[1] == 2 && o.Enhanced[2] == 2 }

// AboutContent reports whether the message was refused for good for its size or
// its octets, at whatever stage (RFC 3463 3.3 to 3.7, RFC 1870 6.1, RFC 5321
// 4.2.2).
func (o Outcome) AboutContent() bool {
	return o.Code == 552 || o.Code == 555 || o.Code >= 500 && o.Enhanced[0] == 5 && (o.Enhanced[1] == 6 || o.TooLarge())
}

// AboutSender reports whether the reverse-path was refused (RFC 3463 3.2, 3.8).
// Without an enhanced code that is a guess from the stage and the text.
func (o Outcome) AboutSender() bool {
	c := o.Enhanced
	if c == (EnhancedCode{}) {
		return o.Stage == StageMail || strings.Contains(strings.ToLower(o.Text), "sender")
	}
	return c[1] == 1 && (c[2] == 7 || c[2] == 8) || c[1] == 7
}

// AboutAddress reports whether the server cannot take an address of the
// envelope (RFC 3463 3.2, RFC 6531 4.3).
func (o Outcome) AboutAddress() bool {
	return o.Enhanced[1] == 1 || o.Enhanced[1] == 6 && o.Enhanced[2] == 7
}
