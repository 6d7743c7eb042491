package progress

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

const (
	barsInterval = 200 * time.Millisecond
	barsDelay    = time.Second
	barWidth     = 24 // columns, or fewer if the terminal is narrow
)

// Bars shows polls as bars on a terminal. Lines that are written to it appear
// above the bars. The bars have no colours, so NO_COLOR changes nothing.
type Bars struct {
	out  *os.File
	all  *mpb.Progress
	bars map[string]*bar
}

// bar is the bar of an account.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

// CanShow reports whether bars can be drawn on f: it must be a terminal that can
// move its cursor, which TERM=dumb cannot.
func CanShow(f *os.File, env func(string) string) bool {
	return env("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// NewBars draws bars on a terminal until Close.
func NewBars(out *os.File) *Bars {
	return &Bars{
		out:  out,
		all:  mpb.New(mpb.WithOutput(out), mpb.WithRefreshRate(barsInterval), mpb.WithWidth(barWidth)),
		bars: make(map[string]*bar),
	}
}

// Interval implements View.
func (b *Bars) Interval() (every, delay time.Duration) { return barsInterval, barsDelay }

// Show implements View.
func (b *Bars) Show(s Status) {
	text := s.String()
	a := b.bars[s.Account]
	if a == nil {
		a = new(bar)
		a.text.Store(&text)
		// The total is 0 at first, so that it can be changed and does not end the
		// bar when it is reached.
		var err error
		a.Bar, err = b.all.Add(0, mpb.BarStyle().Build(),
			mpb.PrependDecorators(decor.Name(label(s.Account), decor.WCSyncWidthR)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *a.text.Load() }, decor.WCSyncWidthR)))
		if err != nil {
			return // the terminal is gone
		}
		b.bars[s.Account] = a
	}
	a.text.Store(&text)
	done, of := s.Fetched, s.Octets
	if of == 0 { // a server that lists no sizes
		done, of = int64(s.Done), int64(s.Messages)
	}
	a.SetTotal(of, false)
	a.SetCurrent(done)
}

// Done implements View.
func (b *Bars) Done(account string) {
	if a := b.bars[account]; a != nil {
		a.Abort(true)
		delete(b.bars, account)
	}
}

// Unwrap returns the terminal.
func (b *Bars) Unwrap() io.Writer { return b.out }

// Write writes whole lines above the bars, also after Close.
func (b *Bars) Write(p []byte) (int, error) {
	n, err := b.all.Write(p)
	if errors.Is(err, mpb.ErrDone) {
		return b.out.Write(p)
	}
	return n, err
}

// Close implements View. Later writes go straight to the terminal.
func (b *Bars) Close() {
	for account := range b.bars {
		b.Done(account)
	}
	b.all.Wait()
}
