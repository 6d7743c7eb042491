package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text sets a string of one line. Its errors do not show the value.
func text(p *string) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if ok && strings.IndexFunc(s, unicode.IsControl) >= 0 {
			v.fail("must be a single line without control characters")
			return
		}
		*p = s
	}
}

func boolean(p *bool) setter {
	return func(v yamlValue) {
		switch s, ok := v.scalar(); {
		case ok && (s == "true" || s == "false"):
			*p = s == "true"
		case ok:
			v.fail("%q is neither true nor false", s)
		}
	}
}

// number sets an integer from least to most.
func number(p *int, least, most int) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			v.fail("%q is not a number from %d to %d", s, least, most)
			return
		}
		*p = n
	}
}

// oneOf sets one of the words.
func oneOf(p *string, w choices) setter {
	return func(v yamlValue) {
		if s, ok := v.scalar(); ok && w.check(v, s) {
			*p = s
		}
	}
}

func level(p *slog.Level) setter {
	return func(v yamlValue) {
		var word string
		oneOf(&word, words("debug", "info", "warn", "error"))(v)
		if word != "" {
			_ = p.UnmarshalText([]byte(word)) // which accepts these words
		}
	}
}

// duration sets a duration of at least least.
func duration(p *time.Duration, least time.Duration) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		switch d, err := ParseDuration(s); {
		case err != nil:
			v.fail("%v", err)
		case d < least:
			v.fail("%q is too short; the minimum is %s", s, least)
		default:
			*p = d
		}
	}
}

// size sets a number of octets.
func size(p *int64) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		n, err := parseSize(s)
		if err != nil {
			v.fail("%v", err)
			return
		}
		*p = n
	}
}

// limit sets a number of octets; unlimited is 0.
func limit(p *int64) setter {
	return func(v yamlValue) {
		if v.node.Value == "unlimited" {
			*p = 0
			return
		}
		size(p)(v)
	}
}

// leave sets how long forwarded messages stay.
func leave(p *Leave) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		l, err := ParseLeave(s)
		if err != nil {
			v.fail("%v", err)
			return
		}
		*p = l
	}
}

// firstRun sets which of the mail is forwarded that is there at the first poll.
func firstRun(p *FirstRun) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		f, err := ParseFirstRun(s)
		if err != nil {
			v.fail("%v", err)
			return
		}
		*p = f
	}
}

// ParseFirstRun reads a value of first_run: all, new or a duration.
func ParseFirstRun(text string) (FirstRun, error) {
	age, err := ParseDuration(text)
	switch {
	case text == FirstRunAll:
		return FirstRun{}, nil
	case text == FirstRunNew:
		return FirstRun{New: true}, nil
	case err != nil:
		return FirstRun{}, fmt.Errorf("%q is not all, new or a duration such as 30d", text)
	case age == 0:
		return FirstRun{}, errors.New("must not be zero; use new to forward only what arrives later")
	}
	return FirstRun{Age: age}, nil
}

// ParseLeave reads a value of leave_on_server: true, false or a duration.
func ParseLeave(text string) (Leave, error) {
	d, err := ParseDuration(text)
	switch {
	case text == "true" || text == "false":
		return Leave{Keep: text == "true"}, nil
	case err != nil:
		return Leave{}, fmt.Errorf("%q is not true, false or a duration such as 14d", text)
	case d == 0:
		return Leave{}, errors.New("must not be zero; use false to delete messages at once")
	}
	return Leave{Keep: true, For: d}, nil
}

// unixPrefix begins a host that is a socket.
const unixPrefix = "unix:"

// host sets a server's name or address. Its error does not show the value,
// which can be a URL with a password.
func host(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if strings.ContainsAny(*p, " /@[]") || strings.Contains(*p, ":") && net.ParseIP(*p) == nil {
			v.fail("must be only a host name or an IP address; the port has its own key")
		}
	}
}

// hostOrSocket also accepts unix:/path.
func hostOrSocket(p *string) setter {
	return func(v yamlValue) {
		path, socket := strings.CutPrefix(v.node.Value, unixPrefix)
		switch {
		case !socket:
			host(p)(v)
		case !strings.HasPrefix(path, "/"):
			v.fail("write a socket as unix:/path/of/socket")
		default:
			text(p)(v)
		}
	}
}

// listen sets a host:port to listen on. Without a host it listens on the
// loopback address only; for all addresses write 0.0.0.0 or [::].
func listen(p *string) setter {
	return func(v yamlValue) {
		text(p)(v)
		if *p == "" {
			return
		}
		host, port, err := net.SplitHostPort(*p)
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
			v.fail("%q is not an address such as 127.0.0.1:8110", *p)
			return
		}
		if host == "" {
			*p = net.JoinHostPort("127.0.0.1", port)
		}
	}
}

// pinForm matches a pin in lower case and without colons.
var pinForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// pin sets a certificate's fingerprint; openssl's colons and capitals are allowed.
func pin(p *string) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok || s == "" {
			return
		}
		method, sum, _ := strings.Cut(strings.ToLower(s), ":")
		s = method + ":" + strings.ReplaceAll(sum, ":", "")
		if !pinForm.MatchString(s) {
			v.fail("must be sha256: followed by the 64 hexadecimal digits of the certificate's SHA-256 fingerprint")
			return
		}
		*p = s
	}
}

// schedule sets a cron expression.
func (l *loader) schedule(p *string) setter {
	return func(v yamlValue) {
		var expression string
		if text(&expression)(v); expression == "" {
			return
		}
		if err := l.env.CheckSchedule(expression); err != nil {
			v.fail("%q is not a schedule such as \"@every 10m\" or \"*/15 * * * *\": %v", expression, err)
		}
		*p = expression
	}
}
