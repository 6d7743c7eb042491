package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration in the form of the configuration: 14d, 1h30m,
// 60s, 0.
func ParseDuration(text string) (time.Duration, error) {
	var sum float64
	rest := text
	for rest != "" {
		number, after := leadingNumber(rest)
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 10m, 1h30m, 14d or 2w", text)
		}
		unit, after := leadingLetters(after)
		scale, ok := durationUnit(unit)
		if !ok && (unit != "" || n != 0) {
			return 0, fmt.Errorf("%q needs a unit after %s: s, m, h, d or w", text, number)
		}
		sum, rest = sum+n*float64(scale), after
	}
	switch {
	case text == "":
		return 0, errors.New("must be a duration such as 90s, 10m, 1h30m, 14d or 2w")
	case sum >= math.MaxInt64:
		return 0, fmt.Errorf("%q is too long", text)
	}
	return time.Duration(sum), nil
}

func durationUnit(unit string) (time.Duration, bool) {
	switch unit {
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return 24 * time.Hour, true
	case "w":
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}

// parseSize reads a number of octets in the form of the configuration: 50MB,
// 1.5GB, 64 MiB, 500k, 1000. Units are powers of 1000, those with an i of 1024.
func parseSize(text string) (int64, error) {
	number, unit := leadingNumber(text)
	n, err := strconv.ParseFloat(number, 64)
	scale, ok := sizeUnit(strings.TrimSpace(unit))
	if err != nil || !ok {
		return 0, fmt.Errorf("%q is not a size such as 500k, 50MB, 64MiB or 1.5GB", text)
	}
	if n *= scale; n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return int64(n), nil
}

func sizeUnit(unit string) (float64, bool) {
	if unit == "" || strings.EqualFold(unit, "b") {
		return 1, true
	}
	base, suffix := 1000.0, strings.ToLower(unit[1:])
	if strings.HasPrefix(suffix, "i") {
		base, suffix = 1024, suffix[1:]
	}
	power := strings.Index("kmgt", strings.ToLower(unit[:1]))
	if power < 0 || suffix != "" && suffix != "b" {
		return 0, false
	}
	return math.Pow(base, float64(power+1)), true
}

// leadingNumber splits text after its leading digits and decimal points.
func leadingNumber(text string) (number, rest string) {
	rest = strings.TrimLeft(text, "0123456789.")
	return text[:len(text)-len(rest)], rest
}

// leadingLetters splits text before its next digit.
func leadingLetters(text string) (letters, rest string) {
	i := strings.IndexAny(text, "0123456789.")
	if i < 0 {
		i = len(text)
	}
	return strings.TrimSpace(text[:i]), text[i:]
}
