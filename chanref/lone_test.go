package chanref

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/mux"
)

// late is a table whose node accepts no stream until accept is closed, and notes what came
// before that and after.
type late struct {
	handler
	accept chan struct{}
	before chan int
	after  chan int
}

func (l late) Serve(in *mux.In) {
	count := func(values chan<- int) bool {
		f, err := in.Next()
		if err == nil {
			values <- f.Count
		}
		return err == nil
	}
	count(l.before)
	select {
	case <-l.accept:
	case <-in.Done():
		return
	}
	in.Accept(mux.Accept{Limit: 10})
	for count(l.after) {
	}
}

// A lone source sends its first value along with OPEN, and no other one before it is accepted.
func TestFirstValueIsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := late{handler{w.table}, make(chan struct{}), make(chan int, 1), make(chan int, 3)}
		a, b := mux.Pair(l, mux.Config{Peer: "b", Logger: slog.New(w.log)})
		t.Cleanup(func() { cut(a); b.Wait() })
		var src *Source[int]
		c := make(chan int, 3)
		src = NewSource(w.table, c, writer[int](t), SourceConfig{
			ID: newID(), Name: refName, Logger: slog.New(w.log), Ahead: true, AtMostOnce: true,
			travelled: travelled{lone: true, of: wants(func() { src.Connect(a, mux.Target{ID: newID()}, "b") })},
		})
		synctest.Wait()
		for v := range 3 {
			c <- v
		}
		synctest.Wait()
		if n := receive(t, l.before); n != 1 || len(c) != 1 { // the second one was taken ahead
			t.Fatalf("%d values came early, %d are left", n, len(c))
		}
		if n := a.Stats().FramesOut; n != 1 {
			t.Errorf("OPEN and the first value took %d writes", n)
		}
		close(l.accept)
		for n := 0; n < 2; n += receive(t, l.after) {
		}
		src.Abort(ErrClosed)
		ended(t, "the source", src.Done())
	})
}

// wants is what a lone source belongs to, of which only want is of interest.
type wants func()

func (w wants) want() (*mux.Session, mux.Target, string) {
	w()
	return nil, mux.Target{}, ""
}

func (wants) use()                {}
func (wants) napping()            {}
func (wants) glance() (int, bool) { return 0, true }
func (wants) refused(mux.Refuse)  {}
func (wants) awake(int32)         {}
func (wants) lingers() bool       { return false }
func (wants) over()               {}
