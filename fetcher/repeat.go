package fetcher

import (
	"errors"

	"github.com/popferry/popferry/fetcher/pop3"
)

// repeat tells whether a session that broke is to be repeated, with nothing
// sent ahead: if that may have been why, once a poll, and unless the server
// wants a pause between logins.
func (r *run) repeat(err error) bool {
	var broken *PipelineError
	if !errors.As(err, &broken) || r.repeated {
		return false
	}
	learnt := &r.row.Server
	if r.s != nil {
		*learnt = r.s.Learnt
	}
	r.before = *learnt
	learnt.PipelineCuts++
	if broken.proves() || learnt.PipelineCuts >= maxPipelineBreaks {
		learnt.NoPipeliningSince, learnt.PipelineCuts = r.Now(), 0
	}
	if r.s != nil {
		r.s.Learnt = *learnt // record takes it from there
	}
	r.repeated = true
	r.log.Warn("the session broke while several commands were outstanding; from now on one at a time", "error", err)
	return r.gap() == 0
}

// notPipelining takes back what repeat noted if the session fails as well with
// one command at a time.
func (r *run) notPipelining(err error) error {
	var refused *pop3.Error
	var at *SourceError
	if !r.repeated || errors.As(err, &refused) || errors.As(err, &at) && (at.Step == StepConnect || at.Step == StepGreeting || at.Step == StepSTLS || at.Step == StepLogin) {
		return err // that says nothing about it
	}
	learnt := &r.row.Server
	if r.s != nil {
		learnt = &r.s.Learnt
	}
	learnt.NoPipeliningSince, learnt.PipelineCuts = r.before.NoPipeliningSince, r.before.PipelineCuts
	return err
}
