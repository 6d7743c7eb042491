package legacy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/popferry/popferry/cmd/internal/config"
)

// gatherDestinations collects the servers that mail went to, each once. Mail that
// was delivered in another way shares one destination, which the user has to
// fill in.
func (w *drafter) gatherDestinations() {
	for i := range w.setup.Accounts {
		d := &w.setup.Accounts[i].Delivery
		at := w.destinationOf(*d)
		if at < 0 {
			w.destinations = append(w.destinations, *d)
		} else if w.destinations[at].To != d.To {
			w.destinations[at].To = "" // the accounts differ
		}
	}
}

// destinationOf returns the index of a delivery's server, or -1.
func (w *drafter) destinationOf(d Delivery) int {
	return slices.IndexFunc(w.destinations, func(o Delivery) bool {
		o.To = d.To
		return o == d
	})
}

func (w *drafter) destinationName(i int) string {
	if i == 0 {
		return "main"
	}
	return "main-" + strconv.Itoa(i+1)
}

// delivery returns an account's keys for its destination: none if that is the
// first one with the same recipients.
func (w *drafter) delivery(d Delivery) (out config.Section) {
	at := w.destinationOf(d)
	if at > 0 {
		out = append(out, config.Pair{Key: "forward", Value: w.destinationName(at)})
	}
	if d.To != "" && w.destinations[at].To != d.To {
		out = append(out, config.Pair{Key: "to", Value: []string{d.To}})
	}
	return out
}

// destination returns the section of a destination.
func (w *drafter) destination(i int) config.Section {
	d, name := w.destinations[i], w.destinationName(i)
	to := w.choice.To
	if len(to) == 0 && d.To != "" {
		to = []string{d.To}
	}
	out := config.Section{{Key: "name", Value: name}}
	if s := w.choice.Server; s.Host != "" {
		out = append(out, s.section()...)
	} else if d.Maildir != "" {
		return append(out, maildirSection(d.Maildir)...)
	} else if d.Gmail {
		return append(out, config.Pair{Key: "provider", Value: "gmail"}, config.Pair{Key: "protocol", Value: config.ProtocolIMAP},
			config.Pair{Key: "username", Value: "", Comment: "to be filled in: the address of the inbox"}, w.secret(name, ""))
	} else if d.Host == "" {
		out = append(out, config.Pair{Key: "host", Value: "", Comment: "to be filled in: the server that accepts the mail, and how to log in there"})
	} else {
		out = append(out, w.server(d, name)...)
	}
	if len(to) > 0 {
		return append(out, config.Pair{Key: "to", Value: to})
	}
	if w.someAccountLacksTo(i) {
		out = append(out, config.Pair{Key: "to", Value: []string{}, Comment: "to be filled in: the address of the inbox that receives the mail"})
	}
	return out
}

func (w *drafter) someAccountLacksTo(i int) bool {
	return slices.ContainsFunc(w.setup.Accounts, func(a Account) bool {
		return a.Delivery.To == "" && a.Multidrop == nil && w.destinationOf(a.Delivery) == i
	})
}

// server returns the keys of the server that mail went to before.
func (w *drafter) server(d Delivery, name string) config.Section {
	out := config.Section{{Key: "host", Value: d.Host}}
	if d.Port != 0 {
		out = append(out, config.Pair{Key: "port", Value: d.Port})
	}
	if d.LMTP {
		out = append(out, config.Pair{Key: "protocol", Value: config.ProtocolLMTP})
	}
	mode, here := tlsOf(d.Host, d.Port)
	if mode != "" {
		out = append(out, config.Pair{Key: "tls", Value: mode})
	}
	if d.Username != "" {
		out = append(out, config.Pair{Key: "username", Value: d.Username}, w.secret(name, d.Password))
	}
	out = append(out, Route{Command: d.Command}.section()...)
	if here && !d.LMTP {
		out = append(out, config.Pair{Key: "from", Value: config.SenderOriginal})
	}
	return out
}

// tlsOf returns the TLS mode for a server, and whether it is on this machine: only
// there mail may go unencrypted. The mode is "" for a socket.
func tlsOf(host string, port int) (mode string, here bool) {
	switch {
	case strings.HasPrefix(host, "unix:"):
		return "", true
	case onThisMachine(host):
		return config.TLSNone, true
	case port == 465: // RFC 8314 3.3
		return config.TLSImplicit, false
	}
	return config.TLSStart, false
}

func (s Server) section() config.Section {
	out := config.Section{{Key: "host", Value: s.Host}}
	mode, _ := tlsOf(s.Host, s.Port)
	if s.Port != 0 {
		out = append(out, config.Pair{Key: "port", Value: s.Port})
	}
	if mode != "" {
		out = append(out, config.Pair{Key: "tls", Value: mode})
	} else {
		out = append(out, config.Pair{Key: "protocol", Value: config.ProtocolLMTP})
	}
	if s.Username != "" {
		out = append(out, config.Pair{Key: "username", Value: s.Username}, config.Pair{Key: "password_file", Value: s.PasswordFile})
	}
	return out
}
