package hostile

import (
	"testing"

	"github.com/matveynator/netchan"
)

// TestAttacks: what a peer does wrong ends its link, with the reason in the log; nothing of it reaches the
// program, and the values of a healthy node come on.
func TestAttacks(t *testing.T) {
	for _, c := range Attacks() {
		t.Run(c.Name, func(t *testing.T) {
			s := newScene(t)                                          // each its own: a node does not log the same line without end
			bytes, err := netchan.NewReceiver[[]byte](s.node, Unread) // nobody reads it, for now
			if err != nil {
				t.Fatal(err)
			}
			a := attack(t, s.node, s.key)
			before := heap()
			c.Do(a)
			ends(t, a)
			until(t, "the reason is logged: "+c.Reason, func() bool { return s.log.has("the other side broke the protocol", c.Reason) })
			s.healthy(100)
			until(t, "nothing of it is kept", func() bool { return heap()-before < 12*mib }) // the runtime keeps what describes a goroutine
			select {
			case v := <-bytes.C:
				if string(v) != "abc" && string(v) != "" { // what was in order
					t.Errorf("%q has come", v)
				}
			default:
			}
		})
	}
}
