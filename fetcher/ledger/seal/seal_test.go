package seal_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/seal"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	for name, file := range map[string]string{"empty": "", "only a comment": "# nothing\n", "short": "aGVsbG8=\n", "no base64": strings.Repeat("!", 44), "a second that is none": good + "\nhunter2\n"} {
		if _, err := seal.New(file); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that does not show the file", name, err)
		}
	}
	if _, err := seal.New("# of today\r\n" + good + "\r\n\r\n"); err != nil {
		t.Error(err)
	}
}

// TestSeal: a token opens for what it was sealed for, and nothing else.
func TestSeal(t *testing.T) {
	t.Parallel()
	s, err := seal.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	if err != nil {
		t.Fatal(err)
	}
	leo, eve := ledger.TokenKey{Provider: "p", Client: "c", User: "leo"}, ledger.TokenKey{Provider: "p", Client: "c", User: "eve"}
	sealed, err := s.Seal("token", leo, "access")
	again, err2 := s.Seal("token", leo, "access")
	if err != nil || err2 != nil || sealed == again || strings.Contains(sealed, "token") {
		t.Fatalf("sealed as %q and %q, %v, %v: want two that differ", sealed, again, err, err2)
	}
	if got, err := s.Open(sealed, leo, "access"); got != "token" || err != nil {
		t.Errorf("opened as %q, %v", got, err)
	}
	for name, open := range map[string]func() (string, error){
		"for another user":  func() (string, error) { return s.Open(sealed, eve, "access") },
		"as another field":  func() (string, error) { return s.Open(sealed, leo, "refresh") },
		"changed":           func() (string, error) { return s.Open(sealed[:len(sealed)-1]+"x", leo, "access") },
		"never sealed":      func() (string, error) { return s.Open("token", leo, "access") },
		"without a sealer":  func() (string, error) { return (*seal.Sealer)(nil).Open(sealed, leo, "access") },
		"sealing with none": func() (string, error) { return (*seal.Sealer)(nil).Seal("token", leo, "access") },
	} {
		got, err := open()
		if _, ok := errors.AsType[*seal.Error](err); !ok || got != "" {
			t.Errorf("%s: %q, %v, want an error", name, got, err)
		}
	}
	if got, err := (*seal.Sealer)(nil).Seal("", leo, "refresh"); got != "" || err != nil {
		t.Errorf("no token: %q, %v, want none", got, err)
	}
}
