// Package signin is the dialogue by which a user signs in to a mailbox by OAuth2.
// It chooses the flow, says what to open and what to type in, and waits:
//
//	Ask --> oauth.SignIn --> Login: ledger --> trial of the mailbox
//
// Login is for the mailboxes of a configuration; what writes one, as init does,
// uses Ask alone. How a sign-in is kept and renewed is in package oauth.
package signin
