package realserver

import (
	"os"
	"os/exec"
	"testing"
)

// EnvRequire is the variable that turns skipping into failing when it is 1.
const EnvRequire = "POPFERRY_REQUIRE_SERVERS"

// Require skips the test where it cannot have both servers. It fails the test
// instead when EnvRequire is 1. StartDovecot and StartPostfix do the same for
// theirs.
func Require(tb testing.TB) {
	tb.Helper()
	program(tb, "dovecot")
	postfixNeeds(tb)
}

// Program finds another mail program, as fetchmail, where it is installed. Else
// it skips the test, or fails it when EnvRequire is 1.
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

// program finds a server's program. Debian has them in a folder that is not
// on everybody's PATH.
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
