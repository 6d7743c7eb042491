package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TestSignInLines: what cannot be used is said once, what ends is said in time, and
// the public sees nobody's name.
func TestSignInLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	refused := &oauth.Error{Reason: oauth.Refused, Text: "leo@outlook.com: the provider answered invalid_grant"}
	list := []app.SignIn{
		{Name: "fine", User: "leo@outlook.com", Signed: now},
		{Name: "long", User: "leo@outlook.com", Signed: now, Until: now.Add(4 * 24 * time.Hour)},
		{Name: "soon", User: "leo@gmail.com", Signed: now, Until: now.Add(2 * 24 * time.Hour)},
		{Name: "told", User: "leo@outlook.com", Err: refused},
		{Name: "inbox", User: "leo@outlook.com", Err: refused},
	}
	accounts := []AccountStatus{{Name: "told", cause: ledger.Cause{Code: "signin_refused"}}}
	lines := SignInLines(list, accounts, now)
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "soon: the provider ends the sign-in of leo@gmail.com on 2026-01-04") ||
		!strings.HasPrefix(lines[1], "inbox: the provider has ended the sign-in: ") || !strings.Contains(lines[1], "popferry login") {
		t.Errorf("got %q", lines)
	}
	if news := signInNews(list, accounts, now); len(news) != 2 || news[0].Name != "soon" || news[1].Name != "inbox" {
		t.Errorf("the page shows %v", news)
	}
	shown := SignIns(list)
	if shown[4].Cause != "signin_refused" || !strings.Contains(shown[4].Text, "invalid_grant") || shown[0].Cause != "" || shown[2].Until == nil {
		t.Errorf("got %+v", shown)
	}
	for _, s := range publicSignIns(shown) {
		if strings.Contains(s.User+s.Text, "leo") {
			t.Errorf("the public sees %+v", s)
		}
	}
	if !errors.Is(refused, &oauth.Error{Reason: oauth.Refused}) {
		t.Error("a reason is not recognised")
	}
}
