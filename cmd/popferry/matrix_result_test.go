package main

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// matrixResult is where the messages of a cell are in the end.
type matrixResult struct {
	t       *testing.T
	records map[string]*ledger.Record // by UID
	left    map[string]bool           // UIDs still at the source
	inbox   map[string][]string       // messages without trace lines, by trace id

	exact, forwarded int

	stayed  map[string]string   // why messages were not forwarded, by name
	changed map[string][]string // names of messages, by what has changed
}

func newMatrixResult(t *testing.T, cfg string, source matrixSource, target matrixTarget) *matrixResult {
	t.Helper()
	m := &matrixResult{
		t: t, records: make(map[string]*ledger.Record), left: make(map[string]bool), inbox: make(map[string][]string),
		stayed: make(map[string]string), changed: make(map[string][]string),
	}
	store, err := sqlite.Open(t.Context(), filepath.Join(filepath.Dir(cfg), "popferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Messages(t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
		m.records[r.UID] = r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, uid := range listMailbox(t, source) {
		m.left[uid] = true
	}
	for stored := range target.mail("inbox") {
		id, octets := cutTrace(stored)
		if id == "" {
			t.Errorf("the inbox has %.300q, want only mail with a trace line", stored)
		}
		m.inbox[id] = append(m.inbox[id], octets)
	}
	for _, bounce := range slices.Collect(target.mail("bounces")) {
		t.Errorf("a message was accepted and bounced: %.2000s", bounce)
	}
	return m
}

// cutTrace splits off what stands above and in popferry's trace line.
func cutTrace(stored []byte) (id, octets string) {
	_, below, _ := bytes.Cut(append([]byte("\r\n"), stored...), []byte("\r\nX-Popferry-Trace: id="))
	field, rest, _ := bytes.Cut(below, []byte("\r\n"))
	trace, _, _ := bytes.Cut(field, []byte(";"))
	return string(trace), string(rest)
}

// judge checks that a message is in the inbox once, or at the source with a
// reason.
func (m *matrixResult) judge(message oddMessage, uid string) {
	m.t.Helper()
	r := m.records[uid]
	if r == nil {
		m.t.Errorf("%q: nothing is known of it", message.name)
		return
	}
	copies := m.inbox[r.Trace]
	if r.Trace == "" {
		copies = nil
	}
	switch r.State {
	case ledger.Forwarded:
		m.forwarded++
		if len(copies) != 1 || m.left[uid] {
			m.t.Errorf("%q was forwarded: it is in the inbox %d times, want once; at the source: %t, want false", message.name, len(copies), m.left[uid])
		}
	case ledger.Held, ledger.Skipped, ledger.Deferred:
		m.stayed[message.name] = r.State.String() + ": " + r.Cause.Text
		if len(copies) > 0 || !m.left[uid] || r.Cause.Text == "" {
			m.t.Errorf("%q is %s: %q. It is in the inbox %d times, want 0; at the source: %t, want true",
				message.name, r.State, r.Cause.Text, len(copies), m.left[uid])
		}
	default:
		m.t.Errorf("%q is %s: %s; want it settled", message.name, r.State, r.Cause.Text)
	}
	for _, got := range copies {
		m.compare(message, got)
	}
}

// compare notes how a message has changed on its way.
func (m *matrixResult) compare(message oddMessage, got string) {
	want := message.octets
	if message.arrive != "" {
		want = message.arrive
	}
	changes := differences(want, got)
	if len(changes) == 0 {
		m.exact++
	}
	for _, change := range changes {
		m.changed[change] = append(m.changed[change], message.name)
	}
}

// report has a line for the whole cell, one for each kind of change, and one for
// each message that stayed.
func (m *matrixResult) report(cell string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d messages, %d forwarded, %d of them exact, %d stayed\n", cell, len(m.records), m.forwarded, m.exact, len(m.stayed))
	for _, change := range slices.Sorted(maps.Keys(m.changed)) {
		names := m.changed[change]
		fmt.Fprintf(&b, "  %s: %d, such as %q\n", change, len(names), names[:min(len(names), 3)])
	}
	for _, name := range slices.Sorted(maps.Keys(m.stayed)) {
		fmt.Fprintf(&b, "  %q %.250s\n", name, m.stayed[name])
	}
	return b.String()
}

// differences says in words how a message has changed. A final line end does not
// count: the protocols add it.
func differences(want, got string) []string {
	if strings.TrimSuffix(want, "\r\n") == strings.TrimSuffix(got, "\r\n") {
		return nil
	}
	wantFields, wantBody := fieldsOf(want)
	gotFields, gotBody := fieldsOf(got)
	found := make(map[string]bool)
	if len(gotFields) < len(wantFields) && strings.Contains(gotBody, wantFields[len(wantFields)-1].text) {
		found["the header ends early"] = true
	} else {
		compareFields(found, wantFields, gotFields)
		compareBodies(found, wantBody, gotBody)
	}
	if len(found) == 0 {
		found["fields have another order"] = true
	}
	return slices.Sorted(maps.Keys(found))
}

type headerField struct{ name, text string }

// fieldsOf splits a message. Lines that are not fields have no name.
func fieldsOf(message string) (fields []headerField, body string) {
	for message != "" {
		line, rest, _ := strings.Cut(message, "\r\n")
		message = rest
		if line == "" {
			break
		}
		if n := len(fields); n > 0 && (line[0] == ' ' || line[0] == '\t') {
			fields[n-1].text += "\r\n" + line
			continue
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok {
			name = ""
		}
		fields = append(fields, headerField{strings.ToLower(strings.TrimSpace(name)), line})
	}
	return fields, message
}

// compareFields finds fields that were changed, removed or added.
func compareFields(found map[string]bool, want, got []headerField) {
	missing := slices.Clone(want)
	var extra []headerField
	for _, f := range got {
		if i := slices.Index(missing, f); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else {
			extra = append(extra, f)
		}
	}
	for _, f := range missing {
		same := func(e headerField) bool { return e.name == f.name }
		i := slices.IndexFunc(extra, same)
		if i < 0 {
			found[fieldName(f)+" is removed"] = true
			continue
		}
		found[fieldName(f)+" is changed"+how(f.text, extra[i].text)] = true
		extra = slices.Delete(extra, i, i+1)
	}
	for _, f := range extra {
		found[fieldName(f)+" is added"] = true
	}
}

func fieldName(f headerField) string {
	if f.name == "" {
		return "a line that is no field"
	}
	return f.name
}

func compareBodies(found map[string]bool, want, got string) {
	want, got = strings.TrimSuffix(want, "\r\n"), strings.TrimSuffix(got, "\r\n")
	switch {
	case want == got:
	case strings.HasPrefix(want, got):
		found["the body is cut short"] = true
	default:
		found["the body is changed"+how(want, got)] = true
	}
}

// how says what kind of octets differ, if only such do.
func how(want, got string) string {
	for _, kind := range []struct{ what, octets string }{{" in NULs", "\x00"}, {" in line ends and spaces", "\r\n\t "}} {
		without := func(s string) string {
			return strings.Map(func(r rune) rune {
				if strings.ContainsRune(kind.octets, r) {
					return -1
				}
				return r
			}, s)
		}
		if without(want) == without(got) {
			return kind.what
		}
	}
	return ""
}
