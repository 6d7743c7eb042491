package realserver

import (
	"os"
	"os/exec"
	"testing"
)

// EnvRequire names the variable that makes tests fail instead of being skipped if
// it is 1.
const EnvRequire = "POPFERRY_REQUIRE_SERVERS"

// Require skips the test if one of the servers is not available, or fails it if
// EnvRequire is 1. StartDovecot and StartPostfix do the same for their server.
func Require(tb testing.TB) {
	tb.Helper()
	program(tb, "dovecot")
	postfixNeeds(tb)
}

// Program returns the path of another mail program such as fetchmail. If it is not
// installed it skips the test, or fails it if EnvRequire is 1.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	return program(tb, name)
}

func postfixNeeds(tb testing.TB) {
	tb.Helper()
	program(tb, "postfix")
	if os.Getuid() != 0 {
		missing(tb, "postfix must be started by root")
	}
}

// program returns the path of a program. Debian has servers in a folder that is
// not on every user's PATH.
func program(tb testing.TB, name string) string {
	tb.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	missing(tb, name+" is not installed")
	return ""
}

func missing(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv(EnvRequire) == "1" {
		tb.Fatalf("%s, and %s is set", why, EnvRequire)
	}
	tb.Skip(why)
}
