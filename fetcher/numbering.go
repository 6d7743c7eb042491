package fetcher

import (
	"hash/fnv"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/retained"
)

// numbering is what the numbers and traces of new rows have to be free of.
type numbering struct {
	generations map[string]int  // the next one of each UID whose rows have changed in this session
	prefixes    map[string]bool // of the copies that rows had before this session; nil: not read yet
	alike       map[uint64]int  // how many rows had these fingerprints, by their hashes; nil: not read yet
}

// generation is the next number for a message under this UID, and is used now.
func (s *session) generation(uid string) int {
	n := s.nextGeneration(uid)
	s.noteGeneration(uid, n+1)
	return n
}

// nextGeneration is the next number for a message under this UID. The name of a copy is
// made of both, and stays when its row gets another UID: no other row is to have a copy
// of that name, or the one would be removed with the other.
func (s *session) nextGeneration(uid string) int {
	n := max(s.generations[uid], s.view.NextGeneration(uid))
	for s.hasCopy(uid, n) {
		n++
	}
	return n
}

// hasCopy reports whether a row names a copy that was made under this UID and number
// before this session.
func (s *session) hasCopy(uid string, generation int) bool {
	if s.prefixes == nil {
		s.prefixes = make(map[string]bool)
		for _, k := range s.view.Known.All() {
			if k.CopyFile != "" {
				s.prefixes[retained.PrefixOf(k.CopyFile)] = true
			}
		}
	}
	return len(s.prefixes) > 0 && s.prefixes[retained.Prefix(s.ID, uid, generation)]
}

// twins is how many other rows had the fingerprint of a message before this session. One
// of them may have had its UID and number, and so its trace, until the server renumbered.
func (s *session) twins(rec *ledger.Record) int {
	hash := func(fingerprint string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(fingerprint)) // never fails (hash.Hash)
		return h.Sum64()
	}
	if s.alike == nil {
		s.alike = make(map[uint64]int)
		for _, k := range s.view.Known.All() {
			s.alike[hash(k.Fingerprint)]++
		}
	}
	n := s.alike[hash(rec.Fingerprint)]
	if n == 0 || rec.ID == 0 {
		return n
	}
	for _, k := range s.view.Known.All() {
		if k.ID == rec.ID && k.Fingerprint == rec.Fingerprint {
			return n - 1
		}
	}
	return n
}

// retire keeps a row's number from being used again in this session, once the row
// gets another UID: the name of a copy is made of both. Of a message that was
// forwarded, or never fetched, there is none to lose.
func (s *session) retire(rec *ledger.Record) {
	if rec.CopyFile != "" || rec.State != ledger.Forwarded && rec.State != ledger.Skipped {
		s.noteGeneration(rec.UID, s.nextGeneration(rec.UID))
	}
}

func (s *session) noteGeneration(uid string, next int) {
	if s.generations == nil {
		s.generations = make(map[string]int)
	}
	s.generations[uid] = next
}
