package cause

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
)

// entry is a cause and how to know it.
type entry struct {
	Cause
	fits func(error) bool
}

// other is for what the catalogue does not know yet.
var other = Cause{"other", "something went wrong", "The message was kept; popferry will try again. If it goes on, please report it with this line."}

// catalogue lists the causes; the first that fits is the one.
var catalogue = []entry{
	// Not failures.
	{Cause{"stopped", "stopped early", "The rest is fetched by the next poll."}, is(fetcher.ErrStopped, context.Canceled)},
	{Cause{"before_first_run", "left alone", ""}, is(fetcher.ErrBeforeFirstRun)},
	{Cause{"adopted", "left alone", ""}, is(fetcher.ErrAdopted)},
	{Cause{"too_large", "too large", "Raise max_message_size to have it forwarded, or let popferry retry forward this one."}, a[*fetcher.TooLargeError]},
	{Cause{ledger.CauseImported, "left alone", "popferry retry sends it all the same."}, never},
	{Cause{ledger.CauseSkipped, "left alone", "popferry retry sends it after all."}, never},

	// What show meets.
	{Cause{"not_listed", "there is nothing to show", "popferry messages tells what became of it."}, is(fetcher.ErrNotListed)},
	{Cause{"another_message", "there is nothing to show", "What has its UID now is fetched by the next poll."}, is(fetcher.ErrAnother)},
	{Cause{"look_hides", "the message is not fetched for looking", "Read it by the provider's web page, or have popferry forward it."}, is(fetcher.ErrLookHides)},
	{Cause{"shown_part", "this is not the whole message", "Nothing was changed by looking; try again."}, is(fetcher.ErrPart)},

	// Our own faults. What the ledger's errors say has its remedy in it.
	{Cause{"ledger", "the ledger fails", ""}, a[*sqlite.Error]},
	{Cause{"bug", "popferry has a bug", "Nothing was deleted. Please report it with the log."}, a[*fetcher.PanicError]},
	{Cause{"quarantine", "a refused message cannot be put into quarantine", ""}, a[*maildir.Error]},
	{Cause{"disk_full", "the disk is full", "Make room there, or set spool.dir to a folder with room; nothing was deleted."}, is(syscall.ENOSPC, syscall.EDQUOT)},
	{Cause{"spool", "cannot keep a message between the servers", "Set spool.dir to a folder that popferry may write to."}, a[*spool.Error]},
	{Cause{"ledger_missing", "the ledger is missing", "Bring it back (is the volume mounted?), or set state_create: true to begin anew, which forwards again what is still on the servers."}, is(ledger.ErrMissing)},
	{Cause{"ledger_network", "the ledger is on a network file system", "Set state to a path on a local disk: locks and syncs cannot be trusted there."}, is(ledger.ErrNetworkFS)},
	{Cause{"ledger_newer", "the ledger is newer than this popferry", "Run the newer version, or restore an older ledger."}, is(ledger.ErrNewer)},
	{Cause{"identity", "an account's name stands for another mailbox", ""}, is(ledger.ErrIdentity)},
	{Cause{"leased", "another process is polling this account", ""}, is(ledger.ErrLeased)},

	// Connections, to either side.
	{Cause{"dns", "the host's name could not be looked up", "Check that this machine has a working DNS; nothing is known about the host yet."}, noDNS},
	{Cause{"name", "the host's name was not found", "Check the spelling of host, and that this machine has a working DNS."}, stage(dial.StageName)},
	{Cause{"cert_expired", "the server's certificate has expired", "Its owner has to renew it; to accept this very certificate, set tls_pin as shown."}, certificate(dial.Expired)},
	{Cause{"cert_not_yet", "the server's certificate is not valid yet", "Check this machine's clock; to accept this very certificate, set tls_pin as shown."}, certificate(dial.NotYetValid)},
	{Cause{"cert_name", "the server's certificate is for another name", "Set host to one of its names, or tls_server_name, or tls_pin as shown."}, certificate(dial.NameMismatch)},
	{Cause{"cert_unknown", "nobody we trust signed the server's certificate", "Set tls_ca_file to the certificate of its authority, or tls_pin as shown if you know it to be right."}, certificate(dial.UnknownAuthority)},
	{Cause{"cert_pin", "the server's certificate is not the pinned one", "If the server has a new certificate, set tls_pin anew; if not, somebody may be in between."}, certificate(dial.PinMismatch)},
	{Cause{"cert", "the server's certificate is not accepted", "Ask the server's owner, or set tls_pin as shown if you know it to be right."}, a[*dial.CertificateError]},
	{Cause{"not_tls", "the server does not speak TLS on this port", "Most likely the port wants tls: starttls (POP3 110, submission 587), or use 995 for POP3 and 465 for SMTP with tls: implicit."}, is(dial.ErrNotTLS)},
	{Cause{"tls_old", "no version of TLS that both sides want", "If the server is that old and there is no other, set tls_min: \"1.0\"."}, noVersion},
	{Cause{"tls", "no TLS connection", "Check tls and port."}, stage(dial.StageTLS)},
	{Cause{"port25", "nothing comes back from port 25", "Many networks and providers block it: use the port for submission, port: 587 with tls: starttls, or 465 with tls: implicit, and a login."}, port25},
	{Cause{"refused_port", "nothing listens there", "Check host and port, and that a firewall does not stand in between."}, is(syscall.ECONNREFUSED)},
	{Cause{"connect", "no connection", "Check host and port, and that the network and its firewall let it through."}, stage(dial.StageConnect)},

	// Either side's login.
	{Cause{"secret", "the password cannot be had", "Check password_file, password_env, password_command or token_command, whichever is used, and whether the user that popferry runs as may read it."}, a[*config.SecretError]},

	// The POP3 side.
	{Cause{"credentials_doubted", "the login was refused, though it worked before", "It is tried again by itself, for some servers say so when they are asked too often. If it goes on, check the password."}, a[*fetcher.DoubtedLoginError]},
	{Cause{"renumbered", "the server has new numbers for its messages", "Nothing is sent until you decide: popferry adopt ACCOUNT counts what is there now as seen, popferry resend ACCOUNT as new."}, is(fetcher.ErrRenumbered)},
	{Cause{"dele_ignored", "the server does not delete", "Nothing comes twice because of it; set leave_on_server: true, or ask the provider."}, is(fetcher.ErrDeleIgnored)},
	{Cause{"pop_off", "POP3 is switched off for this mailbox", "Switch it on in the provider's settings, by its web page. If it is on already, look at the password: it may have to be an app password."}, reason(pop3.KindPOPDisabled)},
	{Cause{"app_password", "the provider wants an app password", "Make one by the provider's web page, for popferry alone, and write it in the place of your own."}, reason(pop3.KindAppPassword)},
	{Cause{"oauth_needed", "the provider takes no passwords, only OAuth2", "Write auth: xoauth2, and a token_command that prints an access token."}, reason(pop3.KindOAuthOnly)},
	{Cause{"web_login", "the provider wants you to log in by its web page first", "Do so in a browser, from the same network if you can, and confirm that it was you; then try again."}, reason(pop3.KindWebLogin)},
	{Cause{"blocked", "the provider has blocked this mailbox", "Log in by the provider's web page and see why; until then nothing can be fetched."}, reason(pop3.KindBlocked)},
	{Cause{"login_clear", "the server takes no password in clear", "Set tls: implicit with port: 995, or tls: starttls with port: 110."}, reason(pop3.KindNeedsTLS)},
	{Cause{"credentials", "the login was refused", "Check username and password; many providers want an app password, or POP3 to be switched on in their settings."}, kind(pop3.KindCredentials)},
	{Cause{"locked", "another program has the mailbox open", "Nothing to do if it passes; else look for another program that fetches from it."}, kind(pop3.KindLocked)},
	{Cause{"too_often", "the server was asked too often", "Set a longer schedule or min_interval for this account."}, kind(pop3.KindTooOften)},
	{Cause{"temporary", "the server is out of order for now", "It is tried again by itself."}, kind(pop3.KindTemporary)},
	{Cause{"permanent", "the server refuses until a person mends something", "Read what the server says; log in by its web page."}, kind(pop3.KindPermanent)},
	{Cause{"gone", "the message is no longer on its server", ""}, kind(pop3.KindGone)},
	{Cause{"no_uidl", "the server does not number its messages for good (no UIDL)", "popferry cannot tell new mail from old there; ask the provider."}, is(pop3.ErrNoUIDL)},
	{Cause{"starttls", "the server refuses to encrypt", "Use tls: implicit with port 995, or ask the provider. Nothing was sent in clear."}, step(fetcher.StepSTLS)},
	{Cause{"login_method", "no login method that both sides can use", "Set auth to one that the server offers."}, is(pop3.ErrMethod)},
	{Cause{"hung_up", "the server hung up at the login", "Some do that when they are asked too often: set a longer schedule or min_interval for this account. If it goes on, check username and password."}, hungUp},
	{Cause{"incomplete", "a message did not come whole", "It was not forwarded and stays on the server; the third time it is held."}, a[*fetcher.IncompleteError]},
	{Cause{"not_pop3", "this is another kind of server, not POP3", "POP3 is on port 995 with tls: implicit, or on 110 with tls: starttls; IMAP has 993 and 143, SMTP 465, 587 and 25."}, otherGreeting},
	{Cause{"protocol", "the server does not speak proper POP3", "Check host and port: it may be another kind of server."}, a[*pop3.ProtocolError]},

	// The destination, then single messages.
	{Cause{"relay", "the destination does not pass mail on for us", "Write username and password under forward, or set to to an address that this server itself is for."}, destination(noRelay)},
	{Cause{"forward_later", "the destination says not now", "It is tried again by itself. Greylisting lets it in at the second or third try."}, either(destination(later), answered(sessionLater))},
	{Cause{"forward_app_password", "the destination wants an app password", "Make one by the provider's web page, for popferry alone, and write it under forward in the place of your own."}, at(forwarder.StageAuth, ofReason(pop3.KindAppPassword))},
	{Cause{"forward_oauth_needed", "the destination takes no passwords, only OAuth2", "popferry cannot do that for a destination yet: use another server to send through, or lmtp to one of your own."}, at(forwarder.StageAuth, ofReason(pop3.KindOAuthOnly))},
	{Cause{"forward_auth_off", "sending with a login is switched off there", "The provider or the administrator has to switch SMTP AUTH on for this mailbox."}, at(forwarder.StageAuth, inWords(authOff))},
	{Cause{"forward_wants_tls", "the destination wants to be encrypted first", "Set tls: starttls under forward, with port: 587, or tls: implicit with 465."}, answered(inWords(wantsTLS))},
	{Cause{"forward_no_auth", "the destination offers no login here", "A login needs port: 587 with tls: starttls, or 465 with tls: implicit; a server of your own that trusts this machine needs none: leave username out."}, is(smtp.ErrNoAuth)},
	{Cause{"forward_auth", "the destination refused the login", "Check username and password under forward; many providers want an app password."}, answered(atStage(forwarder.StageAuth))},
	{Cause{"forward_no_starttls", "the destination does not offer to encrypt (no STARTTLS)", "Use port: 465 with tls: implicit if it has that; tls: none is for a server on this machine only. No password was sent."}, is(smtp.ErrNoSTARTTLS)},
	{Cause{"forward_tls", "the destination refuses to encrypt", "Check tls and port under forward (587 starttls, 465 implicit)."}, answered(atStage(forwarder.StageTLS))},
	{Cause{"forward_not_smtp", "this is another kind of server, not SMTP", "Submission is on port 587 with tls: starttls, or on 465 with tls: implicit; POP3 and IMAP servers take no mail."}, otherReply},
	{Cause{"listed", "the destination refuses mail from this network", "It has the address of this machine on a list. Send through your provider's server: port: 587, tls: starttls, with a login."}, answered(inWords(listed))},
	{Cause{"helo", "the destination refuses the name that popferry calls itself", "Set helo under forward to this machine's full name in the DNS."}, answered(inWords(badHelo))},
	{Cause{"forward_session", "no session with the destination", "Check host, port, tls and protocol under forward, and that the server is up. Nothing was lost: all waits on its server."}, answered(ofKind(forwarder.Unusable))},
	{Cause{"wants_login", "the destination wants a login first", "Write username and password under forward."}, destination(wantsLogin)},
	{Cause{"bad_sender", "the destination does not take from for an address", "Check the spelling of from under forward."}, destination(syntax(forwarder.StageMail))},
	{Cause{"sender", "the destination refuses the sender", "Set from under forward to an address that this server accepts from you: most often your own there."}, destination(notOurs)},
	{Cause{"bad_recipient", "the destination does not take a recipient for an address", "Check the spelling of to."}, destination(syntax(forwarder.StageRcpt))},
	{Cause{"recipient", "the destination refuses the recipient", "Check the spelling of to, and that the address exists there."}, destination(atStage(forwarder.StageRcpt))},
	{Cause{"destination", "the destination is out of order", "Nothing was lost: all waits on its server and is tried again."}, a[*outcome.DestinationError]},
	{Cause{"loop", "the message goes round in a loop", "Look for a rule that forwards the inbox back to this mailbox."}, a[*message.LoopError]},
	{Cause{"forward_size", "the message is larger than the destination takes", "Raise the limit there, or use a destination that takes more; with max_message_size such messages are left alone. It stays on its server."}, answered(forwarder.Outcome.TooLarge)},
	{Cause{"unsuited", "the destination cannot take this message", "It stays on its server; raise the limit there, or fetch it by other means."}, answered(ofKind(forwarder.Impossible))},
	{Cause{"in_doubt", "no answer whether the message was accepted", "It is sent again with the same trace line, so that a second copy can be told."}, answered(ofKind(forwarder.InDoubt))},
	{Cause{"refused", "the destination refused this message", "It stays on its server; read the reply, then retry or skip it."}, answered(forGood)},
	{Cause{"deferred", "the destination wants it later", "It is tried again by itself."}, a[*outcome.MessageError]},

	// What is left when nothing more is known.
	{Cause{"timeout", "no answer in time", "It is tried again by itself; if it goes on, raise timeout."}, is(os.ErrDeadlineExceeded, context.DeadlineExceeded)},
	{Cause{"cut", "the connection was cut", "It is tried again by itself."}, is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE)},
	{Cause{"login", "the login failed", "Read what was said; check username and password."}, step(fetcher.StepLogin)},
	{Cause{"file", "a file cannot be used", "Check its path and its permissions."}, a[*fs.PathError]},
	{Cause{"pop3", "the POP3 server refused", "Read what the server says."}, a[*pop3.Error]},
	{Cause{"interrupted", "popferry was interrupted while sending", "It is sent again with the same trace line, so that a second copy can be told."}, never},
}
