package soak

import (
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

// What may be more at the end than near the beginning, however long it took.
const (
	// moreHeap: remembered IDs of channels that were, 400 KiB at each node; members that died, which
	// are known for five minutes; buffers of links.
	moreHeap        = 6 << 20
	moreStreams     = 64 * 12 // streams that wait for their next use: so many for each direction of each link
	moreOfAKind     = 2       // goroutines with any other task
	moreDescriptors = 4       // gossip's own connections
	moreLost        = 32 * 4  // searches for guests that were closed: so many at each node
)

// A usage is what the process takes when all is quiet.
type usage struct {
	heap        int64
	goroutines  map[string]int // by what they do
	descriptors int
	refs        netchan.RefStats // of all nodes that stay
	links       int              // and whole
	members     int              // as all nodes see it
	ends        int
}

func (w *world) usage() *usage {
	u := &usage{goroutines: tasks(), descriptors: descriptors()}
	for _, d := range w.doors {
		u.descriptors -= 2 * d.Live() // a link may go through a door or not
	}
	for _, n := range w.nodes {
		st := n.Stats()
		u.refs.Exported += st.Refs.Exported
		u.refs.Proxies += st.Refs.Proxies
		u.refs.Held += st.Refs.Held
		for _, l := range st.Links {
			if u.links++; l.Broken {
				u.links += 1000
			}
		}
		u.members += len(n.Members())
		u.ends += len(n.Channels())
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.heap = int64(m.HeapAlloc)
	return u
}

// quiet waits until nothing is left of what has happened, and the process takes what it took at
// the start, if there was one.
func (w *world) quiet(start *usage) (now *usage) {
	n := len(w.nodes)
	var wrong, last []string
	began := time.Now()
	eventually(func() bool {
		now, last, wrong = w.usage(), wrong, nil
		check := func(what string, have, most int64) {
			if have > most {
				wrong = append(wrong, fmt.Sprintf("%s: %d, and %d at most", what, have, most))
			}
		}
		refs := now.refs
		check("channels of others, or that others have", int64(refs.Exported+refs.Proxies+refs.Held), 0)
		check("links", int64(now.links), int64(n*(n-1)))
		check("members", int64(now.members), int64(n*n))
		check("named ends", int64(now.ends), int64(n*w.ends))
		if start != nil {
			check("bytes of heap", now.heap, start.heap+moreHeap)
			check("descriptors", int64(now.descriptors), int64(start.descriptors+moreDescriptors))
			for task, have := range now.goroutines {
				more := moreOfAKind
				switch task {
				case "mux.(*Session).acceptAll":
					more = moreStreams
				case "mesh.(*Mesh).lostLocked":
					more = moreLost
				}
				check("goroutines of "+task, int64(have), int64(start.goroutines[task]+more))
			}
		}
		return len(wrong) == 0 || w.t.Failed()
	})
	if len(last) > 0 {
		w.t.Logf("quiet after %v; last there were\n%s", time.Since(began).Round(time.Second), strings.Join(last, "\n"))
	}
	if len(wrong) > 0 {
		w.wrong("left behind:\n%s", strings.Join(wrong, "\n"))
	}
	return now
}

// tasks counts goroutines by the function that each has to do, but those of doors.
func tasks() map[string]int {
	b := make([]byte, 1<<20)
	for n := len(b); n == len(b); {
		b = make([]byte, 2*len(b))
		n = runtime.Stack(b, true)
		if n < len(b) {
			b = b[:n]
			break
		}
	}
	count := make(map[string]int)
	for _, stack := range strings.Split(string(b), "\n\n") {
		task := ""
		for _, line := range strings.Split(stack, "\n")[1:] {
			if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "created by") || strings.HasPrefix(line, "sync.") {
				continue
			}
			task = line[:max(0, strings.LastIndex(line, "("))] // the last one is where it began
		}
		if i := strings.Index(task, ".func"); i > 0 {
			task = task[:i]
		}
		if !strings.Contains(task, "test/faultproxy") {
			count[strings.TrimPrefix(task, "github.com/matveynator/netchan/")]++
		}
	}
	return count
}

// descriptors counts the open files of the process; it is 0 where the system does not tell.
func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// warmSockets has the runtime open what it keeps.
func warmSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// report says how it goes, until the phase is over.
func (w *world) report() {
	for w.pause(reportEvery) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.t.Logf("%s; %d MiB of heap, %d goroutines, %d descriptors", w.tally(), m.HeapAlloc>>20, runtime.NumGoroutine(), descriptors())
	}
}

func (w *world) tally() string {
	c := &w.count
	return fmt.Sprintf("%d values, %d requests, %d passed on, %d channels handed out, %d cuts, %d guests (%d Joins failed), %d attacks, %d strangers",
		c.values.Load(), c.requests.Load(), c.moved.Load(), c.handed.Load(), c.cuts.Load(), c.joined.Load(), c.refused.Load(), c.attacks.Load(), c.strangers.Load())
}

// table compares two usages.
func table(start, end *usage) string {
	var b strings.Builder
	row := func(what string, s, e int64) { fmt.Fprintf(&b, "%-50s %10d %10d\n", what, s, e) }
	fmt.Fprintf(&b, "%-50s %10s %10s\n", "", "start", "end")
	row("heap, KiB", start.heap>>10, end.heap>>10)
	row("descriptors, without those of doors", int64(start.descriptors), int64(end.descriptors))
	row("channels of ours that others hold", int64(start.refs.Exported), int64(end.refs.Exported))
	row("channels of others held", int64(start.refs.Held), int64(end.refs.Held))
	row("proxies", int64(start.refs.Proxies), int64(end.refs.Proxies))
	row("links, both ends", int64(start.links), int64(end.links))
	row("members, seen by all", int64(start.members), int64(end.members))
	row("named ends, seen by all", int64(start.ends), int64(end.ends))
	sum := func(u *usage) (n int64) {
		for _, c := range u.goroutines {
			n += int64(c)
		}
		return n
	}
	row("goroutines", sum(start), sum(end))
	for _, task := range slices.Sorted(maps.Keys(end.goroutines)) {
		if s, e := start.goroutines[task], end.goroutines[task]; s != e {
			row("  "+task, int64(s), int64(e))
		}
	}
	return b.String()
}
