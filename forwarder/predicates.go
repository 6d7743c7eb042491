package forwarder

import "strings"

// The predicates say what a reply is about. Each is defined here and nowhere
// else, so that the fetcher, smtp and the user's explanations agree. What
// follows from it for the message is up to the fetcher (fetcher/outcome).

// OutOfSync reports whether the server did not understand a command, or not at
// this point (RFC 5321 4.2.2, RFC 3463 3.6): the two ends may disagree about
// where they are. The same codes with another subject are about that subject:
// "501 5.1.3" is an address, "503 5.7.0" a policy, "503 authentication required"
// a login, "500 line too long" the message. A reply to the final dot is always
// about the message.
func (o Outcome) OutOfSync() bool {
	return o.Code >= 500 && o.Code <= 504 && o.Stage != StageDot && (o.Enhanced[1] == 5 || o.Enhanced == EnhancedCode{}) &&
		!o.WantsLogin() && !o.RefusesName() && !o.Says(lineContentPhrases) && !o.TooLarge() && !o.malformedSender()
}

// TooLarge reports whether the message is larger than the server or the
// recipient takes: x.2.3, x.3.4 (RFC 3463 3.3, 3.4), or 552 (RFC 1870 6) without
// a status code that gives another reason, as in Gmail's "552 5.7.0" for a
// forbidden attachment; or in words.
func (o Outcome) TooLarge() bool {
	subject, detail := o.Enhanced[1], o.Enhanced[2]
	switch {
	case o.Code < 400, o.NoRoom():
		return false
	case subject == 2 && detail == 3 || subject == 3 && detail == 4:
		return true
	default:
		return o.Code == 552 && subject <= 3 && subject != 1 && subject != 2 || o.Says(tooLargePhrases)
	}
}

// NoRoom reports whether the server or the recipient's mailbox has no room for
// the message now: x.2.2 (RFC 3463 3.3), 4.3.1 (3.4), or words with 452 or 552,
// which otherwise are about the message's size (RFC 1870 6) or the system. The
// same message may pass later, and a smaller one even now.
func (o Outcome) NoRoom() bool {
	subject, detail := o.Enhanced[1], o.Enhanced[2]
	switch {
	case o.Code < 400:
		return false
	case subject == 2 && detail == 2 || o.Enhanced == EnhancedCode{4, 3, 1}:
		return true
	default:
		// x.5.3 is about too many recipients, x.6 and x.7 about what stands in the message;
		// "quota" may be in these texts, too.
		return (o.Code == 452 || o.Code == 552 || o.Code == 422) && (subject == 0 || subject == 2 || subject == 3) && o.Says(noRoomPhrases)
	}
}

// Throttled reports whether the server has too many connections from popferry, or
// gets mail from it too fast: x.3.2 (RFC 3463 3.4), 4.7.28 (Gmail), or words.
func (o Outcome) Throttled() bool {
	return o.Code >= 400 && o.Code < 500 && !o.NoRoom() && !o.AboutAddress() &&
		(o.Enhanced == EnhancedCode{4, 3, 2} || o.Enhanced == EnhancedCode{4, 7, 28} || o.Says(throttledPhrases))
}

// SessionSpent reports whether the server refuses MAIL because it takes no more messages
// in this session: in another one it may. It says so in words, or by 4.5.3, which is
// about recipients (RFC 3463 3.6), though there are none yet.
func (o Outcome) SessionSpent() bool {
	return o.Stage == StageMail && o.Code >= 400 && o.Code < 500 &&
		(o.Enhanced == EnhancedCode{4, 5, 3} || o.Says(spentPhrases))
}

// TooManyRecipients reports whether a recipient was refused only because the
// transaction has too many (RFC 5321 4.5.3.1.10): the others are to be sent in
// another one. 552 is what RFC 821 had for it.
func (o Outcome) TooManyRecipients() bool {
	return o.Stage == StageRcpt && (o.Code == 452 || o.Code == 552 || o.Code == 451) && !o.NoRoom() &&
		(o.Enhanced[1] == 5 && o.Enhanced[2] == 3 || strings.Contains(o.words(), "too many recipients"))
}

// AboutContent reports whether the message was refused for good for its size or
// its octets, at whatever stage (RFC 3463 3.3 to 3.7, RFC 1870 6.1, RFC 5321
// 4.2.2).
func (o Outcome) AboutContent() bool {
	if o.NoRoom() || o.TooManyRecipients() {
		return false
	}
	return o.Code == 552 || o.Code == 555 || o.TooLarge() && o.Code >= 500 ||
		o.Code >= 500 && o.Enhanced[0] == 5 && o.Enhanced[1] == 6 && o.Enhanced[2] != 7 ||
		o.Code >= 421 && o.Says(lineContentPhrases)
}

// AboutStrays reports whether the message was refused for a CR or LF that is not part
// of a line end.
func (o Outcome) AboutStrays() bool { return o.AboutContent() && o.Says(strayPhrases) }

// FalseEnd reports whether the message was not sent because of its FalseEnd.
func (o Outcome) FalseEnd() bool {
	return o.Kind == Impossible && o.Enhanced == EnhancedCode{5, 6, 0}
}

