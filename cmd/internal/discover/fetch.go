package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	maxDocument  = 256 << 10 // octets; a configuration has a few thousand
	maxRedirects = 5
)

// newClient is an HTTP client that stays in HTTPS, so that what it brings is
// from who it was asked of.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https":
			return fmt.Errorf("leads out of HTTPS, to %s://%s", r.URL.Scheme, r.URL.Host)
		case len(via) > maxRedirects:
			return errors.New("leads from one place to the next, without end")
		}
		// It would tell whoever comes next the URL before, with the address in it.
		r.Header.Del("Referer")
		return nil
	}}
}

// fetch gets a document over HTTPS.
func (f *Finder) fetch(ctx context.Context, url string) (_ []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "popferry")
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s", answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading its answer: %w", err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("its answer is larger than %d octets", maxDocument)
	}
	return text, nil
}
