package discover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/printable"
)

// maxIMAPLine is more than a greeting has, in octets.
const maxIMAPLine = 8 << 10

// errNotIMAP: the server greets as none for IMAP does.
var errNotIMAP = errors.New("this is not an IMAP server")

// errNoSTARTTLS: an IMAP server that does not encrypt.
var errNoSTARTTLS = errors.New("the server does not offer STARTTLS")

// greetIMAP goes as far as one can without a user name: the greeting (RFC 9051
// 7.1.5) and TLS. ctx has to have a deadline.
func greetIMAP(ctx context.Context, d *dial.Dialer) error {
	conn, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := greetedIMAP(ctx, conn, d.Upgrade()); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", d.Addr(), err)
	}
	return nil
}

// greetedIMAP reads the greeting, starts TLS if upgrade is not nil, and says
// goodbye.
func greetedIMAP(ctx context.Context, conn net.Conn, upgrade func(context.Context, net.Conn) (net.Conn, error)) error {
	r := bufio.NewReader(io.LimitReader(conn, maxIMAPLine))
	line, err := r.ReadString('\n')
	switch {
	case err != nil && line == "":
		return err
	case hasPrefix(line, "* OK"), hasPrefix(line, "* PREAUTH"):
	case hasPrefix(line, "* BYE"):
		return fmt.Errorf("the server says: %s", printable.Reply(line))
	default:
		return errNotIMAP
	}
	if upgrade != nil {
		if conn, err = startTLS(ctx, conn, r, upgrade); err != nil {
			return err
		}
	}
	_, _ = io.WriteString(conn, "a2 LOGOUT\r\n") // out of courtesy
	return nil
}

// startTLS starts TLS (RFC 9051 6.2.1). Untagged lines may come before the reply.
func startTLS(ctx context.Context, conn net.Conn, r *bufio.Reader, upgrade func(context.Context, net.Conn) (net.Conn, error)) (net.Conn, error) {
	if _, err := io.WriteString(conn, "a1 STARTTLS\r\n"); err != nil {
		return conn, err
	}
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return conn, err
		case hasPrefix(line, "a1 OK"):
			return upgrade(ctx, conn)
		case !hasPrefix(line, "* "):
			return conn, errNoSTARTTLS
		}
	}
}

// hasPrefix ignores case, as IMAP does.
func hasPrefix(line, prefix string) bool {
	return len(line) >= len(prefix) && strings.EqualFold(line[:len(prefix)], prefix)
}
