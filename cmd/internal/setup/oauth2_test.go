package setup

import (
	"context"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/discover"
)

// registrar is a user who has registered a client whose secret is "s3cret".
type registrar struct {
	FrontEnd
	asked []string
}

func (r *registrar) Say(string, ...any) {}

func (r *registrar) Ask(_ context.Context, question, _ string) (string, error) {
	r.asked = append(r.asked, question)
	if strings.HasPrefix(question, "File") {
		return "/etc/secret", nil
	}
	return "x.apps.googleusercontent.com", nil
}

func (r *registrar) Secret(_ context.Context, question string) (string, error) {
	r.asked = append(r.asked, question)
	return " s3cret ", nil
}

// The secret of a client is asked for by its file at a terminal, and on a page, for
// which no file is read, itself.
func TestClientSecretIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		page         *Page
		host         string
		keys, secret string
	}{
		"at a terminal":        {nil, "imap.gmail.com", "provider=google,client_id=x.apps.googleusercontent.com,client_secret_file=/etc/secret", ""},
		"on a page":            {&Page{}, "imap.gmail.com", "provider=google,client_id=x.apps.googleusercontent.com", "s3cret"},
		"on a page, Microsoft": {&Page{}, "outlook.office365.com", "provider=microsoft,client_id=x.apps.googleusercontent.com", ""},
	} {
		user := &registrar{}
		x := &endpoint{setup: &setup{FrontEnd: user, page: tt.page}, protocol: discover.IMAP, server: discover.Server{Host: tt.host}}
		keys, secret, err := x.askClient(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if !secret.IsZero() {
			if got, err = secret.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if keys != tt.keys || got != tt.secret {
			t.Errorf("%s: %q with the secret %q, want %q with %q; asked %q", name, keys, got, tt.keys, tt.secret, user.asked)
		}
	}
}
