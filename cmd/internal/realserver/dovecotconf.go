package realserver

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// dovecotTemplate is Dovecot's configuration, without delays after failed logins
// and without syncs, which tests do not need.
const dovecotTemplate = `
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = {dir}
log_path = {dir}/log
protocols = pop3 lmtp
listen = {ip}
hostname = dovecot.test
postmaster_address = postmaster@popferry.test

ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no

auth_mechanisms = plain login apop cram-md5 scram-sha-1 scram-sha-256
auth_username_format = %Ln
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {dir}/users/%n
}
userdb {
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%n
}
mail_location = maildir:{dir}/mail/%n
mail_fsync = never
mail_max_userip_connections = 0
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 1G

service pop3-login {
  service_count = 0
  inet_listener pop3 {
    port = {pop3}
  }
  inet_listener pop3s {
    port = {pop3s}
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = {lmtp}
  }
  unix_listener {dir}/lmtp {
    mode = 0666
  }
}
service auth {
  unix_listener {dir}/auth {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// unprivileged is what Dovecot also needs if root does not start it: no change of
// user and no chroot.
const unprivileged = `
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {
  chroot =
}
service pop3-login {
  chroot =
}
`

func dovecotConfig(dir, ip string) string {
	text := dovecotTemplate
	uid, gid := owner()
	names := []string{
		"{dir}", dir, "{ip}", ip, "{uid}", strconv.Itoa(uid), "{gid}", strconv.Itoa(gid),
		"{pop3}", strconv.Itoa(pop3Port), "{pop3s}", strconv.Itoa(pop3sPort), "{lmtp}", strconv.Itoa(lmtpPort),
	}
	if os.Getuid() != 0 {
		text += unprivileged
		names = append(names, "{user}", userName(uid), "{group}", groupName(gid))
	}
	return strings.NewReplacer(names...).Replace(text)
}

// userName returns the name of a user id, or the id, which Dovecot also accepts.
func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return strconv.Itoa(id)
}

func groupName(id int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(id)); err == nil {
		return g.Name
	}
	return strconv.Itoa(id)
}
