package fetcher

import (
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// maxDoubted is how many refused logins in a row are not believed after a
// success.
const maxDoubted = 2

// doubt marks refused credentials that worked before: servers that are asked
// too often, or are out of order, are known to call the password wrong.
func (r *run) doubt(err error) error {
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Kind() != pop3.KindCredentials {
		return err
	}
	r.row.Server.BadLogins++
	if r.row.LastSuccess.IsZero() || r.row.Server.BadLogins > maxDoubted {
		return err
	}
	return &DoubtedLoginError{err}
}

// resting tells whether the account is to be left alone for now, and notes why.
func (r *run) resting() bool {
	now := r.Now()
	if until := r.row.Server.LastLogin.Add(r.gap()); r.gap() > 0 && now.Before(until) && !r.row.Server.LastLogin.After(now) {
		r.res.Rest, r.res.Until = TooSoon, until
		return true
	}
	for _, until := range []time.Time{r.row.NotBefore, r.dest.NotBefore} {
		if !r.asked && ledger.Waiting(now, until) {
			r.res.Rest, r.res.Until = BackingOff, until
			return true
		}
	}
	return false
}
