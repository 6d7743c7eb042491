package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
)

// token is the token endpoint.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		Refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	form := withClient(r)
	if p.o.Answer != nil && p.o.Answer(w, form) {
		return
	}
	if !p.knows(w, form) {
		return
	}
	f, code, description := p.redeem(form)
	if f == nil {
		Refuse(w, http.StatusBadRequest, code, description)
		return
	}
	granted := p.grant(f)
	if p.o.Granted != nil {
		p.o.Granted(form)
	}
	answer(w, http.StatusOK, granted)
}

// withClient is the form of a request, with the client of its header.
func withClient(r *http.Request) url.Values {
	form := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
	return form
}

// knows reports whether a request is of the client; if not, it was refused.
func (p *Provider) knows(w http.ResponseWriter, form url.Values) bool {
	known := form.Get("client_id") == Client && (!p.o.Secret || form.Get("client_secret") == Secret)
	if !known {
		Refuse(w, http.StatusUnauthorized, "invalid_client", "the secret is not "+form.Get("client_secret"))
	}
	return known
}

// revoke ends the sign-in of a token (RFC 7009).
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		Refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	form := withClient(r)
	if !p.knows(w, form) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, ok := p.refresh[form.Get("token")]; ok {
		f.revoked = true
	}
	if t, ok := p.access[form.Get("token")]; ok {
		t.family.revoked = true
	}
	w.WriteHeader(http.StatusOK)
}

// redeem returns the sign-in that a request is for, or an error code.
func (p *Provider) redeem(form url.Values) (f *family, code, description string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch form.Get("grant_type") {
	case "authorization_code":
		g, ok := p.codes[form.Get("code")]
		delete(p.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || g.redirect != form.Get("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return nil, "invalid_grant", "no such code: " + form.Get("code")
		}
		return &family{user: g.user, scope: g.scope}, "", ""
	case "urn:ietf:params:oauth:grant-type:device_code":
		g, ok := p.devices[form.Get("device_code")]
		switch {
		case !ok:
			return nil, "expired_token", ""
		case g.denied:
			return nil, "access_denied", ""
		case !g.approved:
			return nil, "authorization_pending", ""
		}
		delete(p.devices, form.Get("device_code"))
		return &family{user: g.user, scope: g.scope}, "", ""
	case "refresh_token":
		return p.renew(form.Get("refresh_token"))
	}
	return nil, "unsupported_grant_type", ""
}

// renew ends the sign-in if the refresh token is not the newest one. It repeats it
// in its answer, as some do.
func (p *Provider) renew(token string) (f *family, code, description string) {
	f, ok := p.refresh[token]
	switch {
	case !ok:
		return nil, "invalid_grant", "no such token: " + token
	case !f.revoked && f.current != token:
		f.revoked = true
		p.revoked++
		return nil, "invalid_grant", "reused: " + token
	case f.revoked:
		return nil, "invalid_grant", "revoked: " + token
	}
	p.renewals++
	return f, "", ""
}

// grant makes the tokens of an answer (RFC 6749 section 5.1).
func (p *Provider) grant(f *family) map[string]any {
	access := p.secret("access")
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(p.o.Life.Seconds()), "scope": f.scope}
	if p.o.Until > 0 {
		answer["refresh_token_expires_in"] = int(p.o.Until.Seconds())
	}
	next := ""
	if f.current == "" || !p.o.Keeps {
		next = p.secret("refresh")
		answer["refresh_token"] = next
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[access] = issued{f, p.o.Now().Add(p.o.Life)}
	if next != "" {
		f.current = next
		p.refresh[next] = f
	}
	return answer
}
