package web

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// login takes the password of the form.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	token, wait, ok, err := h.gate.enter(r, r.PostFormValue("password"))
	switch {
	case err != nil:
		h.Log.Error("the password of the status page cannot be read", "error", err)
		h.loginPage(w, http.StatusInternalServerError, "The password cannot be read here; the log tells why.")
	case wait > 0:
		seconds := int(wait/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		h.loginPage(w, http.StatusTooManyRequests, fmt.Sprintf("Too many wrong passwords. Try again in %d s.", seconds))
	case !ok:
		h.Log.Warn("wrong password for the status page", "from", origin(r))
		h.loginPage(w, http.StatusForbidden, "That is not the password.")
	default:
		http.SetCookie(w, cookie(r, token))
		back(w, "")
	}
}

// logout ends a session.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.gate.leave(r)
	http.SetCookie(w, cookie(r, ""))
	back(w, "")
}

// done is what the page says after a button.
func done() map[string]string {
	return map[string]string{
		"poll":  "Asked for a poll. What comes of it shows here in a moment.",
		"retry": "The message is due now, and its account is polled.",
		"skip":  "The message is left alone for good. popferry retry takes that back.",
	}
}

// act is a handler for a button: for those who gave the password only.
func (h *Handler) act(name string, do func(ctx context.Context, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ok, err := h.gate.admits(r)
		if err != nil {
			h.Log.Error("the password of the status page cannot be read", "error", err)
		}
		if !ok {
			h.loginPage(w, http.StatusForbidden, "This takes the password.")
			return
		}
		// It is done whether or not the browser waits for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readLimit)
		defer cancel()
		if err := do(ctx, r); err != nil {
			h.Log.Warn("a button of the status page did not work", "button", name, "account", r.PostFormValue("account"), "error", err)
			h.page(w, r, http.StatusConflict, err.Error())
			return
		}
		h.Log.Info("a button of the status page was pressed", "button", name, "account", r.PostFormValue("account"), "from", origin(r))
		back(w, name)
	}
}

// onMessage reads which message a button means.
func onMessage(do func(ctx context.Context, account, uid string) error) func(context.Context, *http.Request) error {
	return func(ctx context.Context, r *http.Request) error {
		uid, err := hex.DecodeString(r.PostFormValue("uid"))
		if err != nil || len(uid) == 0 {
			return fmt.Errorf("no message has the UID %q: the octets are to be written in hexadecimal", r.PostFormValue("uid"))
		}
		return do(ctx, r.PostFormValue("account"), string(uid))
	}
}

// poll reads which account a button means.
func (h *Handler) poll(_ context.Context, r *http.Request) error {
	return h.Actions.Poll(r.PostFormValue("account"))
}

// back sends the browser to the page. The way is a relative one, so that a
// proxy may have the page under another path.
func back(w http.ResponseWriter, did string) {
	to := "./"
	if did != "" {
		to += "?did=" + did
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
