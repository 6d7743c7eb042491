package legacy

import "path/filepath"

// warnOfSeen remarks on accounts whose old mail would be forwarded because no
// record of fetched messages was found, and on those where old mail stays on the
// server.
func (r *reader) warnOfSeen(program string) {
	for _, a := range r.setup.Accounts {
		switch n := len(a.Seen.UIDs); {
		case n == 0 && a.Leave.Keep:
			missing := ""
			if a.Seen.Missing != "" {
				missing = " (looked for " + a.Seen.Missing + ")"
			}
			r.setup.remarkRecord(a.Place, "%s at %s: found no record of the messages that %s has fetched%s, so all mail on the server counts as new; "+
				"name the record with --state-file, or set first_run: new to forward only later mail", a.Username, a.Host, program, missing)
		case n > 0 && (!a.Leave.Keep || a.Leave.Days > 0):
			r.setup.remark(a.Place, "%s at %s: popferry deletes only what it has forwarded itself; mail that %s has fetched and not deleted stays on the server until you delete it",
				a.Username, a.Host, program)
		}
	}
}

// warnOfUnread remarks on records that were named and belong to no account.
func (r *reader) warnOfUnread() {
	for _, path := range r.states {
		path = filepath.Clean(path)
		read := r.opened[path]
		for opened := range r.opened {
			read = read || filepath.Dir(opened) == path
		}
		if !read {
			r.setup.remarkRecord(Place{File: path}, "no account has a record here with the name that is expected; nothing was read")
		}
	}
}
