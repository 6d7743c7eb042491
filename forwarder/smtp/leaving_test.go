package smtp_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder/smtp"
)

// TestLeavingCounts: a session that is saying QUIT is still one of those that
// the server allows.
func TestLeavingCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle = 30 * time.Second
		deaf := "C: QUIT\n C!" // says nothing, and leaves the end to us
		peer := newPeer(t, hello+once+deaf, hello+once+bye)
		o := options(peer)
		o.Connections = 1
		p := smtp.New(o)
		deliver := func() {
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
			if got := describe(out); got != "accepted dot 250 ok" || err != nil {
				t.Errorf("got %q and %v", got, err)
			}
		}
		deliver()
		time.Sleep(idle)
		synctest.Wait() // QUIT is out
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			if n := peer.dialled(); n != 1 {
				t.Errorf("%d connections while the first is not closed", n)
			}
		}()
		deliver()
		if time.Since(start) < time.Second {
			t.Error("the first session was not waited for")
		}
		_ = p.Close()
		peer.done()
	})
}
