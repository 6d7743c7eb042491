package report

import (
	"fmt"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
)

// SignInStatus is a sign-in by OAuth2 in status --json: part of the contract.
type SignInStatus struct {
	Name   string     `json:"name"` // of the account or destination
	User   string     `json:"user"`
	Signed *time.Time `json:"signed_in_at"`
	Until  *time.Time `json:"ends_at"`
	Cause  string     `json:"cause"`
	Text   string     `json:"text"`
}

// SignIns are the sign-ins as status --json has them.
func SignIns(list []app.SignIn) []SignInStatus {
	out := []SignInStatus{}
	for _, s := range list {
		st := SignInStatus{Name: s.Name, User: s.User, Signed: jsonTime(s.Signed), Until: jsonTime(s.Until)}
		if s.Err != nil {
			st.Cause, st.Text = cause.Of(s.Err).Code, cause.Summary(s.Err)
		}
		out = append(out, st)
	}
	return out
}

// publicSignIns replaces what providers said by the catalogue's words, and leaves
// out who has signed in.
func publicSignIns(list []SignInStatus) []SignInStatus {
	for i := range list {
		list[i].User = ""
		if s := &list[i]; s.Cause != "" {
			s.Text = cause.ByCode(s.Cause).What
		}
	}
	return list
}

// SignInLines says, a line each, which sign-ins cannot be used or will end, and what
// to do. What an account says of itself is left out.
func SignInLines(list []app.SignIn, accounts []AccountStatus, now time.Time) (lines []string) {
	for _, s := range signInNews(list, accounts, now) {
		if s.Err != nil {
			lines = append(lines, cause.Line(s.Name, s.Err))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: the provider ends the sign-in of %s on %s. Run popferry login %s before that.",
			s.Name, s.User, s.Until.Local().Format("2006-01-02 15:04"), s.Name))
	}
	return lines
}

// signInNews are the sign-ins that the user has to do something about, but for what
// accounts say themselves.
func signInNews(list []app.SignIn, accounts []AccountStatus, now time.Time) (news []app.SignIn) {
	said := make(map[string]string)
	for _, a := range accounts {
		said[a.Name] = a.cause.Code
	}
	for _, s := range list {
		if s.Err != nil && said[s.Name] != cause.Of(s.Err).Code || s.EndsSoon(now) {
			news = append(news, s)
		}
	}
	return news
}
