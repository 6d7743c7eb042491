package cause

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/filter"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/seal"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
)

// entry is a cause and the errors that it matches.
type entry struct {
	Cause
	matches func(error) bool
}

// other is for errors that are not in the catalogue.
var other = Cause{"other", "unexpected error", "popferry keeps the mail and tries again. If this continues, please report it and include this line."}

// keptRemedy is for errors that say what to do themselves.
const keptRemedy = "Nothing is lost: the mail stays on the POP3 server."

// catalogue lists the causes. The first one that matches counts.
var catalogue = []entry{
	// Not failures.
	{Cause{"stopped", "stopped early", "The next poll fetches the rest."}, is(fetcher.ErrStopped, fetcher.ErrYielded, context.Canceled)},
	{Cause{"before_first_run", "skipped", ""}, is(fetcher.ErrBeforeFirstRun, fetcher.ErrTooOld)},
	{Cause{"adopted", "skipped", ""}, is(fetcher.ErrAdopted)},
	{Cause{"too_large", "too large", "Raise max_message_size, or use popferry retry to forward only this message."}, as[*fetcher.TooLargeError]},
	{Cause{ledger.CauseImported, "skipped", "To forward it anyway, use popferry retry."}, never},
	{Cause{ledger.CauseSkipped, "skipped", "To forward it after all, use popferry retry."}, never},

	// Of popferry show.
	{Cause{"not_listed", "the message cannot be shown", "popferry messages shows its state."}, is(mailbox.ErrNotListed)},
	{Cause{"another_message", "the message cannot be shown", "The next poll fetches the message that has its UID now."}, is(mailbox.ErrAnother)},
	{Cause{"look_hides", "popferry does not fetch this message just to show it", "Read it on the provider's website, or have popferry forward it."}, is(mailbox.ErrLookHides)},
	{Cause{"shown_part", "the message is incomplete", "Nothing was changed. Try again."}, is(mailbox.ErrPart)},

	// A destination that is a folder. Its errors contain their remedy.
	{Cause{"folder_missing", "the destination's folder is not there", keptRemedy}, both(folder, is(fs.ErrNotExist))},
	{Cause{"folder_access", "popferry may not write to the destination's folder", keptRemedy}, both(folder, is(fs.ErrPermission, syscall.EROFS))},
	{Cause{"folder_full", "the disk of the destination's folder is full", "popferry then delivers by itself. " + keptRemedy}, both(as[*maildir.Error], answered(forwarder.Outcome.NoRoom))},
	{Cause{"folder", "the destination's folder cannot be used", keptRemedy}, folder},

	// An account's filter. No message is marked for it.
	{Cause{ledger.CauseFiltered, "skipped", "To forward it after all, use popferry retry."}, as[*fetcher.DroppedError]},
	{Cause{"filter_missing", "the filter of the account cannot be started", "Check filter: the program needs its path, or to be on the PATH of popferry, and has to be executable. " + keptRemedy}, filterFault(filter.Missing)},
	{Cause{"filter_late", "the filter of the account takes too long", "Run it by hand with a message on its standard input; give it a time limit of its own that is shorter. " + keptRemedy}, filterFault(filter.Late)},
	{Cause{"filter_floods", "the filter of the account prints too much", "It may print only X-Popferry-Folder and X-Popferry-To lines: have it report by its exit code, or send its output to /dev/null. " + keptRemedy}, filterFault(filter.Floods)},
	{Cause{"filter_answer", "what the filter of the account prints is no answer", "It may print only X-Popferry-Folder and X-Popferry-To lines: have it report by its exit code, or send its output to /dev/null. " + keptRemedy}, filterFault(filter.Unclear)},
	{Cause{"filter", "the filter of the account failed", "Its exit code has to be 0 (send the message) or 99 (drop it). " + keptRemedy}, filterFault(filter.Died)},

	// popferry itself. The errors of the ledger contain their remedy.
	{Cause{"ledger", "the ledger failed", ""}, ledger.Failed},
	{Cause{"ledger_sealed", "the sign-in cannot be read or written in the ledger's database", ""}, as[*seal.Error]},
	{Cause{"bug", "popferry has a bug", "Nothing was deleted. Please report it and include the log."}, as[*fetcher.PanicError]},
	{Cause{"quarantine", "cannot write a refused message to the quarantine", ""}, quarantined},
	{Cause{"copies_stranded", "mail that was not delivered, and that only popferry has, is not sent", "Put the account into the configuration, enabled, and popferry delivers it. Otherwise give it up with popferry forget ACCOUNT."}, as[*copies.StrandedError]},
	{Cause{"copies_orphaned", "the ledger does not know some of the retained copies", "popferry may have ended before it had written to the ledger, or the ledger is an older one, so it is not known whether they were delivered. Each file is one message: look at it, put it into your mailbox if it is missing there, and remove the file. One whose name ends in .tmp may be only the beginning of a message."}, as[*copies.OrphansError]},
	{Cause{"copies_full", "the disk with the retained copies is full", "Free some space there. The copies are beside the ledger and move only with it (state); spool.dir does not matter. Nothing was deleted."}, both(as[*retained.Error], is(syscall.ENOSPC, syscall.EDQUOT))},
	{Cause{"copy_name", "the ledger names as the copy of a message what popferry never wrote", "Somebody or something has changed the ledger: restore it from a backup. The file that it names was neither read nor removed, and nothing was deleted."}, as[*ledger.CopyNameError]},
	{Cause{"copies", "the copy of a message that its server gives only once cannot be kept or read", "Check that popferry may read and write the folder with the copies, beside the ledger. Nothing was deleted."}, as[*retained.Error]},
	{Cause{"disk_full", "the disk is full", "Free some space, or set spool.dir to a folder with enough of it. Nothing was deleted."}, is(syscall.ENOSPC, syscall.EDQUOT)},
	{Cause{"spool", "cannot store a message while it is being forwarded", "Set spool.dir to a folder that popferry can write to."}, as[*spool.Error]},
	{Cause{"ledger_missing", "the ledger is missing", "Restore it (is the volume mounted?). To start over with an empty one, set state_create: true; mail that is still on the servers is then forwarded again."}, is(ledger.ErrMissing)},
	{Cause{"ledger_log", "the ledger is missing, but its log is there", "The log may hold the last entries. Restore the ledger beside it (is the volume mounted?). To start over with an empty one, move the log away; mail that is still on the servers is then forwarded again."}, is(ledger.ErrLogLeft)},
	{Cause{"ledger_moved", "the ledger has moved", "Nothing was sent or deleted."}, as[*ledger.MovedError]},
	{Cause{"ledger_older", "the ledger is of an older popferry", "If popferry runs as a service, restart that; else poll once: popferry run --once. Either brings the tables up to date."}, as[*ledger.OlderError]},
	{Cause{"ledger_empty", "the ledger is an empty file", "It may be what a crash or a failed copy has left. Restore it from a backup. To start over without one, remove the file, with state_create: true; mail that is still on the servers is then forwarded again."}, is(ledger.ErrEmpty)},
	{Cause{"ledger_network", "the ledger is on a network file system", "Set state to a path on a local disk, where locks and syncs are reliable."}, is(ledger.ErrNetworkFS)},
	{Cause{"ledger_newer", "the ledger was written by a newer popferry", "Run that version, or restore an older ledger."}, is(ledger.ErrNewer)},
	{Cause{"identity", "the account's host or user name was changed", "Nothing is forwarded until you decide: if it is the same mailbox, popferry adopt ACCOUNT treats the mail on the server as seen; if it is another, popferry resend ACCOUNT treats it as new."}, is(fetcher.ErrMoved)},
	{Cause{"reassigned", "the account's history belongs to another mailbox now", "Reload this popferry (HUP) or restart it: another configuration on this ledger, or popferry rename, has changed the account since it started."}, as[*fetcher.ReassignedError]},
	{Cause{"leased", "another process is polling this account", ""}, is(ledger.ErrLeased)},

	// Proxies, and servers behind them. None of this is about a mailbox's password.
	{Cause{"proxy_name", "the proxy was not found", "Check the host in proxy, and that DNS works on this machine."}, proxied(dial.ProxyName)},
	{Cause{"proxy_connect", "cannot connect to the proxy", "Check host and port in proxy, and that the proxy is up. This says nothing about the server."}, proxied(dial.ProxyConnect)},
	{Cause{"proxy_secret", "cannot get the password for the proxy", "Check proxy_password_file, proxy_password_env or proxy_password_command, and that the user that popferry runs as may read it."}, proxied(dial.ProxySecret)},
	{Cause{"proxy_wants_login", "the proxy wants a login", "Put a user into proxy, as in socks5://USER@HOST:PORT, and set proxy_password_file."}, proxied(dial.ProxyWantsLogin)},
	{Cause{"proxy_login", "the proxy refused the login", "Check the user in proxy, and proxy_password_file. This says nothing about the mailbox's password."}, proxied(dial.ProxyLogin)},
	{Cause{"proxy_refuses", "the proxy does not allow this connection", "The proxy's administrator has to allow the server and its port: many HTTP proxies allow only 443."}, proxied(dial.ProxyRefuses)},
	{Cause{"proxy_no_answer", "the proxy gave no answer", "Check that proxy names a proxy of this kind, that it is up, and that it lets this machine in. It may also have waited for the server in vain: check host and port."}, proxied(dial.ProxyNoAnswer)},
	{Cause{"proxy_protocol", "this is not a proxy of this kind", "Check host and port in proxy, and whether it is socks5:// or http://."}, proxied(dial.ProxyProtocol)},
	{Cause{"proxy_command", "the command in proxy made no connection", "Run it in a terminal as the user that popferry runs as, with the server's host and port for %h and %p: it should show the server's greeting. It must not ask anything."}, proxied(dial.ProxyCommand)},
	{Cause{"proxy_no_server", "the proxy cannot reach the server", "The proxy itself works. Check host and port, and whether a firewall is in the way of the proxy."}, proxied(dial.ProxyNoServer)},
	{Cause{"bind", "this machine does not have the address in bind", "Set bind to an address that this machine has now (ip address shows them), or remove it."}, dial.IsBindError},
	{Cause{"family", "the host has no address that may be used", "Set family: any, or remove bind: they allow only addresses of one kind."}, as[*dial.FamilyError]},

	// Connections to either side.
	{Cause{"dns", "the DNS lookup of the host failed", "Check that DNS works on this machine. This says nothing about the host itself."}, noDNS},
	{Cause{"name", "the host was not found", "Check the spelling of host, and that DNS works on this machine."}, stage(dial.StageName)},
	{Cause{"cert_expired", "the server's certificate has expired", "The operator of the server has to renew it. To accept this one certificate anyway, set tls_pin as shown."}, certificate(dial.Expired)},
	{Cause{"cert_not_yet", "the server's certificate is not valid yet", "Check the clock of this machine. To accept this one certificate anyway, set tls_pin as shown."}, certificate(dial.NotYetValid)},
	{Cause{"cert_name", "the server's certificate is for another name", "Set host or tls_server_name to a name in the certificate, or set tls_pin as shown."}, certificate(dial.NameMismatch)},
	{Cause{"cert_common_name", "the server's certificate has only a common name, which no longer counts", "Set tls_pin as shown to accept exactly this certificate, or ask the operator of the server for one that has the host as a subject alternative name."}, certificate(dial.CommonNameOnly)},
	{Cause{"cert_weak", "the server's certificate has a signature that is no longer secure", "The operator of the server has to replace it. To accept exactly this certificate, set tls_pin as shown; tls_ca_file does not help."}, certificate(dial.WeakSignature)},
	{Cause{"cert_unknown", "the server's certificate is not signed by a trusted authority", "Set tls_ca_file to the certificate of its authority. If you know that the server's certificate is right, you can set tls_pin as shown instead."}, certificate(dial.UnknownAuthority)},
	{Cause{"cert_pin", "the server's certificate does not match tls_pin", "If the server has a new certificate, update tls_pin. If not, someone may be intercepting the connection."}, certificate(dial.PinMismatch)},
	{Cause{"cert", "the server's certificate cannot be verified", "Ask the operator of the server. If you know that the certificate is right, set tls_pin as shown."}, as[*dial.CertificateError]},
	{Cause{"cert_serial", "the server's certificate has a negative serial number", "The operator of the server has to replace it with a new one (RFC 5280 section 4.1.2.2); tls_pin does not help. Until then, start popferry with GODEBUG=x509negativeserial=1 in its environment."}, unusableCertificate("negative serial number")},
	{Cause{"cert_key", "the server's certificate has a key that is too short", "The operator of the server has to replace it with a new one, with an RSA key of 2048 bits or more; tls_pin does not help."}, unusableCertificate("keys are insecure")},
	{Cause{"cert_unusable", "the server's certificate cannot be used", "The operator of the server has to replace it with a new one; tls_pin does not help."}, as[*dial.UnusableCertificateError]},
	{Cause{"not_tls", "the server does not speak TLS on this port", "This port probably needs tls: starttls (POP3 110, submission 587). For tls: implicit use port 995 (POP3) or 465 (SMTP)."}, is(dial.ErrNotTLS)},
	{Cause{"tls_old", "no TLS version that both sides support", "If the server is old and you have no other, set tls_min: \"1.0\"."}, noVersion},
	{Cause{"tls_ciphers", "no cipher suite that both sides support", "If the server is old and you have no other, set tls_ciphers: legacy, which allows RSA key exchange."}, is(dial.ErrNoCipher)},
	{Cause{"tls_client", "the server wants a client certificate", "Set tls_cert_file and tls_key_file."}, wantsCertificate},
	{Cause{"tls", "the TLS handshake failed", "Check tls and port. If they are right and the server is old, set tls_ciphers: legacy, or tls_min: \"1.0\"."}, stage(dial.StageTLS)},
	{Cause{"port25", "no answer from port 25", "Many networks and providers block it. Use the submission port and a login: port: 587 with tls: starttls, or port: 465 with tls: implicit."}, port25},
	{Cause{"refused_port", "nothing listens on this port", "Check host and port, and whether a firewall is in the way."}, is(syscall.ECONNREFUSED)},
	{Cause{"connect", "cannot connect", "Check host and port, and that no firewall blocks the connection."}, stage(dial.StageConnect)},

	// Signing in by OAuth2.
	{Cause{"signin_needed", "nobody has signed in", "Run popferry login with the name of the account or destination, and popferry goes on by itself."}, signIn(oauth.Needed)},
	{Cause{"signin_refused", "the provider has ended the sign-in", "Run popferry login with the name of the account or destination. A sign-in ends with a changed password, after a long time without use, and at Google after 7 days while the client is in Testing (popferry help oauth2)."}, signIn(oauth.Refused)},
	{Cause{"signin_consent", "the provider wants the user, or an administrator, to allow the access", "Run popferry login with the name of the account or destination, and allow what the provider asks. In an organization, an administrator may have to allow it first."}, signIn(oauth.Consent)},
	{Cause{"signin_client", "the provider does not accept the client", "Check client_id, client_secret_file and tenant: the registration may have been removed, or its secret may have ended; one for devices must allow public client flows. Once that is mended, popferry goes on by itself."}, signIn(oauth.ClientUnknown)},
	{Cause{"signin_clock", "the certificate of the provider is not valid by the clock of this machine", "Set the clock; popferry then goes on by itself."}, signIn(oauth.Clock)},
	{Cause{"signin_doubt", "it is not known whether the sign-in was renewed", "Run popferry login with the name of the account or destination. Nothing is lost: the mail stays on the server."}, signIn(oauth.InDoubt)},
	{Cause{"signin_scopes", "the sign-in does not allow all that is needed", "Run popferry login with the name of the account or destination."}, signIn(oauth.Narrow)},
	{Cause{"signin_busy", "another process is renewing the sign-in", "popferry tries again by itself. If this continues, look for a popferry that hangs."}, signIn(oauth.Busy)},
	{Cause{"signin_request", "the provider refuses what popferry asks for", "Check provider, scopes and the addresses in oauth2."}, signIn(oauth.Invalid)},
	{Cause{"signin_unreachable", "the provider of the sign-in cannot be reached", "popferry tries again by itself. If this continues, check the connection, and the addresses in oauth2."}, signIn(oauth.Unreachable)},

	// Logins on either side.
	{Cause{"secret", "cannot get the password", "Check password_file, password_env, password_command or token_command, and that the user that popferry runs as may read it."}, as[*config.SecretError]},

	// The POP3 server.
	{Cause{"credentials_doubted", "the login was refused, although it worked before", "popferry tries again: some servers refuse logins that come too often. If this continues, check the password."}, as[*fetcher.UnconfirmedAuthError]},
	{Cause{"renumbered", "the server has given its messages new UIDs", "Nothing is forwarded until you decide: popferry adopt ACCOUNT treats the mail on the server as seen, popferry resend ACCOUNT treats it as new."}, is(fetcher.ErrRenumbered)},
	{Cause{"dele_ignored", "the server does not delete messages", "Nothing is forwarded twice because of this. Set leave_on_server: true, or ask the provider."}, is(fetcher.ErrDeleIgnored)},
	{Cause{"pop_off", "POP3 is switched off for this mailbox", "Switch it on in the settings on the provider's website. If it is on already, check the password: the provider may require an app password."}, reason(pop3.KindPOPDisabled)},
	{Cause{"app_password", "the provider requires an app password", "Create one for popferry on the provider's website, and use it instead of your own password."}, reason(pop3.KindAppPassword)},
	{Cause{"oauth_needed", "the provider accepts only OAuth2, not passwords", "Set oauth2, and run popferry login: popferry help oauth2 says how. Or set auth: xoauth2, and a token_command that prints an access token."}, reason(pop3.KindOAuthOnly)},
	{Cause{"web_login", "the provider requires you to log in on its website first", "Log in with a browser, if possible from the same network, and confirm that it was you. Then try again."}, reason(pop3.KindWebLogin)},
	{Cause{"blocked", "the provider has blocked this mailbox", "Log in on the provider's website to find out why. Until then popferry cannot fetch anything."}, reason(pop3.KindBlocked)},
	{Cause{"login_clear", "the server accepts passwords only over TLS", "Set tls: implicit with port: 995, or tls: starttls with port: 110."}, reason(pop3.KindNeedsTLS)},
	{Cause{"token_refused", "the server refused the access token", "The provider may have ended the sign-in, or another user than username has signed in: run popferry login with the name of the account. POP3 may also have to be switched on in the provider's settings. With token_command, sign in again where the token comes from."}, tokenRefused},
	{Cause{"credentials", "the login was refused", "Check username and password. Many providers require an app password, or POP3 to be switched on in their settings."}, kind(pop3.KindCredentials)},
	{Cause{"locked", "another program has the mailbox open", "If this passes there is nothing to do. If not, look for another program that fetches from the mailbox."}, kind(pop3.KindLocked)},
	{Cause{"too_often", "the server was polled too often", "Set a longer schedule or min_interval for this account."}, kind(pop3.KindTooOften)},
	{Cause{"temporary", "the server has a temporary problem", "popferry tries again by itself."}, kind(pop3.KindTemporary)},
	{Cause{"permanent", "the server refuses until someone fixes the problem", "Read the server's reply, and log in on the provider's website."}, kind(pop3.KindPermanent)},
	{Cause{"gone", "the message is no longer on the server", ""}, kind(pop3.KindGone)},
	{Cause{"unlisted", "the server does not tell the ids of some messages", "The other messages are fetched. Ask the provider: UIDL and LIST of the mailbox do not agree."}, as[*fetcher.UnlistedError]},
	{Cause{"no_uidl", "the server has no unique message ids (no UIDL)", "Without them popferry cannot tell new mail from old. Ask the provider."}, is(pop3.ErrNoUIDL)},
	{Cause{"starttls", "the server refused to start TLS", "Use tls: implicit with port 995, or ask the provider. Nothing was sent unencrypted."}, step(pop3.StepSTLS)},
	{Cause{"login_method", "no login method that both sides support", "Set auth to a method that the server offers."}, is(pop3.ErrMethod)},
	{Cause{"hung_up", "the server hung up during the login", "Some servers do that when they are polled too often: set a longer schedule or min_interval for this account. If this continues, check username and password."}, hungUp},
	{Cause{"incomplete", "a message arrived incomplete", "It was not forwarded and stays on the server. popferry holds it when it has broken off three times at the same place, or six times at all."}, as[*mailbox.IncompleteError]},
	{Cause{"not_pop3", "this is not a POP3 server", "POP3 uses port 995 with tls: implicit, or 110 with tls: starttls. IMAP uses 993 and 143, SMTP 465, 587 and 25."}, otherGreeting},
	{Cause{"message_end", "the server sent a message so that its end cannot be recognized", "It was not forwarded and stays on the server; the other messages are not affected. If it happens each time, popferry holds that message."}, brokenMessage},
	{Cause{"max_listing", "the server lists more than max_listing allows", "If there are so many messages, delete some or raise max_listing of this account: each takes about 300 octets of memory while it is polled. If not, something is wrong with the server."}, tooLongListing},
	{Cause{"protocol", "the server does not speak POP3 correctly", "Check host and port: this may be another kind of server."}, as[*pop3.ProtocolError]},

	// An IMAP mailbox as the destination.
	{Cause{"not_imap", "this is not an IMAP server", "IMAP uses port 993 with tls: implicit, or 143 with tls: starttls. POP3 uses 995 and 110, SMTP 465, 587 and 25."}, both(answered(atStage(forwarder.StageGreeting)), is(imap.ErrProtocol))},
	{Cause{"imap_no_starttls", "the destination offers no encryption", "Use port: 993 with tls: implicit if the server supports it. tls: none is only for a server on this machine. No password was sent."}, is(imap.ErrNoSTARTTLS)},
	{Cause{"imap_no_auth", "the destination offers no login on this port", "Try port: 993 with tls: implicit."}, is(imap.ErrNoAuth)},
	{Cause{"imap_wants_tls", "the destination accepts passwords only over TLS", "Under forward, set port: 993 with tls: implicit, or port: 143 with tls: starttls."}, answered(wantsPrivacy)},
	{Cause{"imap_later", "the destination asks to try again later", "popferry tries again by itself."}, answered(ofIMAP(laterForNoKnownReason))},
	{Cause{"imap_folder_missing", "the destination's folder does not exist", "Make it with a mail program, correct folder, or set create_folder: true under forward. Nothing is lost: the mail stays on the POP3 server."}, at(forwarder.StageRcpt, ofIMAP(hasEnhanced(5, 1, 1)))},
	{Cause{"imap_folder_denied", "popferry may not put mail into the destination's folder", "Let this user insert messages there, or set folder to another one. Nothing is lost: the mail stays on the POP3 server."}, at(forwarder.StageRcpt, ofIMAP(deniesFolder))},
	{Cause{"imap_not_stored", "the destination accepted a message, and does not have it", "Look for it with a mail program: a rule may have moved it. If it is nowhere, this server loses mail, so do not deliver to it."}, as[*probe.NotStoredError]},

	// The destination, then single messages.
	{Cause{"relay", "the destination does not relay mail for popferry", "Set username and password under forward, or put an address into to that this server receives mail for."}, destination(forwarder.Outcome.NoRelay)},
	{Cause{"inbox_full", "there is no room in the inbox", "Make room there. popferry then delivers by itself, and nothing is lost: the mail stays on the POP3 server."}, destination(forwarder.Outcome.NoRoom)},
	{Cause{"message_no_room", "the inbox has no room for this message", "Smaller ones were accepted. Make room in the inbox; popferry tries again by itself."}, answered(forwarder.Outcome.NoRoom)},
	{Cause{"throttled", "the destination wants fewer connections or less mail at a time", "popferry slows down and tries again by itself. If this continues, lower connections and in_flight under forward."}, answered(forwarder.Outcome.Throttled)},
	{Cause{"foreign_from", "the destination accepts only mail whose From header is its own user's", "Mail that others wrote does not get through this server. Nothing is lost. Set protocol: imap, with the provider's IMAP server as host, or deliver to a server of your own. With on_reject: wrap each message is sent as an attachment from your own address."}, either(answered(forwarder.Outcome.ForeignFrom), as[*probe.ForeignFromError])},
	{Cause{"refuses_everything", "the destination refuses everything", "The messages are held and stay on the POP3 server. One of them is tried again every hour; when one is accepted, all others are tried once more by themselves. Read their replies with popferry messages."}, as[*outcome.RefusesEverythingError]},
	{Cause{"paused", "the destination defers everything", "popferry waits for some minutes and tries again by itself; messages that were never tried go first."}, as[*outcome.PausedError]},
	{Cause{"forward_later", "the destination asks to try again later", "popferry tries again by itself. With greylisting, the second or third attempt succeeds."}, either(destination(later), answered(sessionLater))},
	{Cause{"forward_app_password", "the destination requires an app password", "Create one for popferry on the provider's website, and use it under forward instead of your own password."}, at(forwarder.StageAuth, ofReason(pop3.KindAppPassword))},
	{Cause{"forward_oauth_needed", "the destination accepts only OAuth2, not passwords", "Under forward, set oauth2 instead of the password, and run popferry login: popferry help oauth2 says how."}, at(forwarder.StageAuth, ofReason(pop3.KindOAuthOnly))},
	{Cause{"forward_auth_off", "SMTP logins are switched off for this mailbox", "The provider or the administrator has to enable SMTP AUTH for it."}, at(forwarder.StageAuth, inWords(authOff))},
	{Cause{"forward_auth_policy", "the rules of the mailbox's organization do not allow this login", "Its administrator has to allow it: at Microsoft 365 by security defaults, Conditional Access or the mailbox's setting Authenticated SMTP. The password or token may be right."}, at(forwarder.StageAuth, inWords(authPolicy))},
	{Cause{"forward_token", "the destination refused the access token", "Another user than username may have signed in, or the provider has ended the sign-in: run popferry login with the name of the destination. A token_command has to print a token of the user in username, with the scope for this protocol (Microsoft has one for IMAP and another for SMTP)."}, at(forwarder.StageAuth, func(o forwarder.Outcome) bool { return o.Token })},
	{Cause{"forward_wants_tls", "the destination requires TLS", "Under forward, set port: 587 with tls: starttls, or port: 465 with tls: implicit."}, answered(forwarder.Outcome.WantsTLS)},
	{Cause{"forward_no_auth", "the destination offers no login on this port", "To log in, use port: 587 with tls: starttls, or port: 465 with tls: implicit. A server of your own that trusts this machine needs no login: leave username out."}, is(smtp.ErrNoAuth)},
	{Cause{"forward_login_method", "the destination offers no login method that can be used", "If the server offers only XOAUTH2 or OAUTHBEARER, set oauth2 under forward instead of a password (popferry help oauth2); with oauth2 or token_command, it has to offer one of these. Otherwise leave auth out, or set it to a method that the server offers."}, is(smtp.ErrNoMethod, imap.ErrNoMethod)},
	{Cause{"forward_auth", "the destination refused the login", "Check username and password under forward. Many providers require an app password."}, answered(atStage(forwarder.StageAuth))},
	{Cause{"forward_no_starttls", "the destination offers no encryption", "Use port: 465 with tls: implicit if the server supports it. tls: none is only for a server on this machine. No password was sent."}, is(smtp.ErrNoSTARTTLS)},
	{Cause{"forward_tls", "the destination refused to start TLS", "Check tls and port under forward (587 starttls, 465 implicit)."}, answered(atStage(forwarder.StageTLS))},
	{Cause{"forward_not_smtp", "this is not an SMTP server", "Submission uses port 587 with tls: starttls, or 465 with tls: implicit. POP3 and IMAP servers do not accept mail."}, otherReply},
	{Cause{"listed", "the destination refuses mail from this network", "This machine's address is on a block list. Send through your provider's server with a login: port: 587, tls: starttls."}, answered(forwarder.Outcome.Listed)},
	{Cause{"helo", "the destination refuses the name in popferry's HELO", "Set helo under forward to the full DNS name of this machine."}, answered(forwarder.Outcome.RefusesName)},
	{Cause{"forward_session", "cannot open a session with the destination", "Check host, port, tls and protocol under forward, and that the server is up. Nothing is lost: the mail stays on the POP3 server."}, answered(ofKind(forwarder.Unusable))},
	{Cause{"wants_login", "the destination requires a login", "Set username and password under forward."}, destination(forwarder.Outcome.WantsLogin)},
	{Cause{"bad_sender", "the destination says that from is not a valid address", "Check the spelling of from under forward."}, destination(syntax(forwarder.StageMail))},
	{Cause{"sender", "the destination refuses the sender", "Set from under forward to an address that this server accepts from you, usually your own address there."}, destination(notOurs)},
	{Cause{"bad_recipient", "the destination says that a recipient is not a valid address", "Check the spelling of to."}, destination(syntax(forwarder.StageRcpt))},
	{Cause{"recipient", "the destination refuses the recipient", "Check the spelling of to, and that the address exists there."}, destination(atStage(forwarder.StageRcpt))},
	{Cause{"destination", "the destination is out of order", "Nothing is lost: the mail stays on the POP3 server, and popferry tries again."}, either(as[*outcome.DestinationError], as[*outcome.RouteError])},
	{Cause{"loop", "the message is in a mail loop", "Look for a rule that forwards the inbox back to this mailbox."}, as[*message.LoopError]},
	{Cause{"forward_size", "the message is larger than the destination accepts", "It stays on the POP3 server. Raise the destination's limit, or use a destination that accepts more. With max_message_size popferry skips such messages."}, answered(forwarder.Outcome.TooLarge)},
	{Cause{"false_end", "the message could end early at the destination, and what follows be taken for commands", "popferry does not send it as it is; it stays on the POP3 server. popferry show prints it. on_reject: wrap sends such a message as an attachment, which is safe."}, answered(forwarder.Outcome.FalseEnd)},
	{Cause{"unsuited", "the destination cannot accept this message", "It stays on the POP3 server. Change the destination's limits, or fetch the message in another way."}, answered(ofKind(forwarder.Impossible))},
	{Cause{"in_doubt_held", "three times in a row unclear whether the message was accepted", "Each time it may have arrived, so popferry does not send it again by itself. Look for it in the inbox, then use popferry retry or skip."}, heldInDoubt},
	{Cause{"in_doubt", "unclear whether the message was accepted", "It is sent again with the same trace line, so that a second copy can be recognized."}, answered(ofKind(forwarder.InDoubt))},
	{Cause{"refused_unexplained", "the destination has refused this message three times without a reason", "Others were accepted in between, so it is this message. It stays on the POP3 server. Read it with popferry show, then use popferry retry or skip."}, heldUnexplained},
	{Cause{"refused", "the destination refused this message", "It stays on the POP3 server. Read the reply, then use popferry retry or skip."}, answered(forGood)},
	{Cause{"deferred", "the destination asks for this message again later", "popferry tries again by itself."}, as[*outcome.MessageError]},

	// Everything else.
	{Cause{"timeout", "no answer in time", "popferry tries again by itself. If this continues, raise timeout."}, is(os.ErrDeadlineExceeded, context.DeadlineExceeded)},
	{Cause{"cut", "the connection was lost", "popferry tries again by itself."}, is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)},
	{Cause{"login", "the login failed", "Read the server's reply, and check username and password."}, step(pop3.StepLogin)},
	{Cause{"file", "a file cannot be used", "Check its path and its permissions."}, as[*fs.PathError]},
	{Cause{"pop3", "the POP3 server refused a command", "Read the server's reply."}, as[*pop3.Error]},
	{Cause{ledger.CauseKilled, "popferry ended three times in a row while sending this message", "Each time it may have arrived, so popferry does not send it again by itself. Look for it in the inbox, and in the system log for why popferry ended (out of memory, power); then use popferry retry or skip."}, never},
	{Cause{ledger.CauseInterrupted, "popferry was interrupted while sending", "It is sent again with the same trace line, so that a second copy can be recognized."}, never},
}
