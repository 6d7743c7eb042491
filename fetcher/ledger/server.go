package ledger

import "time"

// ServerFacts is what popferry has learnt about an account's POP3 server. The
// JSON names are those of stored rows and never change.
type ServerFacts struct {
	Unanswered
	Capabilities
	Habits

	Hides      bool      `json:"hides,omitempty"`      // it is configured as one that gives each message once
	Tried      Tried     `json:"tried,omitzero"`       // what Account.NotBefore waits with
	BadLogins  int       `json:"bad_logins,omitempty"` // consecutive logins with refused credentials
	LastLogin  time.Time `json:"last_login,omitzero"`
	LastBody   time.Time `json:"last_body,omitzero"`    // when a message last arrived whole
	MostBodies int       `json:"most_bodies,omitempty"` // messages that arrived whole in one session, at most
	Given      Given     `json:"given,omitzero"`
	// Timeline is the last one of the ledger under which all that the
	// server listed was dealt with.
	Timeline string `json:"timeline,omitempty"`
	// LookFailed is when its destination could not be asked for messages in doubt for
	// the first time, of those in a row; zero: it could.
	LookFailed time.Time `json:"look_failed,omitzero"`
	// PassedSince is since when newer messages have passed the oldest one that waits for
	// the rate of its destination; zero: none waits.
	PassedSince time.Time `json:"passed_since,omitzero"`
}

// Given are the rows of some messages that were retrieved in one session, left on the
// server, and not looked for since. The session ended by QUIT that was answered: without
// one (RFC 1939 section 6) no server hides anything, and nothing is known by what it lists.
type Given [8]int64

// Unanswered are optional commands at which the server falls silent or ends the
// connection. A cut connection looks the same, so two polls have to see it.
type Unanswered struct {
	NoCAPA           Fact[bool] `json:"no_capa_fact,omitzero"`
	NoCAPAAfterLogin Fact[bool] `json:"no_capa_after_login,omitzero"`
	NoUTF8           Fact[bool] `json:"no_utf8,omitzero"` // or it refuses it
	NoNOOP           Fact[bool] `json:"no_noop,omitzero"`
	NoTOP            Fact[bool] `json:"no_top,omitzero"`
	NoPipelining     Fact[bool] `json:"no_pipelining,omitzero"`
}

// Capabilities are what CAPA told (RFC 2449), and what turned out to be otherwise.
// Login methods are named as in the configuration and separated by spaces.
type Capabilities struct {
	Offers     Fact[string]        `json:"capabilities,omitzero"` // as pop3.Facts has it
	Logins     Fact[string]        `json:"login_methods,omitzero"`
	NotLogins  Fact[string]        `json:"login_methods_refused,omitzero"` // listed, but the server does not have them
	LoginDelay Fact[time.Duration] `json:"login_delay,omitzero"`           // LOGIN-DELAY (RFC 2449 section 6.5)
	Expires    Fact[bool]          `json:"expire_0,omitzero"`              // EXPIRE 0 (RFC 2449 section 6.7): gone once retrieved
	ExpireDays Fact[int]           `json:"expire_after,omitzero"`          // EXPIRE n: it deletes messages after this many days
}

// Habits are what the server was seen to do.
type Habits struct {
	WantsUTF8  Fact[bool] `json:"wants_utf8,omitzero"`       // it refuses logins or messages outside of UTF-8 mode (RFC 6856)
	HasUIDL    Fact[bool] `json:"uidl,omitzero"`             // UIDL has worked
	UIDNumbers Fact[bool] `json:"uids_are_numbers,omitzero"` // its UIDs are the numbers of the messages, against RFC 1939 section 7
	RetrHides  Fact[bool] `json:"retr_hides,omitzero"`       // it no longer lists messages that were retrieved
	RetrKeeps  Fact[bool] `json:"retr_keeps,omitzero"`       // it still lists them
	RetrTwice  Fact[bool] `json:"retr_twice,omitzero"`       // it gave a message twice in one session
	WrongSizes Fact[bool] `json:"wrong_sizes,omitzero"`      // LIST gives other sizes than RETR
	RightSizes Fact[bool] `json:"right_sizes,omitzero"`      // LIST gives the sizes of RETR, for some messages at least
}

// Forget is what is left of the facts when the user has them forgotten: the
// server may want a pause between logins, and Hides was not learnt.
func (s ServerFacts) Forget() ServerFacts {
	return ServerFacts{LastLogin: s.LastLogin, Hides: s.Hides, Timeline: s.Timeline}
}

// MayShowAgain reports whether messages that the server no longer lists may only be
// hidden, so that a change of its settings may bring them back. What was seen of that
// holds however long ago it was, until something contradicts it.
func (s *ServerFacts) MayShowAgain() bool { return s.Hides || s.Expires.Value || s.RetrHides.Value }

// View lists the facts that hold.
func (s *ServerFacts) View(now time.Time) []FactView {
	var out []FactView
	add := func(v FactView, ok bool) {
		if ok {
			out = append(out, v)
		}
	}
	add(s.NoCAPA.view("no_capa", now))
	add(s.NoCAPAAfterLogin.view("no_capa_after_login", now))
	add(s.NoUTF8.view("no_utf8", now))
	add(s.NoNOOP.view("no_noop", now))
	add(s.NoTOP.view("no_top", now))
	add(s.NoPipelining.view("no_pipelining", now))
	add(s.Offers.view("capabilities", now))
	add(s.Logins.view("login_methods", now))
	add(s.NotLogins.view("login_methods_refused", now))
	add(s.WantsUTF8.view("wants_utf8", now))
	add(s.HasUIDL.view("uidl", now))
	add(s.UIDNumbers.view("uids_are_numbers", now))
	add(s.LoginDelay.view("login_delay", now))
	add(s.Expires.view("expire_0", now))
	add(s.ExpireDays.view("expire_after", now))
	add(s.RetrHides.view("retr_hides", now))
	add(s.RetrKeeps.view("retr_keeps", now))
	add(s.RetrTwice.view("retr_twice", now))
	add(s.WrongSizes.view("wrong_sizes", now))
	add(s.RightSizes.view("right_sizes", now))
	return out
}
