package child

import (
	"slices"
	"strings"
	"sync"
)

// Environment is what a program sees of an environment: not these variables, which
// have passwords, and not systemd's socket, by which it could speak for popferry.
func Environment(all, hidden []string) []string {
	return slices.DeleteFunc(all, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "NOTIFY_SOCKET" || slices.Contains(hidden, name)
	})
}

// Tail keeps the end of what a program writes to stderr. Its methods may be used
// concurrently: what the program has left behind may still write.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if excess := len(t.text) - most; excess > 0 {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

// String is all that is kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// LastLine is the last one that is not blank: the reason usually comes last.
func (t *Tail) LastLine() string {
	lines := strings.FieldsFunc(t.String(), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		if words := strings.Join(strings.Fields(line), " "); words != "" {
			return words
		}
	}
	return ""
}
