package report_test

import (
	"testing"

	"github.com/popferry/popferry/cmd/internal/report"
)

func TestParseUIDReadsEveryOctetBack(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if got, err := report.ParseUID(report.UID(string(all))); err != nil || got != string(all) {
		t.Errorf("ParseUID(UID(all octets)) = %q, %v; want %q", got, err, all)
	}
	for _, bad := range []string{"", "日", "\xfc", "ok\u0100"} {
		if got, err := report.ParseUID(bad); err == nil {
			t.Errorf("ParseUID(%q) = %q, want an error", bad, got)
		}
	}
}
