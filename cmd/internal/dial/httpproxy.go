package dial

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/popferry/popferry/fetcher/printable"
)

// maxAnswer is how many octets the header of an HTTP proxy's answer may have.
const maxAnswer = 16 << 10

// askHTTP has an HTTP proxy connect to the server, whose name the proxy looks up.
func (p *relay) askHTTP(ctx context.Context, conn net.Conn, password string) (net.Conn, error) {
	defer within(ctx, conn)()
	server := net.JoinHostPort(p.host, p.port)
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: server}, Host: server, Header: http.Header{"User-Agent": {"popferry"}}}
	if p.Username != "" {
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.Username+":"+password)))
	}
	var octets bytes.Buffer
	if err := request.Write(&octets); err != nil {
		return nil, p.fails(ProxyProtocol, err)
	}
	if _, err := conn.Write(octets.Bytes()); err != nil {
		return nil, p.noAnswer(ctx, err)
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswer}
	r := bufio.NewReader(limited)
	answer, err := http.ReadResponse(r, request) //nolint:bodyclose // the connection is what follows, and is closed
	switch {
	case err != nil && limited.N == 0:
		return nil, p.fails(ProxyProtocol, fmt.Errorf("its answer has more than %d octets", maxAnswer))
	case err != nil && (isIO(err) || ctx.Err() != nil):
		return nil, p.noAnswer(ctx, err)
	case err != nil:
		return nil, p.fails(ProxyProtocol, err)
	case answer.StatusCode/100 != 2:
		return nil, p.httpError(answer)
	}
	// The server may have greeted already.
	begun, _ := r.Peek(r.Buffered()) // cannot fail: it is there
	if len(begun) == 0 {
		return conn, nil
	}
	return &begunConn{Conn: conn, begun: bytes.Clone(begun)}, nil
}

// httpError is an answer without a connection (RFC 9110 section 15).
func (p *relay) httpError(answer *http.Response) *ProxyError {
	said := errors.New("the proxy says: " + printable.Reply(answer.Status))
	switch code := answer.StatusCode; {
	case code == http.StatusProxyAuthRequired && p.Username == "":
		return p.fails(ProxyWantsLogin, said)
	case code == http.StatusProxyAuthRequired, code == http.StatusUnauthorized: // tinyproxy, to a wrong password
		return p.fails(ProxyLogin, said)
	case code == http.StatusNotImplemented, code < http.StatusInternalServerError:
		return p.fails(ProxyRefuses, said)
	}
	return p.fails(ProxyNoServer, said)
}

// begunConn is a connection of which something was read too early.
type begunConn struct {
	net.Conn
	begun []byte
}

func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.begun) > 0 {
		n := copy(b, c.begun)
		c.begun = c.begun[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// NetConn returns the connection itself.
func (c *begunConn) NetConn() net.Conn { return c.Conn }
