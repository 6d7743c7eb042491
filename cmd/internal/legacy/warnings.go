package legacy

import "path/filepath"

// warnOfSeen tells of accounts whose old mail would be forwarded, for want of a
// record of what was fetched, and of those where it stays on the server.
func (r *reader) warnOfSeen(program string) {
	for _, a := range r.setup.Accounts {
		switch n := len(a.Seen.UIDs); {
		case n == 0 && a.Leave.Keep:
			missing := ""
			if a.Seen.Missing != "" {
				missing = " (there is no " + a.Seen.Missing + ")"
			}
			r.setup.remarkRecord(a.Place, "%s at %s: no record was found of what %s has fetched%s: all that is on the server counts as new; "+
				"name the record by --state-file, or write first_run: new if none of it shall be forwarded", a.Username, a.Host, program, missing)
		case n > 0 && (!a.Leave.Keep || a.Leave.Days > 0):
			r.setup.remark(a.Place, "%s at %s: popferry deletes only what it has forwarded itself; what %s has fetched and not deleted stays on the server until you delete it",
				a.Username, a.Host, program)
		}
	}
}

// warnOfUnread tells of records that were named, and are those of none of the
// accounts.
func (r *reader) warnOfUnread() {
	for _, path := range r.states {
		path = filepath.Clean(path)
		read := r.opened[path]
		for opened := range r.opened {
			read = read || filepath.Dir(opened) == path
		}
		if !read {
			r.setup.remarkRecord(Place{File: path}, "none of the accounts has its record here, by its name; nothing was read")
		}
	}
}
