package realserver

import (
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
alias_maps =
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
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

func mainConfig(dir, ip, auth string) string {
	uid, gid := owner()
	return strings.NewReplacer("{dir}", dir, "{ip}", ip, "{auth}", auth, "{domain}", Domain,
		"{uid}", strconv.Itoa(uid), "{gid}", strconv.Itoa(gid)).Replace(mainTemplate)
}

func masterConfig(ip string) string {
	return strings.NewReplacer("{ip}", ip, "{smtp}", strconv.Itoa(smtpPort),
		"{submission}", strconv.Itoa(submissionPort), "{smtps}", strconv.Itoa(smtpsPort)).Replace(masterTemplate)
}
