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

	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	if err := fetch(context.Background(), pop3.New(conn, pop3.Options{}), os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(server.Messages("leo")), "left")
	// Output:
	// a1: 34 of 34 octets
	// 0 left
}

// fetch is what a caller does with a session.
func fetch(ctx context.Context, c *pop3.Client, out io.Writer) error {
	defer c.Close() // sends nothing: what was marked is only deleted by QUIT
	if _, err := c.Greeting(ctx); err != nil {
		return err
	}
	if _, err := c.Capa(ctx); err != nil {
		return err
	}
	password := func(context.Context) (string, error) { return "secret", nil }
	if err := c.Login(ctx, pop3.Credentials{Username: "leo", Secret: password}); err != nil {
		return err
	}
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
