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

// newClient is an HTTP client that never leaves HTTPS: every answer comes from
// a server whose certificate was verified.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https":
			return fmt.Errorf("redirects out of HTTPS, to %s://%s", r.URL.Scheme, r.URL.Host)
		case r.URL.Port() != "" && r.URL.Port() != "443":
			return fmt.Errorf("redirects to port %s", r.URL.Port())
		case len(via) > maxRedirects:
			return errors.New("too many redirects")
		}
		// It contains the previous URL, and with it the address.
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
		return nil, fmt.Errorf("its answer has more than %d octets, the limit of a configuration", maxDocument)
	}
	return text, nil
}
