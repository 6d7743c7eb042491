package schedule_test

import (
	"testing"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"*/5 * * * *":                   "",
		"0 8-20 * * mon-fri":            "",
		"@hourly":                       "",
		"@every 90s":                    "",
		"TZ=UTC 0 8 * * *":              "",
		"CRON_TZ=UTC @daily":            "",
		"":                              "empty spec string",
		"10m":                           "expected exactly 5 fields, found 1: [10m]",
		"0 0 */5 * * *":                 "expected exactly 5 fields, found 6: [0 0 */5 * * *]",
		"61 * * * *":                    "end of range (61) above maximum (59): 61",
		"@sometimes":                    "unrecognized descriptor: @sometimes",
		"@every day":                    `failed to parse duration @every day: time: invalid duration "day"`,
		"@every 0s":                     "0s is less than a second",
		"@every -10m":                   "-10m is less than a second",
		"TZ=UTC":                        "a time zone without a schedule",
		"TZ=Nowhere/Atlantis 0 8 * * *": "provided bad location Nowhere/Atlantis: unknown time zone Nowhere/Atlantis",
		"0 0 30 2 *":                    "it never occurs",
		", * * * *":                     "it never occurs",
	} {
		got := ""
		if err := schedule.Check(expression); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", expression, got, want)
		}
	}
}

// FuzzCheck: Check and New agree on every expression, and none makes the parser
// panic.
func FuzzCheck(f *testing.F) {
	for _, expression := range []string{"*/5 * * * *", "0 8-20/2 * jan,feb mon-fri", "@every 90s", "TZ=UTC @daily"} {
		f.Add(expression)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		_, err := schedule.New(schedule.Options{Jobs: []schedule.Job{{Name: "a", Schedule: expression}}})
		if (schedule.Check(expression) == nil) != (err == nil) {
			t.Errorf("%q: Check and New disagree: %v", expression, err)
		}
	})
}
