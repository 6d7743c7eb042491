package smtp_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestServerThatSwallowsConnections is waited for once, by all together, and is
// tried again for who comes later.
func TestServerThatSwallowsConnections(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{1, 4} {
		t.Run(fmt.Sprint("connections ", connections), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const patience = 30 * time.Second
				var dials atomic.Int32
				p := smtp.New(smtp.Options{Connections: connections, Dial: func(ctx context.Context) (net.Conn, error) {
					dials.Add(1)
					ctx, cancel := context.WithTimeout(ctx, patience)
					defer cancel()
					<-ctx.Done()
					return nil, ctx.Err()
				}})
				for round := range 2 {
					start, before := time.Now(), dials.Load()
					var calls sync.WaitGroup
					for range 32 {
						calls.Go(func() {
							out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context) error { return nil })
							if err != nil || out[0].Kind == forwarder.Accepted {
								t.Errorf("%+v, %v", out, err)
							}
						})
					}
					calls.Wait()
					if n, took := dials.Load()-before, time.Since(start); n < 1 || int(n) > connections || took > patience+time.Second {
						t.Errorf("round %d: %d dials, %v", round, n, took)
					}
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
