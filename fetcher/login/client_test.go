package login

import (
	"strings"
	"testing"
)

// dialogue is what a client says to some challenges, "|" between the responses.
func dialogue(t *testing.T, c *Client, challenges ...string) string {
	t.Helper()
	name, first, err := c.Start()
	said := name + "|" + string(first)
	for _, challenge := range challenges {
		var response []byte
		if err == nil {
			response, err = c.Next([]byte(challenge))
		}
		if err == nil && response == nil {
			t.Errorf("no response to %q", challenge)
		}
		said += "|" + string(response)
	}
	if err != nil {
		said += "|" + err.Error()
	}
	return said
}

func TestClient(t *testing.T) {
	t.Parallel()
	const why = `{"status":"401"}`
	for name, tt := range map[string]struct {
		method           Method
		username, secret string
		challenges       []string
		want             string
	}{
		"PLAIN":              {Plain, "leo", "s3cret", nil, "PLAIN|\x00leo\x00s3cret"},
		"LOGIN":              {Login, "leo", "s3cret", []string{"User Name\x00", ""}, "LOGIN||leo|s3cret"},
		"LOGIN, three":       {Login, "leo", "s3cret", []string{"", "", ""}, "LOGIN||leo|s3cret||sasl: unexpected server challenge"},
		"CRAM-MD5, RFC 2195": {CRAMMD5, "tim", "tanstaaftanstaaf", []string{"<1896.697170952@postoffice.reston.mci.net>"}, "CRAM-MD5||tim b913a602c7eda7a495b4e6e7334d3890"},
		"XOAUTH2":            {XOAuth2, "leo@example.org", "ya29", []string{why}, "XOAUTH2|user=leo@example.org\x01auth=Bearer ya29\x01\x01|"},
		"OAUTHBEARER":        {OAuthBearer, "l,e=o", "ya29", []string{why}, "OAUTHBEARER|n,a=l=2Ce=3Do,\x01auth=Bearer ya29\x01\x01|\x01"},
		"two explanations":   {XOAuth2, "leo", "ya29", []string{why, why}, "XOAUTH2|user=leo\x01auth=Bearer ya29\x01\x01|||sasl: unexpected server challenge"},
		"EXTERNAL":           {External, "leo", "", nil, "EXTERNAL|leo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := NewClient(tt.method, tt.username, tt.secret, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := dialogue(t, c, tt.challenges...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			explained := ""
			if tt.method == XOAuth2 || tt.method == OAuthBearer {
				explained = why
			}
			if c.Explanation() != explained || !c.Proved() {
				t.Errorf("explanation %q, proved %v", c.Explanation(), c.Proved())
			}
		})
	}
}

// TestClientOfSCRAM: the server has to prove that it knows the password, and may not
// demand hours of work.
func TestClientOfSCRAM(t *testing.T) {
	t.Parallel()
	c, err := NewClient(SCRAMSHA256, "leo", "s3cret", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, first, err := c.Start()
	_, nonce, ok := strings.Cut(string(first), "n=leo,r=")
	if err != nil || !ok {
		t.Fatalf("got %q, %v", first, err)
	}
	if _, err := c.Next([]byte("r=" + nonce + "x,s=c2FsdA==,i=2000001")); err == nil || !strings.Contains(err.Error(), "more than 2000000 iterations") {
		t.Errorf("2000001 iterations: %v", err)
	}
	if response, err := c.Next([]byte("r=" + nonce + "x,s=c2FsdA==,i=4096")); err != nil || !strings.Contains(string(response), ",p=") {
		t.Errorf("4096 iterations: %q, %v", response, err)
	}
	if c.Proved() {
		t.Error("it takes a server without a proof")
	}
}

// TestClientHides: the secret, and the responses as they are sent.
func TestClientHides(t *testing.T) {
	t.Parallel()
	var m Mask
	c, err := NewClient(CRAMMD5, "tim", "tanstaaftanstaaf", &m)
	if err != nil {
		t.Fatal(err)
	}
	response := strings.Split(dialogue(t, c, "<1896.697170952@postoffice.reston.mci.net>"), "|")[2]
	if got := m.Text("bad response " + b64(response) + " for tanstaaftanstaaf"); got != "bad response *** for ***" {
		t.Errorf("got %q", got)
	}
}

func TestClientRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method           Method
		username, secret string
		want             string
	}{
		"no mechanism":       {APOP, "leo", "x", `"apop" is not a mechanism`},
		"NUL in the secret":  {Plain, "leo", "x\x00y", "plain: the user name or password has a NUL, which cannot be sent"},
		"NUL in the user id": {CRAMMD5, "leo\x00", "x", "cram-md5: the user name or password has a NUL, which cannot be sent"},
	} {
		if _, err := NewClient(tt.method, tt.username, tt.secret, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
