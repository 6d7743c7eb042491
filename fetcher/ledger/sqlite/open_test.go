package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driver "modernc.org/sqlite"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestOpenMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "popferry.db"), filepath.Join(dir, "no folder", "popferry.db")} {
		if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ledger.ErrMissing) {
			t.Errorf("%s: error %v, want %v", path, err, ledger.ErrMissing)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("the folder has %v, want nothing", left)
	}
}

// TestOpenEmpty: an empty file is not the same as none. It, and a log beside it,
// may be what is left of a ledger.
func TestOpenEmpty(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(t *testing.T, path string){
		"no octets": func(t *testing.T, path string) { overwrite(t, path, nil, 0) },
		"no octets and a log": func(t *testing.T, path string) {
			overwrite(t, path, nil, 0)
			overwrite(t, path+"-wal", []byte("the last entries"), 0)
		},
		"no tables": func(t *testing.T, path string) { statement(t, path, "VACUUM") },
	} {
		for _, create := range []bool{false, true} {
			path := newPath(t)
			fill(t, path)
			before := contents(t, path)
			if _, err := Open(t.Context(), path, Options{Create: create}); !errors.Is(err, ledger.ErrEmpty) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, create %v: error %v, want %v with the path", name, create, err, ledger.ErrEmpty)
			}
			if contents(t, path) != before {
				t.Errorf("%s, create %v: the files were changed, want them as they were", name, create)
			}
		}
	}
}

// TestCreateAfterCrash: what a process leaves that was killed while it made the
// ledger, and what an earlier ledger has left beside it, is in nobody's way.
func TestCreateAfterCrash(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	unfinished := filepath.Join(locksDir(path), "new")
	if err := os.Mkdir(locksDir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	overwrite(t, unfinished, []byte("half a ledger"), 0)
	overwrite(t, unfinished+"-journal", []byte("its journal"), 0)
	overwrite(t, path+"-wal", nil, 0)
	overwrite(t, path+"-shm", bytes.Repeat([]byte{0xaa}, 32<<10), 0)
	l := lease(t, create(t, path))
	if err := l.Put(t.Context(), held("1")); err != nil || count(t, l) != 1 {
		t.Errorf("%d rows, error %v; want 1, no error", count(t, l), err)
	}
	if left, _ := filepath.Glob(unfinished + "*"); len(left) > 0 {
		t.Errorf("%v is left, want nothing", left)
	}
}

// TestCreateFails: a ledger that could not be made leaves no file that would be
// taken for one.
func TestCreateFails(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	if err := os.MkdirAll(filepath.Join(locksDir(path), "new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{Create: true}); err == nil {
		t.Error("no error, want one")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat: %v, want no file", err)
	}
}

// TestOpenPaths: any path works, and only the owner can read what is made.
func TestOpenPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"popferry.db", "a b.db", "a?mode=memory", "a#b%20c&d", "ü\xff.db", "folder/in/folder/x"} {
		path := filepath.Join(t.TempDir(), "state", name)
		s := create(t, path)
		l := lease(t, s)
		for file, want := range map[string]os.FileMode{
			path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, l.lock.Path(): 0o600,
			filepath.Dir(path): 0o700 | os.ModeDir, locksDir(path): 0o700 | os.ModeDir,
		} {
			if info, err := os.Stat(file); err != nil || info.Mode() != want {
				t.Errorf("%q: %v, %v, want %v", file, info, err, want)
			}
		}
	}
}

// TestOpenSymlink: the locks are the same through a symbolic link.
func TestOpenSymlink(t *testing.T) {
	t.Parallel()
	path, link := newPath(t), filepath.Join(t.TempDir(), "link.db")
	l := lease(t, create(t, path))
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if _, err := create(t, link).Lease(t.Context(), l.account); !errors.Is(err, ledger.ErrLeased) {
		t.Errorf("a second lease through a symbolic link: error %v, want %v", err, ledger.ErrLeased)
	}
}

// TestOpenRefuses: a file that is not a good ledger is refused and not changed.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		want func(t testing.TB, err error)
	}{
		"a text": {
			make: func(t *testing.T, path string) {
				overwrite(t, path, bytes.Repeat([]byte("state: popferry.db\n"), 99), 0)
			},
			want: kind(Foreign),
		},
		"a database of another program": {
			make: func(t *testing.T, path string) { statement(t, path, "CREATE TABLE messages (id INTEGER)") },
			want: kind(Foreign),
		},
		"a newer one": {
			make: func(t *testing.T, path string) {
				_ = create(t, path).Close()
				statement(t, path, "PRAGMA user_version = 99; UPDATE ledger SET oldest = 99")
			},
			want: is(ledger.ErrNewer),
		},
		"a damaged first page": {
			make: func(t *testing.T, path string) {
				_ = create(t, path).Close()
				overwrite(t, path, bytes.Repeat([]byte{0xaa}, 3900), 100)
			},
			want: kind(Corrupt),
		},
		"cut off": {
			make: func(t *testing.T, path string) {
				_ = create(t, path).Close()
				if err := os.Truncate(path, 5000); err != nil {
					t.Fatal(err)
				}
			},
			want: kind(Corrupt),
		},
		"a log without its database": {
			make: func(t *testing.T, path string) { overwrite(t, path+"-wal", []byte("the last entries"), 0) },
			want: func(t testing.TB, err error) {
				if err == nil {
					t.Error("no error, want one")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			test.make(t, path)
			before := contents(t, path)
			_, err := Open(t.Context(), path, Options{Create: true})
			test.want(t, err)
			t.Log(err)
			if after := contents(t, path); after != before {
				t.Error("the files were changed, want them as they were")
			}
		})
	}
}

// TestDamagedInUse: damage may show only while the ledger is in use.
func TestDamagedInUse(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	l := lease(t, s)
	var page, size int64 // where the table begins
	if err := errors.Join(l.Put(t.Context(), held("1")),
		s.read.QueryRow("SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'messages'").Scan(&page, &size),
		l.Release(), s.Close()); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, bytes.Repeat([]byte{0xaa}, int(size)), (page-1)*size)

	s = create(t, path)
	_, err := (&Lease{store: s, account: l.account}).Known(t.Context())
	mustBe(t, err, Corrupt)
}

func kind(want Kind) func(testing.TB, error) {
	return func(t testing.TB, err error) { mustBe(t, err, want) }
}

func is(want error) func(testing.TB, error) {
	return func(t testing.TB, err error) {
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
}

// overwrite writes into a file, which it makes if it does not exist.
func overwrite(t *testing.T, path string, data []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// statement runs SQL as another program would.
func statement(t *testing.T, path, text string) {
	t.Helper()
	c, err := driver.NewConnector("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	_, err = db.Exec(text)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// contents is all that is in a database and its log.
func contents(t *testing.T, path string) string {
	t.Helper()
	var all string
	for _, p := range []string{path, path + "-wal"} {
		data, err := os.ReadFile(p)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all += p + "\n" + string(data)
	}
	return all
}
