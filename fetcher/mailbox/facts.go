package mailbox

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// sightings are what the ledger knows of the optional commands of pop3.Open.
func sightings(facts *ledger.ServerFacts) map[pop3.Commands]*ledger.Sighting {
	return map[pop3.Commands]*ledger.Sighting{
		pop3.CommandCapa:           &facts.Unanswered.CAPA,
		pop3.CommandCapaAfterLogin: &facts.Unanswered.CAPAAgain,
		pop3.CommandUTF8:           &facts.Unanswered.UTF8,
	}
}

// openFacts are the facts that still count now, as pop3.Open takes them.
func openFacts(facts *ledger.ServerFacts, now time.Time) pop3.Facts {
	if facts.NoCAPA {
		facts.NoCAPA, facts.Unanswered.CAPA = false, ledger.Sighting{Polls: 2, Last: now}
	}
	f := pop3.Facts{
		Logins: facts.Logins.Listed, UTF8: facts.UTF8, LoginDelay: facts.LoginDelay, Expires: facts.Expires, ExpireDays: facts.ExpireDays,
	}
	for command, seen := range sightings(facts) {
		if seen.Counts(now) {
			f.Skip |= command
		}
	}
	if now.Sub(facts.Logins.RefusedAt).Abs() < ledger.FactLife {
		f.Refused = facts.Logins.Refused
	}
	return f
}

// noteFacts notes what pop3.Open has learnt beyond what it was given.
func noteFacts(facts *ledger.ServerFacts, given, learnt pop3.Facts, now time.Time) {
	for command, seen := range sightings(facts) {
		switch {
		case learnt.Answered&command != 0:
			*seen = ledger.Sighting{}
		case learnt.Skip&^given.Skip&command != 0:
			seen.See(now)
		}
	}
	if learnt.Refused != given.Refused {
		facts.Logins.Refused, facts.Logins.RefusedAt = learnt.Refused, now
	}
	facts.Logins.Listed, facts.UTF8, facts.LoginDelay = learnt.Logins, learnt.UTF8, learnt.LoginDelay
	facts.Expires, facts.ExpireDays = learnt.Expires, learnt.ExpireDays
}
