// Package dial makes the connections to POP3, SMTP and LMTP servers.
//
// A Target is what the configuration says about one server. New checks it and
// reads its certificate files. The protocol clients get the resulting Dialer as
// two functions: Dial for the connection, already encrypted where TLS is
// implicit, and Upgrade for the handshake that follows STARTTLS or STLS.
//
// Certificates are verified here and not by crypto/tls, for two reasons: a pin
// replaces the chain, and a user who has to decide about a certificate must see
// what it says. Implicit TLS and STARTTLS use the same verification, so
// errors.As finds the *CertificateError in whatever error the protocol client
// returns for the failed handshake.
//
// With many accounts, one Network makes all Dialers. They share DNS answers for
// half a minute, one TLS configuration for each server, and its last session: a
// handshake that resumes it saves the certificates, and in TLS 1.2 a round trip.
// Sessions can be handed over to the next process; they are secrets then. The
// certificate of a session that is resumed is verified as any other.
//
// A server that hangs up on a ClientHello, refuses it or does not answer is tried
// once more with a short one, see client. Behind STARTTLS this takes a new
// session: the protocol client opens one if Error.NewConnection says so.
//
// The package speaks no protocol and keeps no connections.
package dial
