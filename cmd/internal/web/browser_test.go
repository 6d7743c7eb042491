package web_test

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// screen is a browser's window, and what it is set to.
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

// browser is Chromium with a busy site open in it.
type browser struct {
	*testing.T
	ctx  context.Context
	site *site
	url  string

	mu         sync.Mutex // of the site, and of what follows
	complaints []string   // about the page's own policy, or what it loads
}

// patience is for a browser's whole test. Just after its installation, on a busy
// machine, its start alone can take longer than the 20 s that chromedp gives it.
const patience = 3 * time.Minute

// openBrowser starts Chromium, or skips the test where there is none, unless
// the environment says that everything is to be there.
func openBrowser(t *testing.T, sc screen) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("POPFERRY_REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b := &browser{T: t, site: newSite(t)}
	b.site.busy()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.site.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	limited, cancel := context.WithTimeout(t.Context(), patience) // one that hangs does not hold up the others
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(limited, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience))...)
	t.Cleanup(stop) // and waits for its end
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
		b.complaints = append(b.complaints, e.Entry.Text)
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// open shows a page.
func (b *browser) open(path string) {
	b.Helper()
	b.run(chromedp.Navigate(b.url + path))
}

// says waits for an element and tells its text.
func (b *browser) says(selector string) (text string) {
	b.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}

// click presses what is there, as a person does.
func (b *browser) click(selector string) {
	b.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
}

// logIn types a password into the page's form.
func (b *browser) logIn(password string) {
	b.Helper()
	b.open("/login")
	b.run(chromedp.WaitVisible("#password", chromedp.ByQuery), chromedp.SendKeys("#password", password, chromedp.ByQuery))
	b.click("form.login button")
}

// done is what the desk was asked for.
func (b *browser) done() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.site.actions.done)
}

// picture takes one of the whole page, keeps it where POPFERRY_SCREENSHOTS says,
// to be looked at, and holds that its corner is as the theme wants it.
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
		b.Errorf("%s: the page is %d %d %d, dark is %t", name, r>>8, g>>8, bl>>8, dark)
	}
}

// TestInBrowser does what a person does with the page: in both themes, on a wide
// and on a narrow screen, with and without JavaScript.
func TestInBrowser(t *testing.T) {
	for _, sc := range screens() {
		t.Run(sc.name, func(t *testing.T) {
			b := openBrowser(t, sc)
			b.open("/")
			b.says(".who a[href=login]")
			b.picture(sc.name+"-outside", sc.dark)
			b.logIn("open barley")
			if got := b.says("[role=alert]"); !strings.Contains(got, "not the password") {
				t.Errorf("after a wrong password: %q", got)
			}
			b.picture(sc.name+"-login", sc.dark)
			b.logIn(b.site.password)
			b.says(".who form[action=logout]")
			b.picture(sc.name, sc.dark)
			b.fits(sc.width)
			var want []string
			for _, press := range []struct{ selector, does, says string }{
				{".who form[action=poll] button", "poll ", "Asked for a poll"},
				{"article form[action=poll] button", "poll treasurer@club.example", "Asked for a poll"},
				{"form[action=retry] button", "retry isp uid-1\x00\xff", "due now"},
				{"form[action=skip] button", "skip isp uid-1\x00\xff", "left alone"},
			} {
				b.open("/")
				b.click(press.selector)
				if got := b.says("[role=status]"); !strings.Contains(got, press.says) {
					t.Errorf("%s: the page says %q", press.selector, got)
				}
				if want = append(want, press.does); !slices.Equal(b.done(), want) {
					t.Fatalf("%s: done was %q, want %q", press.selector, b.done(), want)
				}
			}
			b.open("/")
			b.click(".who form[action=logout] button")
			b.says(".who a[href=login]")
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.complaints) > 0 {
				t.Errorf("the browser complains: %q", b.complaints)
			}
		})
	}
}

// fits holds that nobody has to scroll sideways.
func (b *browser) fits(width int64) {
	b.Helper()
	var wide int64
	b.run(chromedp.Evaluate("document.documentElement.scrollWidth", &wide))
	if wide > width {
		b.Errorf("the page is %d wide on a screen of %d", wide, width)
	}
}
