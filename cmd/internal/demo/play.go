package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// play is the demo at work.
type play struct {
	*World
	out    io.Writer
	app    *app.App
	store  ledger.Store
	failed int // checks
}

// Play polls twice and says what happens. It checks what popferry guarantees; a
// check that fails is an error.
func (w *World) Play(ctx context.Context, r app.Resources, out io.Writer) error {
	text, err := os.ReadFile(w.Config)
	if err != nil {
		return err
	}
	cfg, err := app.Load(w.Config)
	if err != nil {
		return err
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	p := &play{World: w, out: out, store: store}
	if p.app, err = app.New(ctx, cfg, store, app.Options{Resources: r, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	defer p.app.Close()
	p.say("A POP3 server with three mailboxes listens on %s, an SMTP server on %s.\nThe configuration between them:\n\n%s", w.POP3(), w.SMTP(), text)
	first := p.poll(ctx, "First poll. One message is refused for good, one for now.")
	second := p.poll(ctx, "Second poll. The message that was refused for now is tried again; nothing else is new.")
	p.inbox()
	return p.check(ctx, first, second)
}

// say prints a line. A closed output is not an error.
func (p *play) say(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

// poll polls all mailboxes and prints what run --once prints. It returns the
// results by account.
func (p *play) poll(ctx context.Context, title string) map[string]fetcher.Result {
	p.say("%s", title)
	results := make(map[string]fetcher.Result)
	for _, res := range p.app.PollAll(ctx, true) {
		results[res.Account] = res
		p.say("  %s", report.PollLine(res))
		if line := report.ProblemLine(res); line != "" {
			p.say("  %s", line)
		}
	}
	p.say("")
	return results
}

func (p *play) inbox() {
	p.say("In the inbox:")
	for _, a := range p.Inbox() {
		p.say("  %9d octets  %-28s %s", a.Size, a.From, a.Subject)
	}
	p.say("")
}

// check checks what popferry guarantees.
func (p *play) check(ctx context.Context, first, second map[string]fetcher.Result) error {
	p.say("Checked:")
	intact, inbox := true, p.Inbox()
	for _, a := range inbox {
		intact = intact && a.Intact
	}
	again := second["isp"].Forwarded + second["work"].Forwarded + second["club"].Forwarded
	p.must(len(inbox) == 7, "7 of 8 messages are in the inbox, each of them once")
	p.must(intact, "every octet of them is as in the mailbox, below popferry's two trace lines")
	p.must(first["club"].Deferred == 1 && again == 1, "the message that was refused for now came with the second poll, and nothing came twice")
	p.must(p.Left("isp") == 1, "mailbox isp (leave_on_server: false) no longer has what was forwarded; the rest is still there")
	p.must(p.Left("work") == 3 && p.Left("club") == 2, "mailboxes work (true) and club (14d) still have all of their mail")
	held, err := p.held(ctx)
	if err != nil {
		return err
	}
	p.must(len(held) == 1, "the message that was refused for good is held, and still on its server: %v", held)
	if p.failed > 0 {
		return fmt.Errorf("the demo failed: %d of its checks", p.failed)
	}
	p.say("\nAll is well. To set up your own mailbox: popferry init")
	return nil
}

func (p *play) must(ok bool, format string, args ...any) {
	mark := "ok"
	if !ok {
		mark = "FAIL"
		p.failed++
	}
	p.say("  - "+mark+": "+format, args...)
}

// held lists the held messages with the server's reply.
func (p *play) held(ctx context.Context) (out []string, err error) {
	err = p.store.Messages(ctx, ledger.Filter{State: ledger.Held}, func(_ string, r *ledger.Record) error {
		out = append(out, r.Excerpt.Subject+": "+r.Recipients[0].Text)
		return nil
	})
	return out, err
}