// AboutSender reports whether the reverse-path was refused (RFC 3463 3.2, 3.8,
// RFC 6531 3.7.4.2). Without an enhanced code that is a guess from the stage and
// the text.
func (o Outcome) AboutSender() bool {
	c := o.Enhanced
	switch {
	case o.Code < 400 && o.Kind != Impossible:
		return false
	case o.malformedSender():
		return true
	case c == EnhancedCode{}:
		return o.Stage == StageMail || strings.Contains(o.words(), "sender")
	default:
		return c[1] == 1 && (c[2] == 7 || c[2] == 8) || c[1] == 7 || o.Stage == StageMail && c[1] == 6 && c[2] == 7
	}
}

// malformedSender reports whether MAIL was refused because its path is not one:
// Dovecot and Cyrus say "501 5.5.4 Invalid FROM".
func (o Outcome) malformedSender() bool {
	return o.Stage == StageMail && o.Code == 501 && (o.Enhanced == EnhancedCode{5, 5, 4} || strings.Contains(o.words(), "from"))
}

// AboutAddress reports whether the server cannot take an address of the
// envelope (RFC 3463 3.2, RFC 6531 4.3).
func (o Outcome) AboutAddress() bool {
	return o.Enhanced[1] == 1 || o.Enhanced[1] == 6 && o.Enhanced[2] == 7
}

// NoSuchRecipient reports whether a recipient was refused for good because of its
// address: x.1.x (RFC 3463 3.2) but for the sender's codes, 5.6.7 where the address
// needs SMTPUTF8 (RFC 6531 3.2), 5.2.4, which OpenSMTPD says to one that is not in a
// table of virtual users, or, without an enhanced code, 550, 551 or 553 to RCPT that is
// not about anything else that is known.
func (o Outcome) NoSuchRecipient() bool {
	switch {
	case o.Code < 500 && o.Kind != Impossible:
		return false
	case o.Enhanced[1] == 1:
		return o.Enhanced[2] != 7 && o.Enhanced[2] != 8
	case o.Enhanced == EnhancedCode{5, 6, 7}, o.Enhanced == EnhancedCode{5, 2, 4}:
		return o.Stage == StageRcpt
	}
	return o.Enhanced == EnhancedCode{} && o.Stage == StageRcpt && (o.Code == 550 || o.Code == 551 || o.Code == 553) && !o.AboutSender() && !o.NoRelay() && !o.Listed()
}

// WantsLogin reports whether the server wants a login first: 530 once there is
// TLS (RFC 4954 6), or words, some servers with 503.
func (o Outcome) WantsLogin() bool {
	return o.Code == 530 && !o.WantsTLS() || o.Code >= 500 && o.Stage < StageDot && o.Says(loginPhrases)
}

// RefusesMethod reports whether a login was refused for its method, not for the
// credentials, which are 535 (RFC 4954 4, 6): 504 5.7.4 as a rule, and 500 to 502
// by servers that do not know the command in this form, or in words. A status code
// about security says otherwise.
func (o Outcome) RefusesMethod() bool {
	if o.Stage != StageAuth || o.Code < 500 || o.WantsTLS() {
		return false
	}
	command := o.Code <= 504 && o.Code != 503 && (o.Enhanced[1] != 7 || o.Enhanced[2] == 4)
	return command || o.Says(methodPhrases)
}

// WantsTLS reports whether the server demands TLS before it takes mail, or a login
// (RFC 5248: X.7.10).
func (o Outcome) WantsTLS() bool {
	return o.Code >= 500 && (o.Enhanced == EnhancedCode{5, 7, 10} || o.Says(tlsPhrases))
}

// RefusesName reports whether the server refuses the name by which popferry
// introduces itself: as an argument of EHLO (RFC 5321 4.2.2), or in words, by many
// servers only at RCPT.
func (o Outcome) RefusesName() bool {
	return o.Stage == StageHello && (o.Code == 501 || o.Code == 504 || o.Code == 553) ||
		o.Code >= 400 && o.Stage >= StageHello && o.Stage < StageDot && o.Says(namePhrases)
}

// Listed reports whether the server refuses mail from this machine's network,
// because it is on a block list. After the message the same words are about what
// stands in it, and with the sender they are about that one's domain.
func (o Outcome) Listed() bool {
	return o.Code >= 400 && o.Stage < StageDot && !o.AboutAddress() && o.Says(listedPhrases) && !o.Says(listedSenderPhrases)
}

// NoRelay reports whether the server does not relay mail to a recipient.
func (o Outcome) NoRelay() bool { return o.Code >= 400 && o.Stage == StageRcpt && o.Says(relayPhrases) }

// ForeignFrom reports whether the server takes only mail whose From header is its
// user's own: 5.2.252 (Exchange Online), or words. It looks at the header only
// after the message.
func (o Outcome) ForeignFrom() bool {
	return o.Code >= 500 && (o.Stage == StageDot || o.Stage == StageData || o.Stage == StageBody) &&
		(o.Enhanced == EnhancedCode{5, 2, 252} || o.Says(foreignFromPhrases))
}

// Unexplained reports whether the message was refused after its last octet
// without any reason, by IMAP's NO without a response code: not for now, and not
// for good either (RFC 3463 3.1: X.0.0).
func (o Outcome) Unexplained() bool {
	return o.Translated && o.Kind == Refused && o.Stage == StageDot && o.Enhanced == EnhancedCode{4, 0, 0}
}
