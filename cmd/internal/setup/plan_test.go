package setup

import (
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/discover"
)

// answers are those for a mailbox of leo's and an inbox of his.
func answers() Answers {
	leo := discover.Address{Full: "leo@isp.test", Local: "leo", Domain: "isp.test"}
	return Answers{
		Target: Target{Config: "etc/popferry.yaml", Folder: "etc/accounts.d"},
		Name:   "isp/leo",
		Mailbox: Endpoint{
			Protocol: discover.POP3, Address: leo, Username: "leo", Secret: config.NewSecret("s3cret"),
			Server: discover.Server{Host: "pop.isp.test", Port: 995, TLS: dial.Implicit},
		},
		Inbox: Endpoint{
			Protocol: discover.Submission, Address: leo, Username: "leo@isp.test", Secret: config.NewSecret("s3nd"),
			Server: discover.Server{Host: "smtp.isp.test", Port: 587, TLS: dial.StartTLS},
		},
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	const mailbox = `
accounts:
  - name: isp/leo
    host: pop.isp.test
    port: 995
    tls: implicit
    username: leo
    password_file: isp_leo.password
`
	const keep = " # true: keep mail there, false: delete it once forwarded, 14d: delete it 14 days later\n"
	const inbox = `
include: [accounts.d/*.yaml]
forward:
  - name: inbox
    host: smtp.isp.test
    port: 587
    tls: starttls
`
	for name, tt := range map[string]struct {
		change func(*Answers)
		want   []string // "PATH: text below the comment", passwords as PATH: ***
	}{
		"a new configuration": {func(*Answers) {}, []string{
			"etc/accounts.d/isp_leo.password: ***",
			"etc/accounts.d/isp_leo.yaml: " + mailbox + "    leave_on_server: true" + keep,
			"etc/inbox.password: ***",
			"etc/popferry.yaml: " + inbox + "    username: leo@isp.test\n    password_file: inbox.password\n    to: [leo@isp.test]\n",
		}},
		"what is not the default": {func(a *Answers) {
			a.Mailbox.Provider, a.Leave, a.FirstRun, a.From, a.CAFile = "gmx", "36h", config.FirstRunNew, "<>", "/ca.pem"
			a.Inbox.Secret = config.Secret{}
		}, []string{
			"etc/accounts.d/isp_leo.password: ***",
			"etc/accounts.d/isp_leo.yaml: " + strings.NewReplacer("leo\n    host", "leo\n    provider: gmx\n    host", "implicit\n", "implicit\n    tls_ca_file: /ca.pem\n").Replace(mailbox) +
				"    leave_on_server: 36h" + keep + "    first_run: new\n",
			"etc/popferry.yaml: " + inbox + "    tls_ca_file: /ca.pem\n    from: <>\n    to: [leo@isp.test]\n",
		}},
		"LMTP at a socket": {func(a *Answers) {
			a.Leave = "false"
			a.Inbox = Endpoint{Protocol: discover.LMTP, Address: a.Inbox.Address, Server: discover.Server{Host: "unix:/run/lmtp"}}
		}, []string{
			"etc/accounts.d/isp_leo.password: ***",
			"etc/accounts.d/isp_leo.yaml: " + mailbox + "    leave_on_server: false" + keep,
			"etc/popferry.yaml: \ninclude: [accounts.d/*.yaml]\nforward:\n  - name: inbox\n    host: unix:/run/lmtp\n    protocol: lmtp\n    to: [leo@isp.test]\n",
		}},
		"clients with secrets": {func(a *Answers) {
			a.Mailbox.SignIn = &SignIn{Keys: config.Section{{Key: "provider", Value: "google"}}, Client: config.NewSecret("s3cret")}
			a.Inbox.SignIn = &SignIn{Keys: config.Section{{Key: "client_id", Value: "x"}}, Client: config.NewSecret("s3cret")}
		}, []string{
			"etc/accounts.d/isp_leo.client.password: ***",
			"etc/accounts.d/isp_leo.yaml: " + strings.Replace(mailbox, "password_file: isp_leo.password", "oauth2:\n      provider: google\n      client_secret_file: isp_leo.client.password", 1) + "    leave_on_server: true" + keep,
			"etc/inbox.client.password: ***",
			"etc/popferry.yaml: " + inbox + "    username: leo@isp.test\n    oauth2:\n      client_id: x\n      client_secret_file: inbox.client.password\n    to: [leo@isp.test]\n",
		}},
		"one more account": {func(a *Answers) {
			a.Target.Existing = &config.Config{}
			a.Leave, a.FirstRun, a.Forward, a.To, a.From = "2w", config.FirstRunAll, "main", "me@isp.test", "me@isp.test"
		}, []string{
			"etc/accounts.d/isp_leo.password: ***",
			"etc/accounts.d/isp_leo.yaml: " + mailbox + "    leave_on_server: 2w" + keep + "    first_run: all\n    forward: main\n    to: me@isp.test\n    from: me@isp.test\n",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := answers()
			tt.change(&a)
			files, err := Plan(a, time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				text := f.Password.String()
				if f.Text != nil {
					head, below, _ := strings.Cut(string(f.Text), "\n\n")
					if !strings.HasPrefix(head, "# Written by popferry init on 2026-11-26.") {
						t.Errorf("%s begins with %q, want who wrote it and when", f.Path, head)
					}
					text = "\n" + below
				}
				got = append(got, f.Path+": "+text)
			}
			if got, want := strings.Join(got, "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("files:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
