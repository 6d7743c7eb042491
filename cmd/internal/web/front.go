package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
)

// maxForm bounds the body of a request, in octets.
const maxForm = 16 << 10

// front is what every request passes: limits, the headers of answers, and the rules
// about who may ask.
type front struct {
	access func() Access
	log    *slog.Logger
	mux    http.Handler

	unknownHost, unknownProxy sync.Once // what is logged once
}

func newFront(access func() Access, log *slog.Logger, mux http.Handler) *front {
	// The cookie is SameSite=Strict; this protects requests without it, too.
	return &front{access: access, log: log, mux: http.NewCrossOriginProtection().Handler(mux)}
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), privateKey{}, isPrivate(r)), readLimit)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	protect(w.Header())
	access := f.access()
	client, ok := access.client(r)
	if !ok {
		f.unknownProxy.Do(func() {
			f.log.Warn("a proxy that is not trusted says whom it asks for, so they all share its limit on wrong passwords; this is logged once", "from", client,
				"remedy", "If the proxy is yours, add its address to web.trusted_proxies.")
		})
	}
	r.RemoteAddr = client // r is a copy
	if !access.knows(r.Host) && !isProbe(r) {
		f.misdirected(w, r)
		return
	}
	f.mux.ServeHTTP(w, r)
}

// protect sets the security headers of every answer: nothing is loaded from
// elsewhere, no script runs, no other site frames the page or learns its address.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// misdirected answers a request under a name that is not ours with 421
// (RFC 9110, section 15.5.20).
func (f *front) misdirected(w http.ResponseWriter, r *http.Request) {
	const most = 253 // characters of a host name
	name := hostOf(r.Host)
	name = name[:min(len(name), most)]
	f.unknownHost.Do(func() {
		f.log.Warn("the status page refuses requests under a host name that is not its own; this is logged once", "host", name, "from", r.RemoteAddr,
			"remedy", "If it is a name of the page, add it to web.hosts.")
	})
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusMisdirectedRequest)
	_, _ = fmt.Fprintf(w, "popferry does not answer to the host name %+q. If that is a name of this page, add it to the\n"+
		"configuration, as in web: {hosts: [mail.example.org]}. localhost and IP addresses need no entry.\n", name)
}
