package web

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// errPassword is logged whenever web.password_file cannot be read.
const errPassword = "cannot read the password of the status page"

// login handles the login form.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) {
	token, wait, ok, err := h.auth.logIn(r, r.PostFormValue("password"))
	switch {
	case err != nil:
		h.Log.Error(errPassword, "error", err)
		h.loginPage(w, http.StatusInternalServerError, "popferry cannot read its password file. See the log.")
	case wait > 0:
		seconds := int(wait/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		h.loginPage(w, http.StatusTooManyRequests, fmt.Sprintf("Too many wrong passwords. Try again in %d s.", seconds))
	case !ok:
		h.Log.Warn("wrong password for the status page", "from", r.RemoteAddr)
		h.loginPage(w, http.StatusForbidden, "Wrong password.")
	default:
		http.SetCookie(w, cookie(r, token))
		redirect(w, "")
	}
}

// logout ends a session.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.auth.logOut(r)
	http.SetCookie(w, cookie(r, ""))
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
		ok, err := h.auth.admits(r)
		if err != nil {
			h.Log.Error(errPassword, "error", err)
		}
		if !ok {
			h.loginPage(w, http.StatusForbidden, "Please log in first.")
			return
		}
		// The action is completed even if the browser hangs up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readLimit)
		defer cancel()
		if err := do(ctx, r); err != nil {
			h.Log.Warn("action on the status page failed", "button", name, "account", r.PostFormValue("account"), "error", err)
			h.page(w, r, http.StatusConflict, err.Error())
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
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
