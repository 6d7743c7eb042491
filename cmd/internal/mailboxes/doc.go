// Package mailboxes is what the page's user can do about mailboxes: set them up, test,
// pause and remove them, and change their passwords or sign-ins. It implements web.Mailboxes.
//
// Setting up is package setup, testing is package check, signing in is package signin,
// with a talk.Talk in place of a terminal:
//
//	form > Desk > talk.Talk <── setup.Run, check.Run, signin.Login
//	                 └──> pages
//
// Only files that init or the page has written are changed, one account each, and only
// if they still say what the user has seen. Each change is read back, and undone if the
// configuration cannot be used then.
package mailboxes
