package demo

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

const (
	password = "demo"
	// The SMTP server refuses mail from refusedSender, and mail from busySender
	// at the first attempt.
	refusedSender = "prize@lottery.example"
	busySender    = "board@club.example"
)

// World is the two servers, and a configuration of popferry for them.
type World struct {
	Config string // path of popferry.yaml
	Folder string // of the configuration and the ledger
	pop    *pop3test.Server
	smtp   *smtptest.Server

	mu      sync.Mutex
	senders map[int]string    // of the current transaction, by connection
	busy    bool              // busySender has not been refused yet
	sent    map[string][]byte // original messages by Message-ID
	extra   int
}

// Start starts a world in a temporary folder. Close removes it.
func Start() (*World, error) {
	w := &World{senders: make(map[int]string), busy: true, sent: make(map[string][]byte)}
	var err error
	if w.Folder, err = os.MkdirTemp("", "popferry-demo-"); err != nil {
		return nil, err
	}
	w.pop = pop3test.NewServer(pop3test.Options{Users: map[string]string{"isp": password, "work": password, "club": password}, Lock: true})
	if err = w.pop.Start(); err != nil {
		_ = w.Close()
		return nil, err
	}
	if w.smtp, err = smtptest.Start(smtptest.Options{UTF8: true, Fault: w.fault}); err != nil {
		_ = w.Close()
		return nil, err
	}
	for i, m := range messages() {
		w.put(m, i)
	}
	if err := w.configure(); err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// Close stops the servers and removes the folder.
func (w *World) Close() error {
	_ = w.pop.Close()
	if w.smtp != nil {
		_ = w.smtp.Close()
	}
	return os.RemoveAll(w.Folder)
}

// POP3 is the address of the POP3 server.
func (w *World) POP3() string { return w.pop.Addr() }

// SMTP is the address of the SMTP server.
func (w *World) SMTP() string { return w.smtp.Addr().String() }

// fault refuses the mail of the two senders.
func (w *World) fault(e smtptest.Event) smtptest.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Stage {
	case forwarder.StageMail:
		w.senders[e.Connection] = e.Address
	case forwarder.StageDot:
		switch sender := w.senders[e.Connection]; {
		case sender == refusedSender:
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "this looks like spam"}
		case sender == busySender && w.busy:
			w.busy = false
			return smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 7, 1}, Text: "greylisted, try again later"}
		}
	}
	return smtptest.Fault{}
}

// configure writes popferry.yaml.
func (w *World) configure() error {
	popHost, popPort, err := net.SplitHostPort(w.POP3())
	if err != nil {
		return err
	}
	smtpHost, smtpPort, err := net.SplitHostPort(w.SMTP())
	if err != nil {
		return err
	}
	text := "state: popferry.db\nschedule: \"@every 5s\"\nlog: {level: warn}\naccounts:\n"
	for _, a := range []struct{ name, leave string }{{"isp", "false"}, {"work", "true"}, {"club", "14d"}} {
		text += fmt.Sprintf("  - {name: %[1]s, host: %[2]s, port: %[3]s, tls: none,\n     username: %[1]s, password: %[4]s, leave_on_server: %[5]s}\n", a.name, popHost, popPort, password, a.leave)
	}
	text += fmt.Sprintf("forward:\n  - {name: inbox, host: %s, port: %s, tls: none,\n     from: original, to: [me@inbox.example]}\n", smtpHost, smtpPort)
	w.Config = filepath.Join(w.Folder, "popferry.yaml")
	return os.WriteFile(w.Config, []byte(text), 0o600)
}
