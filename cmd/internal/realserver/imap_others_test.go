package realserver

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
)

// TestIMAPOfCyrusAndCourier: folders are made with the levels and the prefix of the
// server, messages are found again by their traces, and a wrong password is told.
func TestIMAPOfCyrusAndCourier(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) (addr string){
		"cyrus":   func(t *testing.T) string { return StartCyrusIMAP(t).IMAP() },
		"courier": func(t *testing.T) string { return StartCourierIMAP(t, "leo").IMAP() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := start(t)
			password := "secret"
			p := imap.New(imap.Options{
				Dial:     func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) },
				Username: "leo", Secret: func(context.Context) (string, error) { return password, nil }, CreateFolder: true,
				Auth: login.Login, // both offer methods for which they have no passwords
			})
			t.Cleanup(func() { _ = p.Close() })
			if _, err := p.CheckFolder(t.Context(), "Büro/Post"); err != nil {
				t.Fatal(err)
			}
			var sought []forwarder.Sought
			for i, folder := range []string{"", "Büro/Post"} {
				m := traced(fmt.Sprint("m", i), []byte("a: b\r\n\r\nhi\r\n"))
				m.Folder = folder
				o, at := appendTo(t, p, m)
				if o.Kind != forwarder.Accepted {
					t.Errorf("folder %q: %s", folder, o.Reply())
				}
				sought = append(sought, forwarder.Sought{Mark: at, Trace: m.Trace})
			}
			if found, err := p.Find(t.Context(), sought); len(found) != 2 || err != nil {
				t.Errorf("found %v and %v, want both", found, err)
			}
			password = "wr0ng-password"
			o, ok := p.Check(t.Context()).(interface{ Outcome() forwarder.Outcome })
			if !ok || o.Outcome().Stage != forwarder.StageAuth || o.Outcome().Code != 535 {
				t.Errorf("a wrong password: got %v", o)
			}
		})
	}
}
