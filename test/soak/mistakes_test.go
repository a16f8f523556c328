package soak

import (
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
)

// mistakes are what went wrong. The first ends the phase; those of goroutines that come later would
// only follow from it.
type mistakes struct {
	once sync.Once
	mu   sync.Mutex
	all  []string
}

func (m *mistakes) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.all, "\n")
}

// fail is for goroutines.
func (w *world) fail(format string, args ...any) {
	w.failed.once.Do(func() {
		w.wrong(format, args...)
		w.abort()
	})
}

// wrong notes a mistake, and writes how all stands at that moment into a file, which stays.
func (w *world) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.t.Error(text)
	w.failed.mu.Lock()
	w.failed.all = append(w.failed.all, text)
	w.failed.mu.Unlock()
	f, err := os.CreateTemp("", "netchan-soak-*.txt")
	if err != nil {
		w.t.Log(err)
		return
	}
	defer func() { _ = f.Close() }()
	w.t.Logf("how all stood then: %s", f.Name())
	w.standing(f, text)
}

func (w *world) standing(to io.Writer, why string) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format+"\n", args...) }
	line("%s\n\n%s", why, w.log)
	for _, n := range w.nodes {
		st := n.Stats()
		line("\n%s: %+v", n.Self().Name, st.Refs)
		for _, l := range st.Links {
			line("\t%+v", l)
		}
		for _, s := range st.Senders {
			line("\t%+v", s)
		}
		for _, r := range st.Receivers {
			line("\t%+v", r)
		}
	}
	line("")
	_ = pprof.Lookup("goroutine").WriteTo(to, 1)
}
