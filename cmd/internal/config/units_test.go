package config

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "60s": time.Minute, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute,
		"14d": 14 * day, "2w": 14 * day, "1w 2d": 9 * day, "1.5h": 90 * time.Minute, "5 m": 5 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":          "must be a duration such as 90s, 10m, 1h30m, 14d or 2w",
		"10":        `"10" needs a unit after 10: s, m, h, d or w`,
		"1y":        `"1y" needs a unit after 1: s, m, h, d or w`,
		"h":         `"h" is not a duration such as 90s, 10m, 1h30m, 14d or 2w`,
		"-1h":       `"-1h" is not a duration such as 90s, 10m, 1h30m, 14d or 2w`,
		"1..5h":     `"1..5h" is not a duration such as 90s, 10m, 1h30m, 14d or 2w`,
		"99999999w": `"99999999w" is too long`,
	} {
		if got, err := ParseDuration(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "1000": 1000, "500k": 500_000, "500K": 500_000, "50MB": 50_000_000, "50 mb": 50_000_000, "50MiB": 50 << 20,
		"50Mi": 50 << 20, "1.5GB": 1_500_000_000, "2T": 2_000_000_000_000, "17B": 17,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":         `"" is not a size such as 500k, 50MB, 64MiB or 1.5GB`,
		"MB":       `"MB" is not a size such as 500k, 50MB, 64MiB or 1.5GB`,
		"-5MB":     `"-5MB" is not a size such as 500k, 50MB, 64MiB or 1.5GB`,
		"50Mb/s":   `"50Mb/s" is not a size such as 500k, 50MB, 64MiB or 1.5GB`,
		"50PB":     `"50PB" is not a size such as 500k, 50MB, 64MiB or 1.5GB`,
		"9999999T": `"9999999T" is too large`,
	} {
		if got, err := parseSize(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %d, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseLeaveTakesTrueFalseAndAnyDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]Leave{
		"true": {Keep: true}, "false": {}, "14d": {Keep: true, For: 14 * day}, "2w": {Keep: true, For: 14 * day},
		"36h": {Keep: true, For: 36 * time.Hour}, "1w 2d": {Keep: true, For: 9 * day},
	} {
		if got, err := ParseLeave(text); err != nil || got != want {
			t.Errorf("ParseLeave(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"maybe": `"maybe" is not true, false or a duration such as 14d`, "14": `"14" is not true, false or a duration such as 14d`,
		"": `"" is not true, false or a duration such as 14d`, "0": "must not be zero; use false to delete messages at once",
	} {
		if got, err := ParseLeave(text); err == nil || err.Error() != want {
			t.Errorf("ParseLeave(%q) = %+v, %v; want the error %s", text, got, err, want)
		}
	}
}
