package retained_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/fetcher/spool"
)

// keeper is a ledger that keeps copies as soon as they are staged.
type keeper map[string]string

func (k keeper) StageCopy(name string, octets io.WriterTo) {
	var s strings.Builder
	_, _ = octets.WriteTo(&s)
	k[name] = s.String()
}

func (k keeper) PutCopy(context.Context, *ledger.Record) error { return nil }

func (k keeper) CopyNames(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(k)), nil
}

func (k keeper) OpenCopy(name string) (io.WriterTo, error) {
	octets, ok := k[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return strings.NewReader(octets), nil
}

// Wherever copies lie, a message is read back as it was kept, under the name that its
// row gets, and what cannot be read is an error that says where it was looked for.
func TestCopyIsReadBackAsItWasKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	for place, copies := range map[string]retained.Copies{dir: retained.Folder{Dir: dir, Account: 7}, "the ledger": retained.Ledger{Keeper: keeper{}}} {
		items := spool.New(t.TempDir(), 1<<20)
		const octets = "Return-Path: <a@example.org>\r\nSubject: a\r\n\r\nb\r\n"
		b, err := message.Store(items.NewItem(), strings.NewReader(octets))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Release()
		rec := &ledger.Record{Account: 7, Known: ledger.Known{UID: "uid", Generation: 2}}
		name, digest, err := copies.Keep(rec, b)
		if err != nil {
			t.Fatal(err)
		}
		if want := retained.Name(retained.Prefix(7, "uid", 2), digest); name != want || retained.PrefixOf(name) != retained.Prefix(7, "uid", 2) || ledger.CheckCopyName(name) != nil {
			t.Errorf("in %s: name %q, want %q", place, name, want)
		}
		list, err := copies.List(t.Context())
		if err != nil || len(list) != 1 || list[0].Name != name || list[0].Path != "" && list[0].Modified.IsZero() {
			t.Errorf("in %s: list %+v, %v; want %s", place, list, err, name)
		}
		got, err := copies.Read(name, items.NewItem())
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		var s strings.Builder
		if _, err := got.WriteTo(&s); err != nil || s.String() != octets {
			t.Errorf("in %s: read %q, %v; want %q", place, s.String(), err, octets)
		}
		for _, other := range []string{"7-0-0.eml", "", "../kept/" + name} {
			_, err := copies.Read(other, items.NewItem())
			if e, ok := errors.AsType[*retained.Error](err); !ok || !strings.Contains(e.Error(), " in "+place+": ") {
				t.Errorf("in %s: reading %q: error %v, want a *retained.Error that names the place", place, other, err)
			}
		}
	}
}

// Nothing that is not the account's is listed, and only names of copies are removed.
func TestFolderHasOnlyTheAccountsCopies(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	f := retained.Folder{Dir: filepath.Join(top, "kept"), Account: 1}
	if err := os.Mkdir(f.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kept/1-a.eml", "kept/1-b.tmp", "kept/2-a.eml", "kept/11-a.eml", "1-c.eml"} {
		if err := os.WriteFile(filepath.Join(top, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := f.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Path != filepath.Join(f.Dir, "1-a.eml") {
		t.Errorf("list %+v, %v; want 1-a.eml alone", list, err)
	}
	for _, name := range []string{"", "../1-c.eml", "1-b.tmp", "1-a.eml"} {
		f.Drop(name)
	}
	var left []string
	for _, pattern := range []string{"kept/*", "*.eml"} {
		paths, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			left = append(left, filepath.Base(path))
		}
	}
	if want := []string{"1-b.tmp", "11-a.eml", "2-a.eml", "1-c.eml"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}
