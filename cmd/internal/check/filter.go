package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/probe"
)

// stepFilter is the step of an account's filter.
const stepFilter = "filter"

// sample is the message that a filter is tried with, but for its date.
const sample = "Return-Path: <popferry@example.org>\r\n" +
	"Received: from mail.example.org by mail.example.net; %[1]s\r\n" +
	"From: popferry check <popferry@example.org>\r\n" +
	"To: you@example.net\r\n" +
	"Subject: A made-up message\r\n" +
	"Date: %[1]s\r\n" +
	"Message-ID: <popferry-check@example.org>\r\n" +
	"\r\n" +
	"popferry check shows this message to the filter of an account. It is not sent.\r\n"

// filter tries an account's filter with a small made-up message, and reports what it
// would do. The error is that of the filter.
func (c *checker) filter(ctx context.Context, a config.Account, report func(Step)) error {
	d, ok := c.Config.Destination(a.Forward)
	f := c.Resources.Filter(a, d)
	if !ok || f == nil {
		return nil
	}
	began := time.Now()
	v, err := f.Look(ctx, strings.NewReader(fmt.Sprintf(sample, began.Format(time.RFC1123Z))))
	step := probe.Step{Name: stepFilter, Took: time.Since(began), Err: err}
	switch {
	case err != nil:
		report(NewStep(step, cause.Of(err).Remedy))
		return err
	case v.Drop && v.Reason != "":
		step.Note = fmt.Sprintf("exit code 99: it would not send a made-up message (%s)", v.Reason)
	case v.Drop:
		step.Note = "exit code 99: it would not send a made-up message"
	case len(v.To) > 0:
		step.Note = "exit code 0: it would send a made-up message to " + strings.Join(v.To, ", ")
	default:
		step.Note = "exit code 0: it would send a made-up message"
	}
	report(NewStep(step, ""))
	return nil
}
