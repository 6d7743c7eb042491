package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// From a page servers are tried on the ports of mail alone, so these have them.
const pop3Port, smtpPort = "995", "465"

// The servers, on addresses that no other run of this test has.
var (
	pop3Host   = own(1)
	smtpHost   = own(2)
	selfSigned = own(3) // a POP3 server whose certificate nobody has signed
)

// own is an address of this machine alone (RFC 5735 section 3), for this process.
func own(n int) string { return fmt.Sprintf("127.83.%d.%d", os.Getpid()%250+1, n) }

// newcomer is a user who sets popferry up between two servers.
type newcomer struct {
	*browser
	sink *smtptest.Server
	code string
	last string // ID of the question that was asked last
}

var pageAndCode = regexp.MustCompile(`(http\S+)/\n +([A-Z2-7-]{14})\n`)

// newNewcomer starts run --setup in an empty folder.
func newNewcomer(t *testing.T, sc screen) *newcomer {
	t.Helper()
	dir := t.TempDir()
	authority := filepath.Join(dir, "ca.pem")
	certificate := certificates(t, authority)
	users := map[string]string{"leo": "secret", "leo@isp.example": "secret"}
	pop := pop3test.NewServer(pop3test.Options{Users: users, TLS: certificate, ImplicitTLS: true})
	refused := pop3test.NewServer(pop3test.Options{Users: users, TLS: certificates(t, filepath.Join(dir, "another.pem")), ImplicitTLS: true})
	for i := range 12 {
		pop.Add("leo@isp.example", pop3test.Message{UID: fmt.Sprint("uid-", i), Octets: fmt.Appendf(nil, "From: anna@example.org\r\nSubject: %d\r\nMessage-ID: <%[1]d@example.org>\r\n\r\nHello.\r\n", i)})
	}
	sink, err := smtptest.Start(smtptest.Options{Address: net.JoinHostPort(smtpHost, smtpPort), TLS: certificate, Implicit: true, Username: "me@inbox.example", Password: "secret"})
	if err == nil {
		t.Cleanup(func() { _ = sink.Close() })
		if err = pop.Listen(net.JoinHostPort(pop3Host, pop3Port)); err == nil {
			t.Cleanup(func() { _ = pop.Close() })
			if err = refused.Listen(net.JoinHostPort(selfSigned, pop3Port)); err == nil {
				t.Cleanup(func() { _ = refused.Close() })
			}
		}
	}
	switch {
	case err != nil && os.Getenv("POPFERRY_REQUIRE_SERVERS") == "1":
		t.Fatal(err)
	case err != nil:
		t.Skip("servers on the ports of mail need root: ", err)
	}
	t.Setenv("XDG_STATE_HOME", dir)
	s := newSite(t)
	s.start("run", "--setup", "--listen", "127.0.0.1:0", "--ca-file", authority, "--config", filepath.Join(dir, "popferry.yaml"))
	s.await("the code", func() bool { return pageAndCode.MatchString(s.log.String()) })
	m := pageAndCode.FindStringSubmatch(s.log.String())
	s.url = m[1]
	n := &newcomer{browser: openBrowser(t, sc, s), sink: sink, code: m[2]}
	t.Cleanup(func() {
		var text string
		if t.Failed() && chromedp.Run(n.ctx, chromedp.Text("body", &text, chromedp.ByQuery)) == nil {
			t.Logf("the last page:\n%s", text)
		}
	})
	return n
}

