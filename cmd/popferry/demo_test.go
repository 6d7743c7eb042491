//go:build linux

package main

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
)

// demo --serve has a page to look at.
func TestDemoServesAPage(t *testing.T) {
	t.Parallel()
	p := command(t, "popferry", "demo", "--serve")
	p.begin(t)
	address := regexp.MustCompile(`Status page: (http\S+)`)
	testworld.WaitFor(t, "the page", func() bool {
		m := address.FindStringSubmatch(p.out.String())
		if m == nil {
			return false
		}
		res, err := http.Get(m[1])
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	if err := p.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.Wait() // killed
}
