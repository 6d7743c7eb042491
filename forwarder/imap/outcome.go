package imap

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// meaning is what a response code says in the language of SMTP: a reply code and
// an enhanced status code (RFC 3463).
type meaning struct {
	code     int
	enhanced forwarder.EnhancedCode
	folder   bool // it is about the folder, as a refusal of a recipient is
}

// meanings has the response codes (RFC 9051 7.1, RFC 5530, RFC 7889, RFC 9208,
// RFC 3516) that say why a message is not taken.
var meanings = map[string]meaning{
	"OVERQUOTA":       {code: 552, enhanced: forwarder.EnhancedCode{5, 2, 2}},
	"TOOBIG":          {code: 552, enhanced: forwarder.EnhancedCode{5, 3, 4}},
	"UNKNOWN-CTE":     {code: 554, enhanced: forwarder.EnhancedCode{5, 6, 1}},
	"CANNOT":          {code: 554, enhanced: forwarder.EnhancedCode{5, 3, 3}},
	"INUSE":           {code: 451, enhanced: forwarder.EnhancedCode{4, 3, 2}},
	"LIMIT":           {code: 451, enhanced: forwarder.EnhancedCode{4, 3, 2}},
	"UNAVAILABLE":     {code: 451, enhanced: forwarder.EnhancedCode{4, 3, 0}},
	"SERVERBUG":       {code: 451, enhanced: forwarder.EnhancedCode{4, 3, 0}},
	"CONTACTADMIN":    {code: 451, enhanced: forwarder.EnhancedCode{4, 3, 0}},
	"CORRUPTION":      {code: 451, enhanced: forwarder.EnhancedCode{4, 2, 0}, folder: true},
	"TRYCREATE":       {code: 550, enhanced: forwarder.EnhancedCode{5, 1, 1}, folder: true},
	"NONEXISTENT":     {code: 550, enhanced: forwarder.EnhancedCode{5, 1, 1}, folder: true},
	"NOPERM":          {code: 550, enhanced: forwarder.EnhancedCode{5, 7, 1}, folder: true},
	"READ-ONLY":       {code: 550, enhanced: forwarder.EnhancedCode{5, 2, 1}, folder: true},
	"PRIVACYREQUIRED": {code: 530, enhanced: forwarder.EnhancedCode{5, 7, 10}},
}

// noFolder are the words of servers that have no response code for a folder that
// does not exist.
var noFolder = []string{"doesn't exist", "does not exist", "no such mailbox", "no such folder", "unknown mailbox", "nonexistent mailbox", "mailbox not found"}

// translate is a refusal, or a BYE, as package forwarder has it. said is the
// response in the server's words, which stay the outcome's text.
//
// The words about being too fast count before a code, because Gmail says OVERQUOTA
// then. NO without a reason is 4.0.0; so is BAD after the message, which servers
// say of what they do not like in it.
func translate(r *wire.Response, stage forwarder.Stage, said string) forwarder.Outcome {
	o := forwarder.Outcome{Kind: forwarder.Refused, Stage: stage, Text: said, RetryAfter: backoff(said), Translated: true}
	if reads(o, 450, forwarder.Outcome.Throttled) || o.RetryAfter > 0 {
		o.Code, o.Enhanced = 451, forwarder.EnhancedCode{4, 3, 2}
	} else if m, ok := meanings[r.Code]; ok {
		o.Code, o.Enhanced = m.code, m.enhanced
		if m.folder {
			o.Stage = forwarder.StageRcpt
		}
	} else {
		byWords(&o, r.Status)
	}
	if r.Status == "BYE" {
		o.Code = 421
		o.Enhanced[0] = 4
	}
	return o
}

// byWords is translate for a response without a code that says why.
func byWords(o *forwarder.Outcome, status string) {
	switch {
	case reads(*o, 452, forwarder.Outcome.NoRoom):
		o.Code, o.Enhanced = 552, forwarder.EnhancedCode{5, 2, 2}
	case reads(*o, 550, forwarder.Outcome.TooLarge):
		o.Code, o.Enhanced = 552, forwarder.EnhancedCode{5, 3, 4}
	case reads(*o, 550, forwarder.Outcome.AboutContent):
		o.Code, o.Enhanced = 554, forwarder.EnhancedCode{5, 6, 0}
	case o.Stage <= forwarder.StageData && o.Stage >= forwarder.StageRcpt && containsAny(o.Text, noFolder):
		o.Code, o.Enhanced, o.Stage = 550, forwarder.EnhancedCode{5, 1, 1}, forwarder.StageRcpt
	case status == "BAD" && o.Stage < forwarder.StageDot:
		o.Code, o.Enhanced = 500, forwarder.EnhancedCode{5, 5, 2}
	default:
		o.Code, o.Enhanced = 450, forwarder.EnhancedCode{4, 0, 0}
	}
}

// reads reports whether the text of an outcome, with a code that leaves it to the
// text, is what a predicate looks for.
func reads(o forwarder.Outcome, code int, is func(forwarder.Outcome) bool) bool {
	o.Code = code
	return is(o)
}

func containsAny(text string, phrases []string) bool {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// translateLogin is translate for the answer to a login (RFC 5530): a refusal
// without a reason is about the credentials (535, RFC 4954 6), BAD about the method.
func translateLogin(r *wire.Response, said string) forwarder.Outcome {
	o := translate(r, forwarder.StageAuth, said)
	o.Stage = forwarder.StageAuth
	switch {
	case r.Status == "BYE", o.Throttled(), r.Code == "PRIVACYREQUIRED":
	case r.Code == "UNAVAILABLE", r.Code == "SERVERBUG", r.Code == "INUSE":
		o.Code, o.Enhanced = 454, forwarder.EnhancedCode{4, 7, 0}
	case r.Status == "BAD" && r.Code != "AUTHENTICATIONFAILED":
		o.Code, o.Enhanced = 504, forwarder.EnhancedCode{5, 5, 4}
	case reads(o, 535, forwarder.Outcome.RefusesMethod): // Dovecot: NO Unsupported authentication mechanism.
		o.Code, o.Enhanced = 504, forwarder.EnhancedCode{5, 7, 4}
	default:
		o.Code, o.Enhanced = 535, forwarder.EnhancedCode{5, 7, 8}
	}
	return o
}

// suggested is how Exchange says how long to wait.
var suggested = regexp.MustCompile(`(?i)suggested backoff time: *(\d{1,9}) *milliseconds`)

// backoff is how long a server asks to wait; 0: it does not say.
func backoff(said string) time.Duration {
	found := suggested.FindStringSubmatch(said)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // nine digits fit
	return time.Duration(n) * time.Millisecond
}