// certificates returns a certificate for both servers, and writes its authority.
func certificates(t *testing.T, file string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a home server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.ParseIP(pop3Host), net.ParseIP(smtpHost), net.ParseIP(selfSigned)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// types types into what has the focus, as somebody without a mouse does.
func (n *newcomer) types(keys string) {
	n.Helper()
	n.run(chromedp.KeyEvent(keys))
}

// asked waits for a question of the talk, and not the one before, until it has the
// focus.
func (n *newcomer) asked(question string) {
	n.Helper()
	n.await(question, func() bool {
		var found string
		n.run(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll("main form label, main form legend")].some(e => e.textContent.includes(%q)) &&
			document.activeElement.closest("main form") ?
			document.querySelector("[name=question]")?.value || "a form" : ""`, question), &found))
		if found == "" || found == n.last {
			return false
		}
		n.last = found
		return true
	})
}

// answers waits for a question and types the answer, with Enter at its end.
func (n *newcomer) answers(question, answer string) {
	n.Helper()
	n.asked(question)
	n.types(answer + kb.Enter)
}

// looks takes a picture, and checks what a screen reader and a narrow screen need.
func (n *newcomer) looks(name string, sc screen) {
	n.Helper()
	n.picture(sc.name+"-setup-"+name, sc.dark)
	n.checkWidth(sc.width)
	var wrong string
	n.run(chromedp.Evaluate(accessible, &wrong))
	if wrong != "" {
		n.Errorf("%s: %s", name, wrong)
	}
}

// accessible says what a page lacks: "" is nothing.
const accessible = `(() => {
	const wrong = [], all = s => [...document.querySelectorAll(s)];
	for (const e of all("input:not([type=hidden]), select")) if (!e.labels.length) wrong.push("no label: " + e.name);
	for (const e of all("button, a")) if (!e.textContent.trim()) wrong.push("no words: " + e.outerHTML);
	for (const e of all("[aria-describedby]")) if (!document.getElementById(e.getAttribute("aria-describedby"))) wrong.push("described by nothing: " + e.name);
	if (all("h1").length != 1 || all("main").length != 1 || !document.documentElement.lang || !document.title) wrong.push("want one heading, one main, a language and a title");
	if (all("main form").length && !all("[autofocus]").length && !all(".changes, .leave").length) wrong.push("nothing has the focus");
	if (all("[autofocus]").length > 1) wrong.push("two have the focus");
	if (all("[autofocus]").length && document.activeElement != all("[autofocus]")[0]) wrong.push("the focus is elsewhere");
	return wrong.join("; ");
})()`

func setupScreens() []screen {
	return []screen{
		{name: "light", width: 1200, height: 900},
		{name: "dark", dark: true, width: 1200, height: 900, noScripts: true},
		{name: "narrow", width: 390, height: 800, noScripts: true},
		{name: "narrow-dark", dark: true, width: 390, height: 800, noScripts: true},
	}
}

// TestSetUp goes the way of a new user, from the code to forwarded mail, with the
// keyboard alone; then the mailbox is tested, paused and removed.
func TestSetUp(t *testing.T) {
	for _, sc := range setupScreens() {
		t.Run(sc.name, func(t *testing.T) {
			n := newNewcomer(t, sc)
			began := time.Now()
			n.open("/")
			n.looks("1-code", sc)
			n.types(strings.ToLower(n.code) + kb.Enter)
			n.asked("Mail address of the mailbox")
			n.looks("2-form", sc)
			n.types("leo@isp.example" + kb.Tab + "me@inbox.example" + kb.Tab + kb.Tab + smtpHost + kb.Enter)
			n.asked("POP3 server")
			n.looks("3-server", sc)
			n.types(pop3Host + ":6379" + kb.Enter)
			n.answers("POP3 server", selfSigned)
			n.asked("POP3 server")
			n.says(selfSigned+":995", "not signed by a trusted authority", "sha256:", "popferry init, at a terminal, shows the fingerprint")
			n.looks("3-certificate", sc)
			n.types(pop3Host + kb.Enter)
			n.answers("Password at "+pop3Host, "wrong")
			n.asked("Try again with another")
			n.looks("4-wrong", sc)
			n.types(kb.Enter) // the first button: another password
			n.answers("Password at "+pop3Host, "secret")
			n.answers("Password at "+smtpHost, "secret")
			n.answers("Keep mail in the mailbox", "")
			n.asked("Forward all mail")
			n.types(kb.Enter)
			n.answers("Choose a password for this page", password)
			n.asked("Write them?")
			n.looks("5-write", sc)
			n.types(kb.Enter)
			n.await("the status page, by itself", func() bool {
				var title string
				n.run(chromedp.Title(&title))
				return strings.Contains(title, "All is well")
			})
			n.await("mail in the inbox", func() bool { return len(n.sink.Messages()) == 12 })
			t.Logf("from the code to mail in the inbox: %.1f s", time.Since(began).Seconds())
			n.looks("6-status", sc)
			n.mailbox(sc)
			n.mu.Lock()
			defer n.mu.Unlock()
			if len(n.problems) > 0 {
				t.Errorf("the browser reports %q, want nothing", n.problems)
			}
		})
	}
}

// says checks that the page has some words.
func (n *newcomer) says(words ...string) {
	n.Helper()
	text := n.text("main")
	for _, w := range words {
		if !strings.Contains(text, w) {
			n.Errorf("want %q in\n%s", w, text)
		}
	}
}

// TestInboxThatRewritesSenders: at a provider that makes mail from others its user's
// own, the page proposes another way before it tries a server or asks for a password.
func TestInboxThatRewritesSenders(t *testing.T) {
	for _, sc := range setupScreens() {
		t.Run(sc.name, func(t *testing.T) {
			n := newNewcomer(t, sc)
			n.exit = 1 // nothing is set up
			n.open("/")
			n.await("the focus", func() (focused bool) {
				n.run(chromedp.Evaluate(`document.activeElement.id == "code"`, &focused))
				return focused
			})
			n.types(n.code + kb.Enter)
			n.asked("Mail address of the mailbox")
			n.types("leo@isp.example" + kb.Tab + "me@gmail.com" + kb.Enter)
			n.answers("POP3 server", pop3Host)
			n.answers("Password at "+pop3Host, "secret")
			n.asked("How should mail get into this inbox?")
			n.says("The SMTP server of Gmail replaces the From address of mail from others", "IMAP puts each message into the inbox as its sender wrote it")
			n.looks("rewrites", sc)
			n.click("button[name=stop]")
			if got := n.text("[role=alert]"); got != "Stopped. Nothing was changed." {
				t.Errorf("stopped: %q", got)
			}
		})
	}
}

// mailbox uses the page of the mailbox.
func (n *newcomer) mailbox(sc screen) {
	n.Helper()
	n.logIn(password)
	n.text(".who form[action=logout]")
	n.openWith("article a.button")
	n.click("article a.button")
	n.text("button[value=test]")
	n.looks("7-mailbox", sc)
	n.click("button[value=test]")
	if got := n.text("p.said"); got != "Everything works." {
		n.Errorf("the test ends with %q, want %q", got, "Everything works.")
	}
	n.looks("8-test", sc)
	n.open("/mailbox?account=leo@isp.example")
	n.click("button[value=pause]")
	n.text("button[value=resume]")
	n.click("button[value=remove]")
	n.asked("Remove leo@isp.example")
	n.looks("9-remove", sc)
	n.types(kb.Enter) // the first button: no
	if got := n.text("[role=alert]"); !strings.Contains(got, "Nothing was changed") {
		n.Errorf("not removed: %q", got)
	}
}
