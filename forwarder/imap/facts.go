package imap

import (
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/facts"
)

// Facts are what was learnt of a server. They are plain data with an end, so that
// they can be kept between processes. The zero value is a server that keeps its
// word.
type Facts struct {
	// NoPipelining: it loses or refuses a command that is sent before it has
	// answered the one in front of it (RFC 9051 5.5).
	NoPipelining forwarder.Sighting `json:"no_pipelining,omitzero"`
	// NoStrays: it refuses messages with a CR that is not part of a line end.
	NoStrays forwarder.Sighting `json:"no_strays,omitzero"`
	facts.Common
}

func noPipelining(f *Facts) *forwarder.Sighting { return &f.NoPipelining }
func noStrays(f *Facts) *forwarder.Sighting     { return &f.NoStrays }

// quirks are the facts of a pool, which its sessions share.
type quirks = facts.Book[Facts]

func newQuirks(o *Options) *quirks {
	return facts.NewBook(o.Facts, func(f *Facts) *facts.Common { return &f.Common }, o.Now)
}
