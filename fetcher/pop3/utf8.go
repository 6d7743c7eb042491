package pop3

import "context"

// UTF8 asks for messages with UTF-8 in their headers as they are, instead of
// downgraded or refused with [UTF8] (RFC 6856 section 2.1). It belongs before
// Login and after StartTLS, where the capability UTF8 is listed; with the
// argument USER there, user names and passwords may be UTF-8 too. A refusal is
// an *Error and changes nothing.
func (c *Client) UTF8(ctx context.Context) error {
	_, err := c.roundTrip(ctx, "UTF8", "UTF8")
	return err
}
