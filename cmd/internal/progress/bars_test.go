//go:build unix

package progress

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// terminal is one with so many columns, and what was written to it.
func terminal(t *testing.T, columns uint16) (tty *os.File, written func() string) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var text []byte
	var reading sync.WaitGroup
	reading.Go(func() {
		p := make([]byte, 4096)
		for {
			n, err := master.Read(p)
			mu.Lock()
			text = append(text, p[:n]...)
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	closed := sync.OnceFunc(func() {
		_ = tty.Close() // what was written can still be read, and then an error
		reading.Wait()
		_ = master.Close()
	})
	t.Cleanup(closed)
	return tty, func() string {
		mu.Lock()
		defer mu.Unlock()
		return string(text)
	}
}

// await waits until a condition holds, three minutes at most.
func await(t *testing.T, what string, written func() string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s: %q", what, shown(t, written()))
		}
	}
}

// lineUp is what moves the cursor up so many lines and erases all below it.
var lineUp = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

// shown is what a terminal shows after all that was written to it.
func shown(t *testing.T, written string) []string {
	t.Helper()
	screen := []string{""}
	for written != "" {
		if m := lineUp.FindStringSubmatch(written); m != nil {
			var up int
			if _, err := fmt.Sscan(m[1], &up); err != nil || up >= len(screen) {
				t.Fatalf("%q in %q", m[0], screen)
			}
			screen = append(screen[:len(screen)-1-up], "")
			written = written[len(m[0]):]
			continue
		}
		if line, rest, ok := strings.Cut(written, "\r\n"); ok && !strings.Contains(line, "\x1b") {
			screen[len(screen)-1] += line
			screen, written = append(screen, ""), rest
			continue
		}
		screen[len(screen)-1] += written[:1]
		written = written[1:]
	}
	return screen
}

// TestBarsTearNothing: lines that many write while bars are drawn stand there
// whole, each once, with the bars below; in the end there are no bars.
func TestBarsTearNothing(t *testing.T) {
	t.Parallel()
	tty, written := terminal(t, 100)
	bars := NewBars(tty)
	var want []string
	tally := fetcher.Tally{Messages: 4, Octets: 4000}
	for i := range 4 {
		tally.Done, tally.Fetched = i, int64(1000*i)
		bars.Show(newStatus("isp", tally, 1000))
		bars.Show(newStatus("work", tally, 1000))
		var writers sync.WaitGroup
		for n := range 50 {
			line := fmt.Sprintf("a line of the log, number %d of those at %d messages", n, i)
			want = append(want, line)
			writers.Go(func() { _, _ = io.WriteString(bars, line+"\n") })
		}
		writers.Wait()
		await(t, "bars below the lines", written, func() bool {
			s, text := shown(t, written()), fmt.Sprintf("] %d of 4 messages, ", i)
			return len(s) == len(want)+3 && strings.HasPrefix(s[len(want)], "isp  [") && strings.Contains(s[len(want)], text) &&
				strings.HasPrefix(s[len(want)+1], "work [") && strings.Contains(s[len(want)+1], text)
		})
	}
	bars.Done("isp")
	bars.Done("nobody")
	bars.Close()
	_, _ = io.WriteString(bars, "the end\n")
	want = append(want, "the end")
	await(t, "last line", written, func() bool { return strings.Contains(written(), "the end\r\n") })
	got := shown(t, written())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got[1:], want) { // behind the last line end is nothing
		t.Errorf("the terminal shows %q", got)
	}
	if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(written()) {
		t.Error("there are colours")
	}
}

// TestNarrow: a line is never wider than the terminal, or it could not be
// drawn over.
func TestNarrow(t *testing.T) {
	t.Parallel()
	tty, written := terminal(t, 30)
	bars := NewBars(tty)
	bars.Show(newStatus("a very long name of an account", fetcher.Tally{Messages: 4, Octets: 4000}, 1000))
	await(t, "bar", written, func() bool { return strings.Contains(written(), "a very long name") })
	for _, line := range shown(t, written()) {
		if n := len([]rune(line)); n > 30 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	bars.Close()
}

// TestTerminalGone: a terminal that was closed ends the bars, and nobody hangs.
func TestTerminalGone(t *testing.T) {
	t.Parallel()
	tty, _ := terminal(t, 80)
	bars := NewBars(tty)
	_ = tty.Close()
	for limit := time.Now().Add(3 * time.Minute); ; {
		bars.Show(newStatus("isp", fetcher.Tally{}, 0))
		if _, err := io.WriteString(bars, "a line\n"); err != nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("it goes on")
		}
	}
	bars.Done("isp")
	bars.Close()
}

func TestCanShow(t *testing.T) {
	t.Parallel()
	tty, _ := terminal(t, 80)
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, c := range map[string]struct {
		f    *os.File
		term string
		want bool
	}{
		"a terminal":      {tty, "xterm", true},
		"a dumb terminal": {tty, "dumb", false},
		"a file":          {file, "xterm", false},
		"/dev/null":       {null, "xterm", false},
	} {
		if got := CanShow(c.f, func(string) string { return c.term }); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
