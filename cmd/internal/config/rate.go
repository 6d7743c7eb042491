package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how much a destination may be sent within any time of length Per: one of
// Messages and Octets is 0.
type Rate struct {
	Messages int64
	Octets   int64
	Per      time.Duration
}

// parseRate reads a rate such as 200/h or 450MB/d: without a unit of size it is a
// number of messages.
func parseRate(text string) (r Rate, err error) {
	amount, per, _ := strings.Cut(text, "/")
	switch per {
	case "h":
		r.Per = time.Hour
	case "d":
		r.Per = 24 * time.Hour
	}
	if r.Messages, err = strconv.ParseInt(amount, 10, 64); err != nil {
		r.Octets, err = parseSize(amount)
	}
	if err != nil || r.Per == 0 || r.Messages < 0 || r.Messages+r.Octets == 0 {
		return Rate{}, fmt.Errorf("%q is not a rate such as 200/h (messages an hour) or 450MB/d (a day)", text)
	}
	return r, nil
}

// checkRate reports an account whose largest messages would never be sent.
func (a *accountMapping) checkRate(d *forwardMapping) {
	for _, r := range d.Rate {
		if r.Octets > 0 && (a.MaxSize == 0 || a.MaxSize > r.Octets-maxTrace) {
			a.key("max_message_size").fail("must be less than what rate of forward[%s] allows at a time, or the largest messages would never be sent", d.Name)
			return
		}
	}
}

// maxTrace is how many octets popferry adds to a message at most.
const maxTrace = 1000
