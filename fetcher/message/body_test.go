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

// TestStoreDigested: the digest that is taken while a message comes is that of what is
// read again, in whatever pieces it comes.
func TestStoreDigested(t *testing.T) {
	t.Parallel()
	const header = "From: a@example.org\r\nSubject: s\r\n"
	for _, octets := range []string{
		"", "\r\n", "no header", header + "\r\nbody\nbare\r\n", "Return-Path: <a@example.org>\r\n" + header + "\r\nbody\r\n",
		"Return-Path: <a@\r\n example.org>\r\n" + header, "Return-Path: <a@example.org>", "Return-Path: <a@example.org>\r\n",
		"From a Sun Nov  1 10:00:00 2026\r\nReturn-Path: <a@example.org>\r\n" + header + "\r\nbody", header + "Return-Path: <a@example.org>\r\n\r\nbody",
		"Return-Path: <a@example.org>\rX: y\r\n" + header + "\r\nbody", "Return-Path: " + strings.Repeat("x", 2*headerLimit) + "\r\n" + header + "\r\nbody",
	} {
		for _, size := range []int{1, 7, 100, 1 << 20} {
			s := spool.New(t.TempDir(), 0)
			want, err := Store(s.NewItem(), strings.NewReader(octets))
			got, err2 := StoreDigested(s.NewItem(), &pieces{[]byte(octets), size})
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			x, err := want.Digest()
			y, err2 := got.Digest()
			if x != y || err != nil || err2 != nil {
				t.Errorf("%.60q in pieces of %d: %s (%v), want %s (%v)", octets, size, y, err2, x, err)
			}
			if got.digest == "" && got.Item.Size() > 0 && size > len(octets) && len(octets) < headerLimit {
				t.Errorf("%.60q is read again", octets)
			}
			want.Release()
			got.Release()
		}
	}
}
