package browser

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// screen is a browser window and its settings.
type screen struct {
	name          string
	dark          bool
	width, height int64
	noScripts     bool
}

func screens() []screen {
	return []screen{
		{name: "light", width: 1200, height: 900},
		{name: "dark", dark: true, width: 1200, height: 900, noScripts: true},
		{name: "narrow", width: 400, height: 800, noScripts: true},
	}
}

// browser is Chromium with the page of a site.
type browser struct {
	*site
	ctx context.Context

	mu       sync.Mutex
	problems []string // violations of the page's policy, and failed loads
}

// browserLimit bounds a test. Just after its installation, on a busy machine,
// Chromium alone can need longer than the 20 s that chromedp allows.
const browserLimit = 3 * time.Minute

// openBrowser starts Chromium for a site.
func openBrowser(t *testing.T, sc screen, s *site) *browser {
	t.Helper()
	path := require(t, "chromium")
	b := &browser{site: s}
	limited, cancel := context.WithTimeout(t.Context(), browserLimit)
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(limited, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(browserLimit))...)
	t.Cleanup(stop) // waits for the end of Chromium
	b.ctx, cancel = chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	chromedp.ListenTarget(b.ctx, b.listen)
	scheme := "light"
	if sc.dark {
		scheme = "dark"
	}
	b.run(log.Enable(), chromedp.EmulateViewport(sc.width, sc.height), emulation.SetScriptExecutionDisabled(sc.noScripts),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
	return b
}

func (b *browser) listen(event any) {
	e, ok := event.(*log.EventEntryAdded)
	if !ok || e.Entry.Level != log.LevelError && e.Entry.Level != log.LevelWarning {
		return
	}
	// The answer to a wrong password is 403, which browsers report as well.
	if !strings.Contains(e.Entry.Text, "403") {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, e.Entry.Text)
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// open loads a page. The page before may refresh itself just then, which aborts that.
func (b *browser) open(path string) {
	b.Helper()
	err := chromedp.Run(b.ctx, chromedp.Navigate(b.url+path))
	if err != nil && strings.Contains(err.Error(), "net::ERR_ABORTED") {
		err = chromedp.Run(b.ctx, chromedp.Navigate(b.url+path))
	}
	if err != nil {
		b.Fatal(err)
	}
}

// openWith loads the status page until it has an element: popferry reads the ledger
// for it at most every few seconds.
func (b *browser) openWith(selector string) {
	b.Helper()
	b.await(selector, func() bool {
		b.open("/")
		var found []*cdp.Node
		b.run(chromedp.Nodes(selector, &found, chromedp.ByQueryAll, chromedp.AtLeast(0)))
		return len(found) > 0
	})
}

// text waits for an element and returns its text.
func (b *browser) text(selector string) (text string) {
	b.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}

// click waits for an element and clicks it.
func (b *browser) click(selector string) {
	b.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
}

// logIn fills in the login form.
func (b *browser) logIn(password string) {
	b.Helper()
	b.open("/login")
	b.run(chromedp.WaitVisible("#password", chromedp.ByQuery), chromedp.SendKeys("#password", password, chromedp.ByQuery))
	b.click("form.login button")
}

// picture takes a screenshot of the whole page, and checks the colour of its
// corner.
func (b *browser) picture(name string, dark bool) {
	b.Helper()
	var octets []byte
	b.run(chromedp.FullScreenshot(&octets, 100))
	if folder := os.Getenv("POPFERRY_SCREENSHOTS"); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, name+".png"), octets, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	picture, err := png.Decode(bytes.NewReader(octets))
	if err != nil {
		b.Fatal(err)
	}
	if r, g, bl, _ := picture.At(2, 2).RGBA(); (r+g+bl)/3 < 0x8000 != dark {
		b.Errorf("%s: the page is %d %d %d, want it dark: %t", name, r>>8, g>>8, bl>>8, dark)
	}
}

// checkWidth checks that the page needs no horizontal scrolling.
func (b *browser) checkWidth(width int64) {
	b.Helper()
	var got int64
	b.run(chromedp.Evaluate("document.documentElement.scrollWidth", &got))
	if got > width {
		b.Errorf("the page is %d wide, want at most %d", got, width)
	}
}

// TestStatusPage uses the page as a user does: in both themes, on a wide and on a
// narrow screen, with and without JavaScript.
func TestStatusPage(t *testing.T) {
	for _, sc := range screens() {
		t.Run(sc.name, func(t *testing.T) {
			b := openBrowser(t, sc, startSite(t))
			b.open("/")
			b.text(".who a[href=login]")
			b.picture(sc.name+"-outside", sc.dark)
			b.logIn("open barley")
			if got := b.text("[role=alert]"); got != "Wrong password." {
				t.Errorf("after a wrong password the page says %q, want %q", got, "Wrong password.")
			}
			b.picture(sc.name+"-login", sc.dark)
			b.logIn(password)
			b.text(".who form[action=logout]")
			b.picture(sc.name, sc.dark)
			b.checkWidth(sc.width)
			b.pressButtons()
			b.open("/")
			b.click(".who form[action=logout] button")
			b.text(".who a[href=login]")
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.problems) > 0 {
				t.Errorf("the browser reports %q, want nothing", b.problems)
			}
		})
	}
}

// pressButtons presses each kind of button, and waits for its effect: a poll of an
// account, and the state of the refused message.
func (b *browser) pressButtons() {
	b.Helper()
	for _, press := range []struct{ selector, says, polls, state string }{
		{".who form[action=poll] button", "Poll requested", "work", "held"},
		{"article form[action=poll] button", "Poll requested", failing, "held"},
		{"form[action=retry]:has(input[value=isp]) button", "due now", "isp", "held"}, // it is refused again
		{"form[action=skip]:has(input[value=isp]) button", "leaves the message alone", "", "skipped"},
	} {
		b.openWith(press.selector)
		before := b.polled(press.polls)
		b.click(press.selector)
		if got := b.text("[role=status]"); !strings.Contains(got, press.says) {
			b.Errorf("%s: the page says %q, want %q in it", press.selector, got, press.says)
		}
		b.await("the effect of "+press.selector, func() bool {
			return (press.polls == "" || b.polled(press.polls) > before) && b.refusedState() == press.state
		})
	}
}
