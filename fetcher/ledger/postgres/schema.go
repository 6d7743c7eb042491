package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/steps"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// migrations returns the steps of the schema; the n-th, counted from 0, leads from
// version n to n+1. The SQL of a released step never changes, and a step only adds:
// processes of older versions go on writing meanwhile. One that they must not write
// to any more sets ledger.oldest to the version that it leads to.
func migrations() ([]string, error) { return steps.Read(schemaFiles) }

// version is what a ledger says of its schema.
type version struct {
	id      string // of the ledger; "": there is none
	version int
	oldest  int    // that may write
	moved   string // where it is now; "": here
}

// prepare takes the remaining steps of the schema, and returns the ledger's id.
func (s *Store) prepare(ctx context.Context, conn *pgx.Conn, o Options) (id string, err error) {
	steps, err := migrations()
	if err != nil {
		return "", err
	}
	return s.migrate(ctx, conn, steps, o)
}

// migrationLock keeps processes from migrating at the same time, in one database.
const migrationLock = 0x706f7066_0000_0001

func (s *Store) migrate(ctx context.Context, conn *pgx.Conn, steps []string, o Options) (id string, err error) {
	v, err := s.readVersion(ctx, conn)
	if err == nil {
		err = s.judge(v, len(steps), o)
	}
	if err != nil || v.version >= len(steps) {
		return v.id, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		if v, err = s.readVersion(ctx, conn); err != nil { // another process may have done it
			return err
		}
		if v.id == "" {
			if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS popferry"); err != nil {
				return err
			}
		}
		const begin = "SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on; SET LOCAL search_path = popferry;"
		for ; v.version < len(steps); v.version++ {
			mark := fmt.Sprintf("; UPDATE ledger SET version = %d", v.version+1)
			if _, err := conn.PgConn().Exec(ctx, begin+steps[v.version]+mark).ReadAll(); err != nil {
				return fmt.Errorf("migrate the ledger to version %d: %w", v.version+1, err)
			}
		}
		v, err = s.readVersion(ctx, conn)
		return err
	})
	return v.id, err
}

// judge says whether a ledger can be used as it is, or once it is migrated.
func (s *Store) judge(v version, newest int, o Options) error {
	switch {
	case v.id == "" && (!o.Create || o.Look):
		return fmt.Errorf("%s: %w", s.db.Where, ledger.ErrMissing)
	case v.oldest > newest:
		return fmt.Errorf("%s has version %d of the schema, which only popferrys that know version %d may write to, and this one knows versions up to %d: %w; run the newer popferry",
			s.db.Where, v.version, v.oldest, newest, ledger.ErrNewer)
	case v.moved != "" && !o.Moved:
		return &ledger.MovedError{Where: s.db.Where, To: v.moved}
	case o.Look && v.version < newest:
		return &ledger.OlderError{Where: s.db.Where, Version: v.version, Newest: newest}
	}
	return nil
}

func (s *Store) readVersion(ctx context.Context, conn *pgx.Conn) (v version, err error) {
	// to_regclass does not see yet what another process has just made.
	const exists = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'popferry' AND tablename = 'ledger')"
	var there bool
	if err := conn.QueryRow(ctx, exists).Scan(&there); err != nil || !there {
		return version{}, err
	}
	err = conn.QueryRow(ctx, "SELECT id::text, version, oldest, moved FROM popferry.ledger").Scan(&v.id, &v.version, &v.oldest, &v.moved)
	if errors.Is(err, pgx.ErrNoRows) {
		return version{}, errors.New("its table popferry.ledger is empty: it is damaged, or not popferry's")
	}
	return v, err
}
