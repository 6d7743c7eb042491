// Package seal seals the tokens of sign-ins before a store gives them to a database,
// so that it, its standbys and its backups hold nothing that opens a mailbox.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Sealer seals and unseals. A nil one can do neither.
type Sealer struct{ keys []sealingKey }

// sealingKey is one of its keys: AES-256-GCM (NIST SP 800-38D), whose nonces are
// random, which is safe for 2^32 tokens.
type sealingKey struct {
	id   []byte // stands before what it sealed
	aead cipher.AEAD
}

// keySize is the size of a key, in octets.
const keySize = 32

// Error: tokens cannot be sealed or unsealed.
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

// New reads keys: one a line, each 32 octets in base64. The first one seals,
// and all open: to change the key, put the new one first, and take the old one out
// once every sign-in was renewed. The error does not show them.
func New(file string) (*Sealer, error) {
	s := &Sealer{}
	for n, line := range strings.Split(file, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("line %d is not a key: it has to be %d octets in base64, as `openssl rand -base64 %[2]d` writes them", n+1, keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		id := sha256.Sum256(append([]byte("popferry token key\x00"), key...))
		s.keys = append(s.keys, sealingKey{id[:4], aead})
	}
	if len(s.keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return s, nil
}

// Seal seals a token. The error is an *Error. What it is of goes into the seal: none can be put in another's
// place. An empty token stays empty.
func (s *Sealer) Seal(token string, key ledger.TokenKey, field string) (string, error) {
	switch {
	case token == "":
		return "", nil
	case s == nil:
		return "", &Error{"sign-ins are kept in the database only if they can be sealed: set token_key_file"}
	}
	k := s.keys[0]
	return string(k.aead.Seal(bytes.Clone(k.id), nil, []byte(token), about(key, field))), nil
}

// Open is the inverse of Seal.
func (s *Sealer) Open(sealed string, key ledger.TokenKey, field string) (string, error) {
	switch {
	case sealed == "":
		return "", nil
	case s == nil:
		return "", &Error{"the sign-in is sealed: set token_key_file"}
	}
	for _, k := range s.keys {
		rest, ok := bytes.CutPrefix([]byte(sealed), k.id)
		if !ok {
			continue
		}
		if token, err := k.aead.Open(nil, nil, rest, about(key, field)); err == nil {
			return string(token), nil
		}
	}
	return "", &Error{"the sign-in was sealed with a key that is not in token_key_file, or was changed since: put that key back, or sign in again with popferry login"}
}

func about(key ledger.TokenKey, field string) []byte {
	sum := sha256.Sum256([]byte(strings.Join([]string{key.Provider, key.Client, key.User, field}, "\x00")))
	return sum[:]
}
