package pop3

import (
	"context"
	"crypto/tls"
	"net"
)

// For the tests in package pop3_test: what Open does, step by step.

func New(conn net.Conn, o Options) *Client { return newClient(conn, o) }

func (c *Client) Greeting(ctx context.Context) (string, error) { return c.greeting(ctx) }

func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	return c.startTLS(ctx, upgrade(cfg))
}

func (c *Client) Capa(ctx context.Context) (Capabilities, error) { return c.capa(ctx) }

func (c *Client) Login(ctx context.Context, cr Credentials) error { return c.login(ctx, cr) }

func UidlCommand() Command { return uidlCommand() }

func ListCommand() Command { return listCommand() }
