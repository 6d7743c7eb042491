package pop3

import (
	"context"
	"strings"
)

// Stat asks how many messages there are and how many octets they have
// together (RFC 1939 section 5). Servers lie here: rely on Listing. A reply
// without two numbers is a *ProtocolError.
func (c *Client) Stat(ctx context.Context) (count int, octets int64, err error) {
	r, err := c.roundTrip(ctx, "STAT", "STAT")
	if err != nil {
		return 0, 0, err
	}
	if f := strings.Fields(r.text); len(f) >= 2 {
		n, ok1 := number([]byte(f[0]))
		size, ok2 := size([]byte(f[1]))
		if ok1 && ok2 {
			return n, size, nil
		}
	}
	return 0, 0, c.fail(&ProtocolError{Command: "STAT", Text: "not two numbers: " + c.quote([]byte(r.text))})
}
