// Package mailbox is one POP3 session of a poll: it opens the session, lists the
// mailbox, retrieves messages, deletes, and ends.
//
//	Open (connect .. login, listing) > Retrieve* > Delete* > Quit
//
// It knows what real servers get wrong, and notes it in the ledger's facts about
// the server (facts.go): sizes that LIST reports wrongly, PIPELINING that fails,
// commands that are not answered, login methods that are only listed, messages that
// vanish once retrieved. Three questions
// are answered here and nowhere else:
//
//   - Is a message whole? (retrieve.go)
//   - What may be sent before the answers are read? (window.go)
//   - May this session be ended by QUIT, and may it delete? (custody.go)
//
// It does not decide what is retrieved or deleted, and it does not write to the
// ledger.
package mailbox
