package legacy

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
)

// inboxbridgePlaces returns where the settings of InboxBridge are: beside its
// docker-compose.yml, which is anywhere.
func (r *reader) inboxbridgePlaces() []string { return []string{".env"} }

// bridgeKey matches a setting of an account.
var bridgeKey = regexp.MustCompile(`^MAIL_ACCOUNT_([0-9]{1,9})__([A-Z_]+)$`)

// inboxbridge reads the accounts in a file of variables. What was fetched, and accounts
// that were added on its page, are in InboxBridge's database.
func (r *reader) inboxbridge(path, text string) error {
	accounts, common := parseEnv(path, text)
	for _, n := range slices.Sorted(maps.Keys(accounts)) {
		before, account := len(r.setup.Remarks), -1
		if a, ok := r.bridgeAccount(accounts[n]); ok {
			account = len(r.setup.Accounts)
			r.setup.Accounts = append(r.setup.Accounts, a)
		}
		r.setup.assign(before, account)
	}
	every := strings.ToLower(strings.TrimPrefix(common["POLL_INTERVAL"].text, "PT")) // 5m or PT5M
	if d, err := time.ParseDuration(every); err == nil && d > 0 && d <= maxWait {
		r.setup.Schedule = d
	}
	before := len(r.setup.Remarks)
	r.setup.remark(Place{File: path}, "accounts that were added on InboxBridge's page, and its record of what it has fetched, are in its database, which is not read: add them with popferry init")
	r.setup.assign(before, -1)
	return nil
}

// parseEnv reads lines of NAME=VALUE: those of accounts by their number, and the others.
func parseEnv(path, text string) (accounts map[int]map[string]iniValue, common map[string]iniValue) {
	accounts, common = make(map[int]map[string]iniValue), make(map[string]iniValue)
	n := 0
	for line := range strings.Lines(text) {
		n++
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		v := iniValue{Place{path, n}, value}
		m := bridgeKey.FindStringSubmatch(name)
		if m == nil {
			common[name] = v
			continue
		}
		number, _ := strconv.Atoi(m[1])
		if accounts[number] == nil {
			accounts[number] = make(map[string]iniValue)
		}
		accounts[number][m[2]] = v
	}
	return accounts, common
}

// bridgeAccount is one account; not ok if it is not a POP3 mailbox.
func (r *reader) bridgeAccount(of map[string]iniValue) (a Account, ok bool) {
	text := func(key string) string { return of[key].text }
	a = Account{
		Place:    cmp.Or(of["HOST"], of["PROTOCOL"]).Place,
		Name:     text("ID"),
		Disabled: text("ENABLED") == "false",
		Host:     text("HOST"),
		Username: text("USERNAME"),
		Password: Secret(text("PASSWORD")),
		Leave:    Leave{Keep: true},
		Folder:   text("CUSTOM_LABEL"),
		Delivery: Delivery{Gmail: true},
	}
	a.Port, _ = strconv.Atoi(text("PORT"))
	switch {
	case a.Host == "":
		return a, false
	case !strings.EqualFold(text("PROTOCOL"), "POP3"):
		r.setup.remark(a.Place, "%s at %s uses IMAP, but popferry supports only POP3; set up the server's POP3 access in popferry, or keep InboxBridge for this account", a.Username, a.Host)
		return a, false
	}
	const plainPort = 110
	switch tls := text("TLS") != "false"; {
	case tls && a.Port != plainPort:
		a.TLS.Mode = config.TLSImplicit
	case !tls && a.clear():
		a.TLS.Mode = config.TLSNone
	default:
		a.TLS.Mode = config.TLSStart
	}
	switch {
	case strings.EqualFold(text("AUTH_METHOD"), "OAUTH2"):
		a.Password = ""
		r.setup.todo(a.Place, "%s at %s signs in by OAuth2: set oauth2 instead of password_file, and run popferry login (popferry help oauth2)", a.Username, a.Host)
	case a.Password == "":
		r.setup.todo(a.Place, "%s at %s has no password here; write it to the password_file", a.Username, a.Host)
	}
	r.setup.remarkOnce(a.Place, "InboxBridge imports by the Gmail API; popferry puts mail into Gmail by IMAP, with an app password or oauth2 (popferry help destinations)")
	return a, true
}
