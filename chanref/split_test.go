package chanref

import (
	"testing"
	"testing/synctest"
)

// Many values that can't be had, each for its own reason, that are told at one
// time: each is counted as dropped.
func TestManyDropsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld(t)
		c, src := sourceIn[int64](w, n)
		_, sink := sinkIn[int8](w, 3*n)
		for i := range int64(n) {
			send(t, c, 1000+i)
		}
		connect(t, src, w.link("b"), sink)
		close(c)
		ended(t, "the source", src.Done())
		if st := src.Stats(); st.Dropped != n || st.Acknowledged != 0 {
			t.Fatalf("%+v", st)
		}
	})
}
