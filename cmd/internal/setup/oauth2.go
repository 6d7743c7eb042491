package setup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/signin"
)

// SignIn is a sign-in by OAuth2, and how the configuration has it.
type SignIn struct {
	Keys   config.Section // of oauth2
	Client config.Secret  // of the client, to be kept in a file of its own; zero: it has none, or Keys have its file
	client oauth.Client
	given  oauth.SignIn
}

// oauth2Keys are the keys that --oauth2 can set.
var oauth2Keys = []string{"provider", "client_id", "client_secret_file", "tenant", "auth_url", "token_url", "device_url", "scopes"}

// parseOAuth2 reads KEY=VALUE,KEY=VALUE. Scopes have a space between two.
func parseOAuth2(text string) (o config.OAuth2, keys config.Section, err error) {
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !slices.Contains(oauth2Keys, key) || value == "" {
			return o, nil, fmt.Errorf("%q is not one of %s, followed by = and its value", key, strings.Join(oauth2Keys, ", "))
		}
		if keys, err = setOAuth2(&o, keys, key, value); err != nil {
			return o, nil, err
		}
	}
	if o.ClientID == "" || o.Provider == "" && o.TokenURL == "" {
		return o, nil, errors.New("client_id is required, and provider or token_url")
	}
	return o, keys, nil
}

// setOAuth2 sets one key.
func setOAuth2(o *config.OAuth2, keys config.Section, key, value string) (config.Section, error) {
	if strings.HasSuffix(key, "_url") || key == "provider" && strings.Contains(value, "://") {
		if wrong := oauth.CheckURL(value); wrong != "" {
			return nil, fmt.Errorf("%s %s", key, wrong)
		}
	}
	var shown any = value
	switch key {
	case "provider":
		o.Provider = value
	case "client_id":
		o.ClientID = value
	case "client_secret_file":
		secret, err := readPassword(value)
		if err != nil {
			return nil, err
		}
		if shown, err = filepath.Abs(value); err != nil { // the configuration is in another folder
			return nil, err
		}
		o.ClientSecret = secret
	case "tenant":
		o.Tenant = value
	case "auth_url":
		o.AuthURL = value
	case "token_url":
		o.TokenURL = value
	case "device_url":
		o.DeviceURL = value
	case "scopes":
		o.Scopes = strings.Fields(value)
		shown = o.Scopes
	}
	return append(keys, config.Pair{Key: key, Value: shown}), nil
}

// signsIn reports whether an endpoint is logged in to by OAuth2.
func (x *endpoint) signsIn() bool { return x.given.OAuth2 != "" || x.tokenOnly }

// mayLackPassword reports whether a server that takes no passwords can be used.
func (x *endpoint) mayLackPassword(c discover.Candidate) bool {
	return x.given.OAuth2 != "" || x.Interactive() && oauthProvider(c.Host) != ""
}

// oauthProvider is who signs users in to a mail server; "" if that is not known.
func oauthProvider(host string) string {
	switch {
	case strings.HasSuffix(host, ".office365.com"), strings.HasSuffix(host, ".outlook.com"):
		return oauth.Microsoft
	case strings.HasSuffix(host, ".gmail.com"):
		return oauth.Google
	}
	return ""
}

// signIn has the user sign in by OAuth2.
func (x *endpoint) signIn(ctx context.Context) error {
	given, secret := x.given.OAuth2, config.Secret{}
	for {
		if given == "" {
			var err error
			if given, secret, err = x.askClient(ctx); err != nil {
				return err
			}
		}
		err := x.signInWith(ctx, given, secret)
		if _, ok := errors.AsType[*oauth.Error](err); !ok || !x.Interactive() || ctx.Err() != nil {
			return err
		}
		x.Failed("%s", cause.Line("signing in", err))
		given = ""
	}
}

