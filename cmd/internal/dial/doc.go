// Package dial makes the connections to POP3, SMTP and LMTP servers.
//
// A Target is what the configuration says of one server. New checks it and
// reads its certificate files; the Dialer that comes out is handed to the
// protocol clients as two functions: Dial for the connection, which is already
// encrypted where TLS is implicit, and StartTLSConfig for the client that
// negotiates TLS itself.
//
// Certificates are verified here and not by crypto/tls, for two reasons: a pin
// takes the place of the chain, and a person who has to decide about a
// certificate must see what it says. Implicit TLS and STARTTLS use the same
// verification, so that a *CertificateError can be found with errors.As in
// whatever the protocol client made of the failed handshake.
//
// Where there are many accounts, a Network makes their Dialers. They then share
// the answers of the DNS for half a minute, one TLS configuration for each
// server, and its last session, which a handshake takes up again where the
// server agrees: that saves its certificates, and in TLS 1.2 a round trip.
//
// The package speaks no protocol and keeps no connections.
package dial
