package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher/printable"
)

// WriteJSON writes one JSON document, of characters that print.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(printable.JSONWriter(w))
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// jsonTime returns a time for JSON, null if it is zero.
func jsonTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
