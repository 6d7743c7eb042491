package imap_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
)

// TestGoIMAP: a server that was not written here takes messages, makes folders, and
// finds what it has.
func TestGoIMAP(t *testing.T) {
	t.Parallel()
	for name, caps := range map[string]goimap.CapSet{
		"rev1":      {goimap.CapIMAP4rev1: {}},
		"LITERAL+":  {goimap.CapIMAP4rev1: {}, goimap.CapLiteralPlus: {}, goimap.CapNamespace: {}, goimap.CapUIDPlus: {}},
		"rev2":      {goimap.CapIMAP4rev1: {}, goimap.CapIMAP4rev2: {}},
		"only rev2": {goimap.CapIMAP4rev2: {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := startGoIMAP(t, caps)
			p := imap.New(imap.Options{
				Dial: func(ctx context.Context) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", addr)
				},
				Username: "leo", Secret: secret("geheim123"), CreateFolder: true, Folder: "Büro",
			})
			defer p.Close()
			if err := p.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			var sought []forwarder.Sought
			for i := range 20 {
				id := fmt.Sprintf("m%d", i)
				o, at, err := deliver(t.Context(), p, mail(id, strings.Repeat("hi\r\n", i*500)))
				if err != nil || o.Kind != forwarder.Accepted {
					t.Errorf("message %d: %s and %v", i, describe(o), err)
				}
				sought = append(sought, forwarder.Sought{Mark: at, Trace: id, MessageID: "<" + id + "@example.org>"})
			}
			found, err := p.Find(t.Context(), append(sought, forwarder.Sought{Mark: sought[0].Mark, Trace: "lost"}))
			if len(found) != 20 || err != nil {
				t.Errorf("found %v and %v", found, err)
			}
			wrong := imap.New(imap.Options{Dial: func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			}, Username: "leo", Secret: secret("another")})
			defer wrong.Close()
			if err := wrong.Check(t.Context()); err == nil || err.Error() != "auth: NO [AUTHENTICATIONFAILED] Authentication failed" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// startGoIMAP starts go-imap's server with one user and returns its address.
func startGoIMAP(t *testing.T, caps goimap.CapSet) string {
	t.Helper()
	memory := imapmemserver.New()
	user := imapmemserver.NewUser("leo", "geheim123")
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	memory.AddUser(user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: caps, InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln) // ends when the server is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return ln.Addr().String()
}
