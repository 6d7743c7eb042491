package ledger

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestTokenShowsNothing: whatever prints or encodes a sign-in, its tokens stay out
// of it.
func TestTokenShowsNothing(t *testing.T) {
	t.Parallel()
	token := Token{TokenKey: TokenKey{Provider: "https://login.example.net/token", User: "leo@example.net"}, Access: "hunter2-access", Refresh: "hunter2-refresh"}
	encoded, err := json.Marshal(map[string]any{"a": token, "b": &token})
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "token", token, "pointer", &token)
	shown := []string{string(encoded), logged.String(), fmt.Sprint(token, &token)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown = append(shown, fmt.Sprintf(verb, token), fmt.Sprintf(verb, struct{ T []Token }{[]Token{token}}))
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("shown: %s", text)
		}
		if !strings.Contains(text, "leo@example.net") {
			t.Errorf("got %s, want whose sign-in it is", text)
		}
	}
}
