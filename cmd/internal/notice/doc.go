// Package notice decides when to send mail about accounts and messages that
// need attention, and composes that mail: for accounts that have been failing
// for long, accounts that work again, held messages, and messages that have been
// deferred for days. It sends nothing and stores nothing.
package notice
