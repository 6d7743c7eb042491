// Package discover finds the servers of a mail address: where its mail is
// fetched by POP3, and where mail is handed in by SMTP submission.
//
// It goes in two steps. Find asks everybody who may know, side by side, and
// returns candidates with the most trusted first:
//
//	built-in presets > the domain's own autoconfig > Thunderbird's database
//	> SRV records > who keeps the domain's mail (MX) > guesses
//
// First then connects to the candidates, side by side as well, and returns the
// most trusted one that answers: with a greeting of its protocol, in TLS, by a
// certificate that was checked. Both steps have a short limit, so a person
// never waits longer than the two together.
//
// No password is involved here, and the address itself is told to the domain's
// own server only. Whether a password may go to a candidate unasked is another
// matter: what the DNS says can be forged on its way, and the certificate then
// proves only that the server has the name that was forged. A candidate whose
// name comes from there and lies outside of the address's own domain is marked
// as Foreign (RFC 6186 section 6); a person has to agree to it.
package discover
