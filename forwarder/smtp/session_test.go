package smtp

import "testing"

// TestCapacity: how many transactions a session takes at a time.
func TestCapacity(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fresh           bool // no message was answered yet
		ext             extensions
		distinguishable bool
		lmtp            bool
		learnt          []fact
		want            int
	}{
		"no extensions":                        {want: 1},
		"PIPELINING":                           {ext: extensions{pipelining: true}, want: 2},
		"PIPELINING, the first message":        {fresh: true, ext: extensions{pipelining: true}, want: 1},
		"PIPELINING, nothing behind a dot":     {ext: extensions{pipelining: true}, learnt: []fact{noPipeliningBehindDot}, want: 1},
		"PIPELINING that does not work":        {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noPipelining}, want: 1},
		"CHUNKING without PIPELINING":          {ext: extensions{chunking: true}, distinguishable: true, want: 1},
		"CHUNKING":                             {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, want: 32},
		"CHUNKING, the first message":          {fresh: true, ext: extensions{pipelining: true, chunking: true}, want: 1},
		"CHUNKING, nothing behind a dot":       {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noPipeliningBehindDot}, want: 32},
		"CHUNKING, by DATA, nothing behind it": {ext: extensions{pipelining: true, chunking: true}, learnt: []fact{noPipeliningBehindDot}, want: 1},
		"CHUNKING that does not work":          {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, learnt: []fact{noBDAT}, want: 2},
		"CHUNKING in LMTP":                     {ext: extensions{pipelining: true, chunking: true}, distinguishable: true, lmtp: true, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{LMTP: tt.lmtp}.withDefaults()
			s := &session{o: &o, quirk: newQuirks(&o), ext: tt.ext}
			s.signatures.distinguishable.Store(tt.distinguishable)
			for _, f := range tt.learnt {
				s.quirk.Suspect(f)
			}
			if got := s.Capacity(!tt.fresh); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
