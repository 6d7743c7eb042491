package setup

import (
	"strings"
	"testing"
)

func TestInputCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   Input
		want string // in the error; "": none
	}{
		"nothing":                   {Input{}, ""},
		"leave for days":            {Input{Leave: "14d"}, ""},
		"leave for weeks":           {Input{Leave: "2w"}, ""},
		"leave for hours":           {Input{Leave: "36h"}, ""},
		"leave for no time":         {Input{Leave: "0d"}, "--leave-on-server: must not be zero"},
		"leave for a bare number":   {Input{Leave: "14"}, `--leave-on-server: "14" is not true, false or a duration`},
		"a port behind the host":    {Input{Mailbox: Server{Host: "pop.isp.test:1995"}}, ""},
		"a port that is not one":    {Input{Mailbox: Server{Host: "pop.isp.test:pop"}}, `--host: "pop" is not a port`},
		"a host that is an address": {Input{Inbox: Server{Host: "leo@isp.test"}}, `--smtp-host: "leo@isp.test" is not a server name`},
		"two mistakes":              {Input{FirstRun: "some", Mailbox: Server{Port: 995}}, "such as 30d; --port and --tls need --host"},
	} {
		err := tt.in.Check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: Check() = %v, want %q", name, err, tt.want)
		}
	}
	in := Input{Mailbox: Server{Host: "pop.isp.test:1995"}}
	if err := in.Check(); err != nil || in.Mailbox.Host != "pop.isp.test" || in.Mailbox.Port != 1995 {
		t.Errorf("Check() = %v and left %+v, want host and port apart", err, in.Mailbox)
	}
}
