package realserver

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// mainTemplate is Postfix's main.cf: messages are not changed except for the trace
// at the top, nothing leaves the machine, and there are no delays.
const mainTemplate = `
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.popferry.test
mynetworks = 127.255.255.255/32
smtpd_peername_lookup = no
disable_dns_lookups = yes

mydestination =
local_recipient_maps =
alias_maps = hash:{dir}/aliases
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = hash:{dir}/users
virtual_mailbox_base = {dir}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine

smtpd_tls_security_level = may
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination

message_size_limit = 536870912
mailbox_size_limit = 0
virtual_mailbox_limit = 0
queue_minfree = 0
header_size_limit = 16777216
message_drop_headers =
cleanup_replace_stray_cr_lf = no
local_header_rewrite_clients =
smtputf8_enable = yes

in_flow_delay = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_client_connection_count_limit = 0
`

// debianDefaults are Postfix's own settings, which Debian leaves as they are, for
// what mainTemplate changes to keep messages whole.
const debianDefaults = `
message_size_limit = 10240000
header_size_limit = 102400
message_drop_headers = bcc, content-length, resent-bcc, return-path
cleanup_replace_stray_cr_lf = yes
local_header_rewrite_clients = permit_inet_interfaces
`

// localDelivery makes the users local ones.
const localDelivery = `
virtual_mailbox_domains =
mydestination = ` + Domain + `
`

// masterTemplate is Postfix's master.cf: only the services that accept mail and
// deliver it to mailboxes, all without chroot.
const masterTemplate = `
{ip}:{smtp} inet n - n - - smtpd
{ip}:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
{ip}:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
local unix - n n - - local
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

func mainConfig(dir, ip, auth string) string {
	uid, gid := owner()
	return strings.NewReplacer("{dir}", dir, "{ip}", ip, "{auth}", auth, "{domain}", Domain,
		"{uid}", strconv.Itoa(uid), "{gid}", strconv.Itoa(gid)).Replace(mainTemplate)
}

// lastSettings keeps the last one of several settings with the same name. Postfix
// would do so, too, but it warns of them with each process that starts, and its
// log service stands still if it has to log that itself while others do.
func lastSettings(text string) string {
	last := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, "="); ok {
			last[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(last)) {
		b.WriteString(name + " = " + last[name] + "\n")
	}
	return b.String()
}

func masterConfig(ip string) string {
	return strings.NewReplacer("{ip}", ip, "{smtp}", strconv.Itoa(smtpPort),
		"{submission}", strconv.Itoa(submissionPort), "{smtps}", strconv.Itoa(smtpsPort)).Replace(masterTemplate)
}
