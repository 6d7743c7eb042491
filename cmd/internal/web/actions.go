package web

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// login handles the login form.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	cookies, v := h.auth.logIn(r, r.PostFormValue("password"))
	h.note(r, v)
	if !v.ok {
		v.wrong = v.err == nil && v.wait == 0 // also where no password is configured
		code, words := refusal(w, v)
		h.loginPage(w, code, words)
		return
	}
	for _, c := range cookies {
		http.SetCookie(w, c)
	}
	redirect(w, "")
}

// visitor checks whether a request is from somebody who is logged in.
func (h *Handler) visitor(r *http.Request) verdict {
	v := h.auth.admits(r)
	h.note(r, v)
	return v
}

// note logs what the owner has to know of a login. The line about wrong passwords
// is what fail2ban and the like look for.
func (h *Handler) note(r *http.Request, v verdict) {
	switch {
	case v.err != nil:
		h.Log.Error("nobody can log in to the status page: cannot use its password", "error", v.err)
	case v.wrong:
		h.Log.Warn("wrong password for the status page", "from", r.RemoteAddr)
	}
}

// refusal returns the status code for those who are not let in, and what to tell
// them. It sets Retry-After.
func refusal(w http.ResponseWriter, v verdict) (code int, words string) {
	switch {
	case v.err != nil:
		return http.StatusInternalServerError, "Nobody can log in: popferry cannot use the password in web.password_file. See the log."
	case v.wait > 0:
		seconds := int(v.wait/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return http.StatusTooManyRequests, fmt.Sprintf("Too many wrong passwords. Try again in %d s.", seconds)
	case v.wrong:
		return http.StatusForbidden, "Wrong password."
	}
	return http.StatusForbidden, "Please log in first."
}

// logout ends a session.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.auth.logOut(r)
	http.SetCookie(w, cookie(r, sessionCookie, ""))
	redirect(w, "")
}

// confirmation is what the page says after an action.
func confirmation(action string) string {
	return map[string]string{
		"poll":  "Poll requested. The result appears here in a moment.",
		"retry": "The message is due now, and its account is being polled.",
		"skip":  "popferry leaves the message alone from now on. To undo this, use popferry retry.",
	}[action]
}

// act returns the handler of a button. It requires a login.
func (h *Handler) act(name string, do func(ctx context.Context, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := h.visitor(r)
		if !v.ok {
			code, words := refusal(w, v)
			h.loginPage(w, code, words)
			return
		}
		// The action is completed even if the browser hangs up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readLimit)
		defer cancel()
		if err := do(ctx, r); err != nil {
			h.Log.Warn("action on the status page failed", "button", name, "account", r.PostFormValue("account"), "error", err)
			h.page(w, r, v, http.StatusConflict, err.Error())
			return
		}
		h.Log.Info("action on the status page", "button", name, "account", r.PostFormValue("account"), "from", r.RemoteAddr)
		redirect(w, name)
	}
}

// onMessage reads which message a button is about.
func onMessage(do func(ctx context.Context, account, uid string) error) func(context.Context, *http.Request) error {
	return func(ctx context.Context, r *http.Request) error {
		uid, err := hex.DecodeString(r.PostFormValue("uid"))
		if err != nil || len(uid) == 0 {
			return fmt.Errorf("%q is not a UID in hexadecimal", r.PostFormValue("uid"))
		}
		return do(ctx, r.PostFormValue("account"), string(uid))
	}
}

// poll reads which account a button is about.
func (h *Handler) poll(_ context.Context, r *http.Request) error {
	return h.Actions.Poll(r.PostFormValue("account"))
}

// redirect sends the browser back to the status page. The path is relative, so
// that a proxy may serve the page under another path.
func redirect(w http.ResponseWriter, action string) {
	to := "./"
	if action != "" {
		to += "?did=" + action
	}
	seeOther(w, to)
}

// seeOther sends the browser to another page.
func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
