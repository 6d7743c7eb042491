package pop3_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// A whole session: fetch what is there, delete it.
func Example() {
	server := pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}})
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.Add("leo", pop3test.Message{UID: "a1", Octets: []byte("Subject: hello\r\n\r\n.dots are safe\r\n")})

	cfg := pop3.Config{
		Dial:        func(context.Context) (net.Conn, error) { return net.Dial("tcp", server.Addr()) },
		Credentials: pop3.Credentials{Username: "leo", Secret: func(context.Context) (string, error) { return "secret", nil }},
	}
	if err := fetch(context.Background(), cfg, os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(server.Messages("leo")), "left")
	// Output:
	// a1: 34 of 34 octets
	// 0 left
}

// fetch is what a caller does with a session.
func fetch(ctx context.Context, cfg pop3.Config, out io.Writer) error {
	c, _, err := pop3.Open(ctx, cfg, nil)
	if err != nil {
		return err
	}
	defer c.Close() // sends nothing: only QUIT deletes what DELE marked
	l, err := c.Listing(ctx)
	if err != nil {
		return err
	}
	for _, e := range l.Entries {
		b, err := c.Retr(ctx, e.Number)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, b); err != nil {
			return err // and nothing is deleted
		}
		fmt.Fprintf(out, "%s: %d of %d octets\n", e.UID, b.Octets(), e.Size)
		if err := c.Dele(ctx, e.Number); err != nil {
			return err
		}
	}
	return c.Quit(ctx)
}
