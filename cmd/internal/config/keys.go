package config

import (
	"slices"
	"time"
)

// maxParallel bounds the keys that say how much is done at once.
const maxParallel = 10_000

// maxMessages bounds how many messages a poll fetches: as many as a mailbox may list.
const maxMessages = 10_000_000

// mainKeys are the keys of the configuration file.
func (l *loader) mainKeys() keyTable {
	return append(l.settingKeys(), l.listKeys(&l.shared)...)
}

// includedKeys are the keys of an included file. Settings belong in the main
// file.
func (l *loader) includedKeys(shared *fields) keyTable {
	t := l.listKeys(shared)
	for _, e := range l.settingKeys() {
		t = append(t, key(e.name, "", func(v yamlValue) { v.fail("belongs in the main file, not in an included one") }))
	}
	return t
}

func (l *loader) settingKeys() keyTable {
	c := l.config
	if c.Shared == nil {
		c.Shared = &SharedState{}
	}
	return slices.Concat(keyTable{
		key("state", "", l.state),
		key("state_password_env", "", l.passwordEnv(&c.Shared.Password)),
		key("state_password_file", "", l.passwordFile(&c.Shared.Password)),
		key("state_password_command", "", l.passwordCommand(&c.Shared.Password)),
		key("token_key_file", "", l.secretFile(&c.Shared.TokenKeyFile)),
		key("state_create", "true", boolean(&c.StateCreate)),
		key("schedule", "@every 10m", l.schedule(&c.Schedule)),
		key("concurrency", "16", number(&c.Concurrency, 1, maxParallel)),
		key("per_host", "4", number(&c.PerHost, 1, maxParallel)),
		key("listen", "", listen(&c.Listen)),
		key("listen_tls_cert_file", "", l.file(&c.ListenTLS.CertFile)),
		key("listen_tls_key_file", "", l.secretFile(&c.ListenTLS.KeyFile)),
		group("web",
			key("password_file", "", l.passwordFile(&c.Web.Password)),
			key("hosts", "", listOf(&c.Web.Hosts, hostName)),
			key("trusted_proxies", "", listOf(&c.Web.TrustedProxies, network))),
		group("notify",
			key("to", "", addresses(&c.Notify.To)),
			key("after", "24h", duration(&c.Notify.After, 0)),
			key("forward", "", text(&c.Notify.Forward))),
		group("spool",
			key("dir", "", l.path(&c.Spool.Dir)),
			key("memory", "64MB", size(&c.Spool.Memory))),
		group("log",
			key("level", "info", level(&c.Log.Level)),
			key("format", "text", oneOf(&c.Log.Format, words("text", "json")))),
		key("include", "", l.include),
	}, l.routeKeys(&c.Route))
}

// listKeys are the keys of every file. Defaults come first, because the accounts
// need them.
func (l *loader) listKeys(shared *fields) keyTable {
	return keyTable{
		key("defaults", "", l.readDefaults(shared)),
		key("accounts", "", l.readAccounts(shared)),
		key("forward", "", l.readForward),
	}
}

// accountKeys are the keys of an account, the name first.
func (l *loader) accountKeys(a *Account) keyTable {
	return slices.Concat(keyTable{
		key("name", "", text(&a.Name)),
		key("enabled", "true", boolean(&a.Enabled)),
		key("provider", "", providerName(&a.Provider)),
		key("host", "", host(&a.Host)),
		key("port", "", number(&a.Port, 1, 65535)),
	}, l.serverKeys(&a.Server, TLSImplicit, accountAuth()), keyTable{
		key("schedule", "", l.schedule(&a.Schedule)),
		key("min_interval", "0s", duration(&a.MinInterval, 0)),
		key("leave_on_server", "true", leave(&a.Leave)),
		key("first_run", FirstRunAll, firstRun(&a.FirstRun)),
		key("max_message_size", "50MB", limit(&a.MaxSize)),
		key("max_messages", "0", number(&a.MaxMessages, 0, maxMessages)),
		key("order", OrderListed, oneOf(&a.Order, words(OrderListed, OrderNewestFirst, OrderSmallFirst))),
		key("max_listing", "1000000", number(&a.MaxListing, 1000, 10_000_000)),
		key("timeout", "60s", duration(&a.Timeout, time.Second)),
		key("forward", "", text(&a.Forward)),
		key("to", "", addresses(&a.To)),
		key("from", "", sender(&a.From)),
		key("folder", "", text(&a.Folder)),
		key("tag", TagNone, oneOf(&a.Tag, words(TagNone, TagHeader, TagPlus))),
		group("multidrop", multidropKeys(&a.Multidrop)...),
		key("filter", "", l.filter(&a.Filter)),
	})
}

