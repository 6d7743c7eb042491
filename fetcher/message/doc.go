// Package message knows what a mail message looks like: its header, its
// fingerprint, and the octets that popferry changes on the way.
//
//	POP3 octets > Normalizer (drops leading Return-Path and mbox lines, bare LF > CRLF, reads the header)
//	  > spool > Body.Outgoing (trace lines on top, without Delivered-To of our own recipients) > forwarder
//
// It does not parse MIME and never judges a message by its contents; only a mail
// loop (CheckLoop) keeps a message from being forwarded.
package message
