package login

import "context"

// refusedKey is the key of a refused token in a context.
type refusedKey struct{}

// WithRefused returns the context for asking for an access token once more, after a
// server has refused this one: it may have ended before its time. A source that has others
// gives another one.
func WithRefused(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, refusedKey{}, token)
}

// Refused returns the access token that was refused just now; "" if none was.
func Refused(ctx context.Context) string {
	token, _ := ctx.Value(refusedKey{}).(string)
	return token
}
