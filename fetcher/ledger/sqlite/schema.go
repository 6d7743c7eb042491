package sqlite

import (
	"embed"
	"errors"
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/steps"
)

// applicationID marks a database as popferry's: "popf" (PRAGMA application_id,
// shown by file(1)).
const applicationID = 0x706f7066

//go:embed schema/*.sql
var schemaFiles embed.FS

// migrations returns the steps of the schema; the n-th, counted from 0, leads
// from version n to n+1. The SQL of a released step never changes, and from 017 on a
// step only adds: processes of older versions go on writing meanwhile. One that they
// must not write to any more sets ledger.oldest to the version that it leads to.
func migrations() ([]string, error) { return steps.Read(schemaFiles) }

// migrate takes the remaining steps of the schema in one transaction. It returns
// ledger.ErrNewer for a newer database, an *Error of kind Foreign for one of
// another program, and ledger.ErrEmpty for an empty one unless create. The
// caller keeps other processes from migrating at the same time.
func migrate(c *writeConn, path string, steps []string, create bool) error {
	version, err := checkVersion(c, path, len(steps))
	switch {
	case err != nil:
		return err
	case version == 0 && !create:
		return empty(path)
	case version >= len(steps):
		return nil // without a transaction, so as not to wait for a writing process
	}
	results, err := c.transaction(func(c *writeConn) error {
		for ; version < len(steps); version++ {
			mark := fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version+1)
			if err := c.script(steps[version] + mark); err != nil {
				return fmt.Errorf("migrate the ledger to version %d: %w", version+1, err)
			}
		}
		return nil
	})
	return errors.Join(append(results, err)...)
}

// checkVersion returns the version of the schema, 0 for an empty database.
func checkVersion(c *writeConn, path string, newest int) (int, error) {
	var id, version, tables int
	err := c.scan("SELECT a.application_id, v.user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id a, pragma_user_version v",
		nil, &id, &version, &tables)
	switch {
	case err != nil:
		return 0, err
	case id == applicationID && version > newest:
		oldest := version
		if err := c.scan("SELECT oldest FROM ledger", nil, &oldest); err != nil {
			return 0, err
		}
		if oldest > newest {
			return 0, fmt.Errorf("%s has version %d of the schema, which only popferrys that know version %d may write to, and this one knows versions up to %d: %w; run the newer popferry", path, version, oldest, newest, ledger.ErrNewer)
		}
	case id != applicationID && (id != 0 || version != 0 || tables != 0):
		return 0, &Error{Doing: "open the ledger", Path: path, Kind: Foreign, Err: fmt.Errorf("application id %d, version %d, %d tables", id, version, tables)}
	}
	return version, nil
}
