//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// What the daemon logs when it has read its configuration.
const (
	reloaded    = "configuration read again"
	notReloaded = "the new configuration cannot be used, the old one goes on"
)

// What it logs at the end of a poll.
const (
	polled     = "polled"
	endedEarly = "poll ended early"
	notPolled  = "not polled: " // and why not
)

// journal reads the daemon's log while it is written, and keeps only counts.
type journal struct {
	mu       sync.Mutex
	rest     []byte // an unfinished line
	file     *os.File
	messages map[string]int  // how often each was logged
	outcomes map[string]int  // of polls that ended early
	polled   map[string]bool // accounts that were polled since the configuration was read
	unknown  map[string]int  // by trace: how often a message was in doubt
	listens  string
	strange  []string // unexpected lines
}

func newJournal(t *testing.T) *journal {
	t.Helper()
	path := *soakSamples + ".log"
	if *soakSamples == "" {
		path = filepath.Join(t.TempDir(), "log")
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &journal{file: file, messages: make(map[string]int), outcomes: make(map[string]int), polled: make(map[string]bool), unknown: make(map[string]int)}
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		line, rest, ok := bytes.Cut(j.rest, []byte("\n"))
		if !ok {
			return j.file.Write(p)
		}
		j.read(line)
		j.rest = bytes.Clone(rest)
	}
}

func (j *journal) read(line []byte) {
	var e struct{ Level, Msg, Account, Outcome, Stage, Trace, Listen string }
	if err := json.Unmarshal(line, &e); err != nil {
		j.strange = append(j.strange, string(line))
		return
	}
	j.messages[e.Msg]++
	if e.Listen != "" {
		j.listens = e.Listen
	}
	switch {
	case e.Msg == reloaded:
		clear(j.polled)
	case e.Msg == polled, e.Msg == endedEarly, strings.HasPrefix(e.Msg, notPolled):
		j.polled[e.Account] = true
	}
	switch {
	case e.Msg == "message" && (e.Outcome == "unknown" || e.Outcome == "held" && e.Stage == forwarder.StageDot.String()):
		j.unknown[e.Trace]++ // held: for the third time in a row
	case e.Msg == endedEarly:
		j.outcomes[e.Outcome]++
	case e.Level == "ERROR" && e.Msg != notReloaded:
		j.strange = append(j.strange, string(line))
	}
}

// said is how often something was said.
func (j *journal) said(msg string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.messages[msg]
}

// reloads is how many were answered, in one way or the other.
func (j *journal) reloads() int { return j.said(reloaded) + j.said(notReloaded) }

// ended is how many polls ended early with an outcome.
func (j *journal) ended(outcome string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.outcomes[outcome]
}

// accounts is how many had their turn since the configuration was read.
func (j *journal) accounts() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.polled)
}

// doubts is how often it was not known whether a message had arrived.
func (j *journal) doubts(trace string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unknown[trace]
}

// page is where the status page is.
func (j *journal) page() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return "http://" + j.listens
}

// check: nothing was said that points to a bug.
func (j *journal) check(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.strange) > 0 {
		t.Errorf("%d lines that should not be in the log, the first is %s", len(j.strange), j.strange[0])
	}
	t.Logf("said: %v; polls that ended early: %v", j.messages, j.outcomes)
}
