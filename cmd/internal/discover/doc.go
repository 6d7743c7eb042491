// Package discover finds the servers of a mail address: where its mail is
// fetched by POP3, where mail is submitted by SMTP, and where mail is put into its
// folders by IMAP.
//
// It goes in two steps. Find asks all sources that may know, in parallel, and
// returns candidates with the most trusted first:
//
//	built-in presets > the domain's own autoconfig > Thunderbird's database
//	> SRV records > the domain's mail host (MX) > guesses
//
// First then connects to the candidates, eight at once, and returns the most
// trusted one that answers: with a greeting of its protocol, over TLS, with a
// certificate that was verified. The first step and each connection have a short
// limit.
//
// Anybody can set up a domain whose sources name any host. So each source may name
// only a few, on the ports of mail, and Rules forbid connections to this machine
// and to private networks, by the address at connect.
//
// No password is involved here, and only the domain's own server learns the
// address itself. Whether a password may be sent to a candidate is another
// question: DNS answers can be forged, and the certificate then proves only
// that the server has the forged name. A candidate whose name comes from the
// DNS and lies outside the address's own domain is marked as Untrusted
// (RFC 6186 section 6); the user has to confirm it.
package discover
