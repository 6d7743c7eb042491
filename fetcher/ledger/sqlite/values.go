package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// The types below stand between the ledger's fields and their columns: a
// pointer to a field is cast to one and given to Scan, the field itself to Exec.

// millis is a time as Unix milliseconds; the zero time is NULL.
type millis time.Time

// Value implements driver.Valuer.
func (m millis) Value() (driver.Value, error) {
	if time.Time(m).IsZero() {
		return nil, nil
	}
	return time.Time(m).UnixMilli(), nil
}

// Scan implements sql.Scanner. Times are in UTC.
func (m *millis) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = millis{}
	case int64:
		*m = millis(time.UnixMilli(v).UTC())
	default:
		return fmt.Errorf("%T is no time", src)
	}
	return nil
}

// octets is a string that is kept as it is, octet by octet.
type octets string

// Value implements driver.Valuer. An empty string is an empty BLOB, not NULL.
func (o octets) Value() (driver.Value, error) {
	return append([]byte{}, o...), nil
}

// Scan implements sql.Scanner.
func (o *octets) Scan(src any) error {
	switch v := src.(type) {
	case []byte:
		*o = octets(v)
	default:
		return fmt.Errorf("%T is no string of octets", src)
	}
	return nil
}

// ids are a list of ids in one column; nil is an empty text.
type ids []int64

// Value implements driver.Valuer.
func (l ids) Value() (driver.Value, error) {
	var b []byte
	for i, id := range l {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(b), nil
}

// Scan implements sql.Scanner.
func (l *ids) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T is no list of ids", src)
	}
	*l = nil
	for word := range strings.FieldsSeq(text) {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return fmt.Errorf("a list of ids: %w", err)
		}
		*l = append(*l, id)
	}
	return nil
}

// state is a state as its name.
type state ledger.State

// Value implements driver.Valuer. A state that has no name is an error.
func (s state) Value() (driver.Value, error) {
	name := ledger.State(s).String()
	if _, err := ledger.ParseState(name); err != nil {
		return nil, err
	}
	return name, nil
}

// Scan implements sql.Scanner.
func (s *state) Scan(src any) error {
	name, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T is no state", src)
	}
	parsed, err := ledger.ParseState(name)
	*s = state(parsed)
	return err
}

// number is a whole number. Without it Scan would go through a text to make
// an int of SQLite's int64.
type number int

// Scan implements sql.Scanner.
func (n *number) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T is no number", src)
	}
	*n = number(v)
	return nil
}
