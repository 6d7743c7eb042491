package main

import (
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
)

// Without --yes nothing is removed. With it, everything on the server is new.
func TestForget(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(2)...)
	f.poll(false)
	f.do(exitUsage, []string{"isp (leo at 127.0.0.1): 2 messages would be forgotten", "all the mail on its server will be forwarded again",
		"nothing was removed: to remove them, popferry forget isp --yes"}, "forget", "isp")
	f.hasStates("uid-1 forwarded, uid-2 forwarded")
	f.do(exitOK, []string{"isp: 2 messages forgotten"}, "forget", "isp", "--yes")
	if all := f.accounts(); len(all) != 0 {
		t.Errorf("the accounts are %+v, want none", all)
	}
	f.poll(false)
	f.hasStates("uid-1 forwarded, uid-2 forwarded")
	if n := len(f.sink.Messages()); n != 4 {
		t.Errorf("%d messages were sent, want each of 2 twice", n)
	}
}
