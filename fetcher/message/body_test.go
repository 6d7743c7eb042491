package message

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/spool"
)

// store puts a message into a spool that keeps it in memory, or in a file.
func store(t *testing.T, memory int64, octets string) *Body {
	t.Helper()
	b, err := Store(spool.New(t.TempDir(), memory).NewItem(), strings.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Release)
	return b
}

func TestStoreNormalizesAndCountsOctetsAsTheyCame(t *testing.T) {
	t.Parallel()
	const came = "Return-Path: <a@b.example>\r\nSubject: s\n\nbody \xff\r\n"
	b := store(t, 1<<20, came)
	if want := int64(len(came)); b.Octets != want {
		t.Errorf("%d octets, want %d", b.Octets, want)
	}
	if want := "Subject: s\r\n\r\nbody \xff\r\n"; b.Item.Size() != int64(len(want)) {
		t.Errorf("%d octets are stored, want those of %q", b.Item.Size(), want)
	}
	if !b.EightBit || b.Header.EightBit {
		t.Errorf("8-bit %v, in the header %v; want true, false", b.EightBit, b.Header.EightBit)
	}
	if b.Header.ReturnPath != "a@b.example" || b.Header.Subject != "s" {
		t.Errorf("Return-Path %q, Subject %q; want a@b.example, s", b.Header.ReturnPath, b.Header.Subject)
	}
}

func TestStoreReturnsTheErrorOfItsSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken off")
	_, err := Store(spool.New(t.TempDir(), 1<<20).NewItem(), brokenSource{broken})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

type brokenSource struct{ err error }

func (b brokenSource) WriteTo(w io.Writer) (int64, error) {
	n, _ := io.WriteString(w, "Subject: s\r\n\r\nhalf")
	return int64(n), b.err
}

func TestStoreReturnsTheErrorOfTheDisk(t *testing.T) {
	t.Parallel()
	_, err := Store(spool.New("/dev/null", 0).NewItem(), strings.NewReader("Subject: s\r\n\r\n"+strings.Repeat("x", 1<<16)))
	var disk *spool.Error
	if !errors.As(err, &disk) {
		t.Errorf("error %v, want a *spool.Error", err)
	}
}
