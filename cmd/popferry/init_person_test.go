package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/dnstest"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// reply is what a person says to a question that has these words in it.
type reply struct{ question, text string }

// leaves is the answer of somebody who has had enough.
const leaves = "\x04"

// person is a console with somebody who knows all answers beforehand. What is
// typed shows in the screen, as a terminal would have it.
type person struct {
	t       *testing.T
	screen  *output
	answers []reply
	read    int // octets of the screen
}

func (p *person) Line(context.Context) (string, error) {
	text, err := p.answer()
	_, _ = p.screen.Write([]byte(text + "\n"))
	return text, err
}

func (p *person) Secret(_ context.Context, ask func()) (string, error) {
	ask()
	return p.answer()
}

func (p *person) answer() (string, error) {
	all := p.screen.String()
	question := all[p.read:]
	p.read = len(all)
	if len(p.answers) == 0 {
		p.t.Errorf("nobody expected the question %q", question)
		return "", io.EOF
	}
	next := p.answers[0]
	p.answers = p.answers[1:]
	if lines := strings.Split(question, "\n"); !strings.Contains(lines[len(lines)-1], next.question) {
		p.t.Errorf("asked %q, expected %q", lines[len(lines)-1], next.question)
		return "", io.EOF
	}
	if next.text == leaves {
		return "", io.EOF
	}
	return next.text, nil
}

// newcomer is somebody who sets popferry up in an empty folder.
type newcomer struct {
	t       *testing.T
	dir     string
	program *program
	screen  output
}

// newNewcomer has the DNS of a zone and an HTTPS server with these pages, as
// host/path.
func newNewcomer(t *testing.T, authority *certtest.Authority, zone string, pages map[string]string) *newcomer {
	t.Helper()
	n := &newcomer{t: t, dir: t.TempDir()}
	names := []string{"unused.test"}
	for page := range pages {
		host, _, _ := strings.Cut(page, "/")
		names = append(names, host)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.Host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Server(names...)}}
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	resolver := dnstest.Start(t, zone)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority.Pool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, web.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	resources := app.NewResources()
	resources.Network = dial.NewNetworkWith(resolver)
	n.program = &program{stdout: &n.screen, stderr: &n.screen, resources: resources, resolver: resolver, transport: transport}
	return n
}

// config is the path of the configuration.
func (n *newcomer) config() string { return filepath.Join(n.dir, "popferry.yaml") }

// init runs popferry init. Without answers nobody is there.
func (n *newcomer) init(answers []reply, args ...string) error {
	n.t.Helper()
	p := &person{t: n.t, screen: &n.screen, answers: answers, read: len(n.screen.String())}
	n.program.console = func() terminal.Console {
		if answers == nil {
			return nil
		}
		return p
	}
	n.program.configFlag = n.config()
	_, _ = fmt.Fprintf(&n.screen, "$ popferry init %s\n", strings.Join(args, " "))
	c := n.program.initCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append([]string{"--config", n.config()}, args...))
	err := c.ExecuteContext(n.t.Context())
	if len(p.answers) > 0 {
		n.t.Errorf("never asked: %q", p.answers)
	}
	return err
}

// files are those in the folder, with their modes.
func (n *newcomer) files() string {
	n.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(n.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == n.dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(n.dir, path)
		fmt.Fprintf(&b, "%s %v\n", name, info.Mode().Perm())
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return b.String()
}

// reads checks what a file says below its comment.
func (n *newcomer) reads(name, want string) {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	if _, got, _ := strings.Cut(string(text), "\n\n"); got != want {
		n.t.Errorf("%s:\n%s\nwant below the comment:\n%s", name, text, want)
	}
}

// is reports whether an error is of type E or wraps one.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
