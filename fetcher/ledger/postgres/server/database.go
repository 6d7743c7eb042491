// Package server is a PostgreSQL server as popferry needs it: how it is reached, what
// is asked of it before it is trusted, and what its failures mean to a person.
package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectLimit bounds the way to a session: address, TLS, login and settings.
const connectLimit = 30 * time.Second

// Password is asked for at each connection. A nil one says nothing.
type Password func(context.Context) (string, error)

// Database is a database of a server.
type Database struct {
	Where    string // server and database, for errors
	config   *pgx.ConnConfig
	password Password
}

// New reads an address, which is a URL or a string of keywords as libpq knows them.
// Nil for the password stands for what the address, PGPASSFILE or a client
// certificate says.
func New(address string, password Password) (*Database, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		var parse *pgconn.ParseConfigError // it shows the address
		if errors.As(err, &parse) && parse.Unwrap() != nil {
			err = parse.Unwrap()
		}
		return nil, err
	}
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // rows are read in binary form
	config.ConnectTimeout = connectLimit
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "popferry"
	}
	return &Database{fmt.Sprintf("%s:%d/%s", config.Host, config.Port, config.Database), config, password}, nil
}

// Config is how it is connected to, without the password.
func (d *Database) Config() *pgx.ConnConfig { return d.config.Copy() }

// SetPassword puts the password of today in.
func (d *Database) SetPassword(ctx context.Context, config *pgx.ConnConfig) (err error) {
	if d.password != nil {
		config.Password, err = d.password(ctx)
	}
	return err
}

// Dial opens a connection with these settings, statements that are run first, to a
// server that takes writes.
func (d *Database) Dial(ctx context.Context, settings string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	config := d.Config()
	if err := d.SetPassword(ctx, config); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.PgConn().Exec(ctx, settings).ReadAll(); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}