// signInWith signs in as the client that these keys describe. Its secret is zero if it
// has none, or the keys name its file.
func (x *endpoint) signInWith(ctx context.Context, text string, secret config.Secret) error {
	o, keys, err := parseOAuth2(text)
	if err != nil {
		return err
	}
	if !secret.IsZero() {
		o.ClientSecret = secret
	}
	protocol := "pop3"
	switch x.protocol {
	case discover.IMAP:
		protocol = config.ProtocolIMAP
	case discover.Submission, discover.LMTP:
		protocol = config.ProtocolSMTP
	case discover.POP3:
	}
	o.Complete(protocol)
	server := config.Server{Username: x.firstUsername(), OAuth2: &o}
	c := app.OAuthClient(server)
	got, err := signin.Ask(ctx, x, c, signin.Auto, x.remote)
	if err != nil {
		return err
	}
	x.OK("signed in as %s", c.User)
	signin.Warn(x, got)
	x.login = &SignIn{keys, secret, c, got}
	x.secret = config.NewSecret(got.Access())
	return nil
}

// registration says why a registration is needed, where it is made, and what the
// shorter way is.
const registration = "  ! %[1]s: passwords do not work there, only signing in by OAuth2 with a program that is registered with %[2]s. " +
	"popferry brings no registration of its own, because everybody who has the program would have that, too; you make one in your own name, once. " +
	"popferry help oauth2 says step by step where and how, and the result is a client id."

// forwarding is the shorter way for users of Outlook.com.
const forwarding = "    The shorter way is to have Outlook.com forward your mail: Settings > Mail > Forwarding and IMAP, at https://outlook.live.com/mail/0/options/mail/forwarding"

// askClient asks for the client at a provider that takes no passwords. On a page no
// file is read: its secret is typed in there.
func (x *endpoint) askClient(ctx context.Context) (keys string, secret config.Secret, err error) {
	name := oauthProvider(x.server.Host)
	title, company := x.server.Host, map[string]string{oauth.Microsoft: "Microsoft", oauth.Google: "Google"}[name]
	personal := x.provider != nil && x.provider.Name == "outlook"
	if x.provider != nil {
		title = x.provider.Title
	}
	x.Say(registration, title, company)
	if personal && x.protocol == discover.POP3 {
		x.Say(forwarding)
	}
	id, err := x.askClientID(ctx)
	if err != nil {
		return "", secret, err
	}
	keys = "provider=" + name + ",client_id=" + id
	switch {
	case personal:
		keys += ",tenant=consumers"
	case name == oauth.Google && x.page != nil:
		text, err := x.Secret(ctx, "Client secret (not shown; empty: it has none)")
		if text = strings.TrimSpace(text); text != "" {
			secret = config.NewSecret(text)
		}
		return keys, secret, err
	case name == oauth.Google:
		file, err := x.Ask(ctx, "File with the client's secret (empty: it has none)", "")
		if file != "" {
			keys += ",client_secret_file=" + file
		}
		return keys, secret, err
	}
	return keys, secret, nil
}

// askClientID asks for the id of a client until it has one that cannot be taken for
// other keys.
func (x *endpoint) askClientID(ctx context.Context) (string, error) {
	for {
		id, err := x.Ask(ctx, "Client id (empty: stop here)", "")
		switch {
		case err != nil:
			return "", err
		case id == "":
			return "", ErrStopped
		case !strings.ContainsAny(id, ",= "):
			return id, nil
		}
		x.Say("  %q is not a client id: it has no comma, space or equals sign.", id)
	}
}

// keep writes the sign-ins into the ledger of the configuration that was written.
func (s *setup) keep(ctx context.Context, cfg *config.Config, list ...*SignIn) (err error) {
	list = slices.DeleteFunc(list, func(l *SignIn) bool { return l == nil })
	if len(list) == 0 {
		return nil
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, l := range list {
		if err := new(oauth.Tokens).Keep(ctx, app.TokenStore{Store: store}, l.client, l.given); err != nil {
			return cause.Explain("state", err)
		}
	}
	return nil
}