// forwardKeys are the keys of a destination.
func (l *loader) forwardKeys(d *Destination) keyTable {
	return slices.Concat(keyTable{
		key("name", "", text(&d.Name)),
		key("provider", "", knownProvider(&d.Provider)),
		key("host", "", hostOrSocket(&d.Host)),
		key("port", "", number(&d.Port, 1, 65535)),
		key("protocol", ProtocolSMTP, oneOf(&d.Protocol, words(ProtocolSMTP, ProtocolLMTP, ProtocolIMAP, ProtocolMaildir))),
		key("path", "", l.path(&d.Path)),
	}, l.serverKeys(&d.Server, "", forwardAuth()), keyTable{ // tls follows protocol
		key("helo", "", host(&d.Helo)),
		key("from", "", sender(&d.From)),
		key("to", "", addresses(&d.To)),
		key("x_forwarded_to", "false", boolean(&d.XForwardedTo)),
		key("folder", "", text(&d.Folder)),
		key("create_folder", "false", boolean(&d.CreateFolder)),
		key("spam_folder", "", text(&d.SpamFolder)),
		key("connections", "4", number(&d.Connections, 1, maxParallel)),
		key("in_flight", "32", number(&d.InFlight, 1, maxParallel)),
		key("rate", "", listOf(&d.Rate, parseRate)),
		key("on_reject", RejectHold, oneOf(&d.OnReject, words(RejectHold, RejectWrap, RejectQuarantine))),
		key("quarantine_dir", "", l.path(&d.QuarantineDir)),
		key("timeout", "5m", duration(&d.Timeout, time.Second)),
	})
}

// serverKeys are the keys that accounts and destinations have in common.
func (l *loader) serverKeys(s *Server, mode string, auth choices) keyTable {
	return slices.Concat(keyTable{
		key("tls", mode, oneOf(&s.TLS.Mode, words(TLSImplicit, TLSStart, TLSNone))),
		key("tls_ca_file", "", l.file(&s.TLS.CAFile)),
		key("tls_pin", "", pin(&s.TLS.Pin)),
		key("tls_server_name", "", host(&s.TLS.ServerName)),
		key("tls_min", "1.2", oneOf(&s.TLS.Min, words("1.0", "1.1", "1.2", "1.3"))),
		key("tls_ciphers", CiphersDefault, oneOf(&s.TLS.Ciphers, words(CiphersDefault, CiphersLegacy))),
		key("tls_cert_file", "", l.file(&s.TLS.CertFile)),
		key("tls_key_file", "", l.secretFile(&s.TLS.KeyFile)),
		key("username", "", text(&s.Username)),
		key("password", "", l.password(&s.Secret)),
		key("password_env", "", l.passwordEnv(&s.Secret)),
		key("password_file", "", l.passwordFile(&s.Secret)),
		key("password_command", "", l.passwordCommand(&s.Secret)),
		key("token_command", "", l.tokenCommand(s)),
		group("oauth2", l.oauth2Keys(s)...),
		key("auth", "auto", oneOf(&s.Auth, auth)),
	}, l.routeKeys(&s.Route))
}

// tokenKeys are the keys that give an OAuth2 access token.
func tokenKeys() []string { return []string{"token_command", "oauth2"} }

// secretKeys are the keys that give a password or a token; only one may be set.
func secretKeys() []string {
	return append([]string{"password", "password_env", "password_file", "password_command"}, tokenKeys()...)
}
