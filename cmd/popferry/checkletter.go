package main

import (
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/notice"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// testLetter is what check --send sends.
func testLetter(d config.Destination, e smtp.Envelope) *forwarder.Message {
	from := e.Sender
	if from == "" {
		from = e.Recipients[0]
	}
	m := notice.Compose(time.Now(), from, e.Recipients, "a test of "+d.Name,
		"popferry check --send sent this by the destination "+d.Name+", to see whether mail arrives. Nothing is to be done.\n")
	m.Sender = e.Sender
	return m
}
