package chanref

import (
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/mux"
)

// With few receivers and with many: each that is asked for gets one stream, and another one when
// the first has ended.
func TestConnectMany(t *testing.T) {
	for _, n := range []int{fewLanes, 3 * fewLanes} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			_, src := sourceIn[int](w, 0)
			stays, goes := w.link("stays"), w.link("goes")
			var targets []mux.Target
			for range n {
				_, sink := sinkIn[int](w, 0)
				targets = append(targets, to(sink))
			}
			ask := func(other *mux.Session) {
				t.Helper()
				for range 3 {
					for i, target := range targets {
						src.Connect([]*mux.Session{stays, other}[i%2], target, "b")
					}
					settled()
					if got, lanes := src.Stats().Receivers, len(src.d.lanes); got != n || lanes != n {
						t.Fatalf("%d receivers over %d streams, want %d", got, lanes, n)
					}
				}
			}
			ask(goes)
			cut(goes)
			settled()
			if got := src.Stats().Receivers; got != n/2 {
				t.Fatalf("%d receivers are left, want %d", got, n/2)
			}
			ask(w.link("back"))
		})
	}
}
