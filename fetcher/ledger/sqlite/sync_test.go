package sqlite

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// synchronous ends the writer and returns the level of its last commit.
func synchronous(t *testing.T, s *Store) (level int) {
	t.Helper()
	s.writer.close() // the connection is the test's now
	if err := s.writer.conn.scan("PRAGMA synchronous", nil, &level); err != nil {
		t.Fatal(err)
	}
	return level
}

const normal, full = 1, 2 // https://sqlite.org/pragma.html#pragma_synchronous

// TestPutAccountSyncs: a poll without news does not wait for the disk. Every
// other change of an account does.
func TestPutAccountSyncs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		change func(*ledger.Account)
		want   int
	}{
		"nothing": {func(*ledger.Account) {}, normal},
		"a poll that went well": {func(a *ledger.Account) {
			a.LastPoll, a.LastSuccess, a.NextPoll, a.OnServer, a.Server.LastLogin = at, at, at, 7, at
		}, normal},
		"a poll that failed": {func(a *ledger.Account) {
			a.LastPoll, a.Failures, a.NotBefore, a.Cause, a.Server.BadLogins = at, 1, at, ledger.Cause{Code: "login"}, 1
		}, normal},
		"a clock with a part of a millisecond": {func(a *ledger.Account) { a.LastPoll = at.Add(time.Microsecond) }, normal},
		"the first listing":                    {func(a *ledger.Account) { a.Listed = at.Add(time.Hour) }, full},
		"a fact that is seen again":            {func(a *ledger.Account) { a.Server.NoPipelining.See(true, at.Add(time.Hour)) }, normal},
		"a fact that is seen twice in a poll": {func(a *ledger.Account) {
			a.Server.NoPipelining.See(true, at.Add(time.Hour))
			a.Server.NoPipelining.See(true, at.Add(2*time.Hour))
		}, normal},
		"a server that hides": {func(a *ledger.Account) { a.Server.RetrHides.See(true, at) }, full},
		"a new numbering":     {func(a *ledger.Account) { a.UIDs = ledger.UIDsRenumbered }, full},
		"popferry adopt":      {func(a *ledger.Account) { a.UIDs = ledger.UIDsAdopting }, full},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t, newPath(t))
			l := lease(t, s)
			put := func(change func(*ledger.Account)) {
				a, err := l.Account(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				change(&a)
				if err := l.PutAccount(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			put(func(a *ledger.Account) { a.Listed = at; a.Server.NoPipelining.Prove(true, at) })
			put(test.change)
			if got := synchronous(t, s); got != test.want {
				t.Errorf("PRAGMA synchronous is %d, want %d", got, test.want)
			}
		})
	}
}

// TestGroupSyncs: one change that must be on disk makes its whole group, and all
// earlier ones, wait for it.
func TestGroupSyncs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		groups [][]bool // each change: whether it is async
		want   int
	}{
		"at the beginning":         {nil, full},
		"async":                    {[][]bool{{true, true}}, normal},
		"async and one that syncs": {[][]bool{{true, false, true}}, full},
		"one that syncs later":     {[][]bool{{true}, {false}}, full},
		"async again":              {[][]bool{{true}, {false}, {true}}, normal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := create(t, newPath(t))
			s.writer.close()
			for _, changes := range test.groups {
				var group []*request
				for _, async := range changes {
					group = append(group, &request{change: func(*writeConn) error { return nil }, async: async, answer: make(chan error, 1)})
				}
				s.writer.commit(group)
				for _, r := range group {
					if err := <-r.answer; err != nil {
						t.Error(err)
					}
				}
			}
			if got := synchronous(t, s); got != test.want {
				t.Errorf("PRAGMA synchronous is %d, want %d", got, test.want)
			}
		})
	}
}
