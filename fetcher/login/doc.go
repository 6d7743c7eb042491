// Package login is what the protocols share about logging in: POP3, SMTP and LMTP
// log in with the same kinds of secrets, and a server of any of them may repeat
// one.
//
// It is a leaf: fetcher/pop3 and forwarder, which know nothing of each other, both
// import it, and it imports nothing of popferry.
package login
