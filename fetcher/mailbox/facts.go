package mailbox

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// unanswered are what the ledger knows of the optional commands of pop3.Open.
func unanswered(facts *ledger.ServerFacts) map[pop3.Commands]*ledger.Fact[bool] {
	return map[pop3.Commands]*ledger.Fact[bool]{
		pop3.CommandCapa:           &facts.NoCAPA,
		pop3.CommandCapaAfterLogin: &facts.NoCAPAAfterLogin,
		pop3.CommandUTF8:           &facts.NoUTF8,
	}
}

// openFacts are the facts that hold now, as pop3.Open takes them.
func openFacts(facts *ledger.ServerFacts, now time.Time) pop3.Facts {
	f := pop3.Facts{
		Logins: facts.Logins.Get(now), Refused: facts.NotLogins.Get(now), UTF8: facts.WantsUTF8.Get(now),
		Offers: offers(facts, now), LoginDelay: facts.LoginDelay.Get(now), Expires: facts.Expires.Get(now), ExpireDays: facts.ExpireDays.Get(now),
	}
	for command, fact := range unanswered(facts) {
		if fact.Sure(now) {
			f.Skip |= command
		}
	}
	return f
}

// offers is what is known of the answer to CAPA. It is asked for again after a day, for
// the server may have other methods by now; and at the next poll where it was not known at
// all, which a fault could look like. Where the login methods that were listed with it
// are no longer known, it does not count.
func offers(facts *ledger.ServerFacts, now time.Time) string {
	o := facts.Offers
	if o.Value == pop3.OffersNothing && o.Sure(now) == "" || facts.Logins.Get(now) != facts.Logins.Value {
		return ""
	}
	return o.Recent(now)
}

// noteFacts notes what pop3.Open has learnt beyond what it was given.
func noteFacts(facts *ledger.ServerFacts, given, learnt pop3.Facts, now time.Time) {
	for command, fact := range unanswered(facts) {
		switch {
		case learnt.Answered&command != 0:
			fact.End()
		case learnt.Skip&^given.Skip&command != 0:
			fact.See(true, now)
		}
	}
	if learnt.Refused != given.Refused {
		facts.NotLogins.See(learnt.Refused, now)
	}
	if learnt.UTF8 && !given.UTF8 {
		facts.WantsUTF8.See(true, now)
	}
	asked := learnt.Answered&pop3.CommandCapa != 0
	if asked || learnt.Offers != given.Offers {
		facts.Offers.See(learnt.Offers, now)
	}
	// Where CAPA is not answered, what it told before stays: learnt is what was given.
	if asked || given.Offers == "" { // else nobody has looked
		facts.Logins.See(learnt.Logins, now)
	}
	facts.LoginDelay.See(min(learnt.LoginDelay, ledger.LongestWait), now)
	facts.Expires.See(learnt.Expires, now)
	facts.ExpireDays.See(learnt.ExpireDays, now)
}
