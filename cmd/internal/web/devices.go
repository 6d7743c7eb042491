package web

import (
	"cmp"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	deviceCookie = "popferry_device"
	// deviceLife is how long a browser is known after a login; browsers keep no
	// cookie for longer.
	deviceLife = 400 * 24 * time.Hour
	// deviceRounds makes guessing the password from a stolen cookie as slow as
	// OWASP recommends for a stolen hash of it.
	deviceRounds = 600_000
)

// devices recognizes browsers that have logged in before, by a signed cookie, so
// that what others guess does not keep them out. (OWASP calls these device
// cookies.) The key is made of the password: a browser stays known when popferry
// restarts, but not when the password changes. The cookie lets nobody in. The zero
// value is ready to use.
type devices struct {
	rounds   int // 0: deviceRounds; for tests
	mu       sync.Mutex
	password digest // that key was made of
	key      []byte
}

// of returns the browser that a request comes from, "" if it is not known.
func (d *devices) of(r *http.Request, password string) string {
	c, err := r.Cookie(deviceCookie)
	if err != nil {
		return ""
	}
	id, _, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(c.Value), []byte(d.sign(id, password))) {
		return ""
	}
	return id
}

// issue returns the cookie of a browser that has logged in. One that is known
// already stays who it is.
func (d *devices) issue(r *http.Request, password string) string {
	id := d.of(r, password)
	if id == "" {
		id = rand.Text()
	}
	return d.sign(id, password)
}

// sign returns the value of a browser's cookie.
func (d *devices) sign(id, password string) string {
	mac := hmac.New(sha256.New, d.keyOf(password))
	_, _ = mac.Write([]byte(id))
	return id + "." + hex.EncodeToString(mac.Sum(nil))
}

// keyOf returns the key for a password. It is made once, which takes a moment.
func (d *devices) keyOf(password string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if of := digestOf(password); d.key == nil || d.password != of {
		// It can fail only in FIPS 140 mode; a random key is as good until the next
		// restart.
		key, err := pbkdf2.Key(sha256.New, password, []byte("popferry device cookie"), cmp.Or(d.rounds, deviceRounds), sha256.Size)
		if err != nil {
			key = []byte(rand.Text())
		}
		d.key, d.password = key, of
	}
	return d.key
}
