// Package login is what the protocols share about logging in: POP3, SMTP, LMTP and
// IMAP log in with the same kinds of secrets by the same mechanisms (SASL, RFC
// 4422), and a server of any of them may repeat a secret.
//
// Order says which methods to try and in which order, Client is one login by one of
// them, and Mask keeps secrets out of what is shown. How the octets of a mechanism
// travel, and what an answer means, is each protocol's own.
//
// It is a leaf: fetcher/pop3 and forwarder, which know nothing of each other, both
// import it, and it imports nothing of popferry.
package login
