package setup

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/terminal"
)

// checkMailbox makes sure that the mailbox does not have an account already.
func (s *setup) checkMailbox(x Endpoint) error {
	if s.target.Existing == nil {
		return nil
	}
	for _, a := range s.target.Existing.Accounts {
		if strings.EqualFold(a.Host, x.Server.Host) && (a.Username == x.Username || a.Username == x.Address.Full) {
			return &app.ConfigError{Err: fmt.Errorf("this mailbox is set up already, as account %s in %s:%d; to change its password or anything else, edit what that file says", a.Name, a.File, a.Line)}
		}
	}
	return nil
}

// chooseName settles the account's name: its address, unless that is taken.
func (s *setup) chooseName(ctx context.Context, address string) (string, error) {
	name := cmp.Or(s.in.Name, address)
	for {
		taken := s.target.nameTaken(name)
		if taken == nil {
			return name, nil
		}
		if !s.Interactive() {
			return "", &app.ConfigError{Err: fmt.Errorf("%w; choose a name with --name", taken)}
		}
		s.Say("  %v.", taken)
		answer, err := s.Ask(ctx, "Another name for the account", "")
		if err != nil {
			return "", err
		}
		name = cmp.Or(answer, name)
	}
}

// chooseLeave settles leave_on_server.
func (s *setup) chooseLeave(ctx context.Context) (string, error) {
	if s.in.Leave != "" || !s.Interactive() {
		return s.in.Leave, nil
	}
	for {
		answer, err := s.Ask(ctx, "Keep mail in the mailbox after it is forwarded? (yes, no, or for how long: 14d, 2w, 36h)", "yes")
		if err != nil {
			return "", err
		}
		switch answer = strings.ToLower(answer); {
		case strings.HasPrefix("yes", answer), strings.HasPrefix(answer, "yes"):
			return "true", nil
		case strings.HasPrefix("no", answer):
			return "false", nil
		}
		if _, err := config.ParseLeave(answer); err == nil {
			return answer, nil
		}
		s.Say("  %q is neither yes, no nor a time such as 14d, 2w or 36h.", answer)
	}
}

// manyMessages are so many that an inbox may not take them in one day.
const manyMessages = 400

// chooseFirstRun settles first_run.
func (s *setup) chooseFirstRun(ctx context.Context) (string, error) {
	if s.in.FirstRun != "" || !s.Interactive() {
		return s.in.FirstRun, nil
	}
	if s.listed.messages > manyMessages {
		s.Say("  ! %s (%s) are in the mailbox. Many providers limit how much mail comes in a day; the rest then waits for the next day.",
			terminal.Count(s.listed.messages, "message"), terminal.Size(s.listed.octets))
	}
	return s.Choose(ctx, "Forward all mail that is there already, or only mail that is new from now on?", config.FirstRunAll, config.FirstRunNew)
}
