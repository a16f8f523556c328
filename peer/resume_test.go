package peer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/matveynator/netchan/test/faultproxy"
)

// proxied is a host that others reach through a proxy.
func proxied(t testing.TB, key Key, change ...func(*Config)) (*Host, *faultproxy.Proxy) {
	t.Helper()
	p, err := faultproxy.Listen("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	h := testHost(t, key, append(change, func(c *Config) { c.Advertise = p.Addr() })...)
	p.To(h.Addr())
	return h, p
}

// joined is a link of a to b, and b's end of it.
func joined(t testing.TB, a, b *Host, links <-chan *Link) (near, far *Link) {
	t.Helper()
	near, err := a.Link(testCtx(t), b.advertise, b.ID())
	if err != nil {
		t.Fatal(err)
	}
	return near, receive(t, links)
}

// Connections break again and again, at any byte, and nothing that is written is
// lost, doubled or changed.
func TestResume(t *testing.T) {
	frames := 400
	if testing.Short() || raceEnabled {
		frames = 100
	}
	key := GenerateKey()
	links := make(chan *Link, 1)
	a, pa := proxied(t, key)
	b, pb := proxied(t, key, collect(links))
	for i, p := range []*faultproxy.Proxy{pa, pb} {
		rnd := rand.New(rand.NewPCG(1, uint64(i)))
		var mu sync.Mutex
		p.CutEach(func(int) (up, down int64) {
			mu.Lock()
			defer mu.Unlock()
			return 30<<10 + rnd.Int64N(600<<10), 30<<10 + rnd.Int64N(600<<10)
		})
	}
	near, far := joined(t, a, b, links)
	swap(t, near, far, 4, frames, 32<<10)
	s, r := near.Stats(), far.Stats()
	t.Logf("%d breaks, %d connections, %d bytes sent, %d again", s.Breaks, pa.Connections()+pb.Connections(), s.Sent+r.Sent, s.Resent+r.Resent)
	if s.Breaks < 3 || s.Resent+r.Resent == 0 {
		t.Error("nothing broke")
	}
}

// So also where only one side can dial.
func TestResumeFromOneSide(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 1)
	a := testHost(t, key, func(c *Config) { c.Listen = "" })
	b, pb := proxied(t, key, collect(links))
	pb.CutAt(200<<10, -1)
	near, far := joined(t, a, b, links)
	swap(t, near, far, 2, 50, 32<<10)
	if s := far.Stats(); s.Breaks == 0 {
		t.Error("nothing broke")
	}
}

// Slices of one byte, and a slow network, change nothing.
func TestResumeInSlices(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 1)
	a := testHost(t, key, func(c *Config) { c.Listen = "" })
	b, pb := proxied(t, key, collect(links))
	pb.Slice(1)
	pb.CutAt(30<<10, 30<<10)
	near, far := joined(t, a, b, links)
	swap(t, near, far, 2, 20, 4<<10)
	if s := far.Stats(); s.Breaks == 0 {
		t.Error("nothing broke")
	}
}

// A connection over which only one side still hears the other breaks within the
// limit of silence, and the link goes on over another one.
func TestOneWaySilence(t *testing.T) {
	quick := func(c *Config) { c.tune.heartbeat, c.tune.silence = 100*time.Millisecond, 300*time.Millisecond }
	for _, up := range []bool{true, false} {
		key := GenerateKey()
		links := make(chan *Link, 1)
		a := testHost(t, key, quick, func(c *Config) { c.Listen = "" })
		b, pb := proxied(t, key, quick, collect(links))
		near, far := joined(t, a, b, links)
		drain(t, near)
		drain(t, far)
		pb.Stall(up, !up)
		receive(t, broken(near))
		if s := near.Stats(); near.Err() != nil || far.Err() != nil || s.Breaks != 1 {
			t.Errorf("%v, %v, %+v", near.Err(), far.Err(), s)
		}
		pb.Stall(false, false)
		receive(t, back(near))
	}
}

// broken is closed when the link has broken, if only for a moment.
func broken(l *Link) <-chan struct{} {
	return turned(l, func() bool { return l.Stats().Breaks > 0 })
}

// back is closed when the link is not broken.
func back(l *Link) <-chan struct{} { return turned(l, func() bool { return !l.Broken() }) }

// turned looks when the host's books about the peer change.
func turned(l *Link, ok func() bool) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			l.host.mu.Lock()
			changed := l.entry.changed
			l.host.mu.Unlock()
			if ok() {
				return
			}
			select {
			case <-changed:
			case <-time.After(patience):
				return
			}
		}
	}()
	return done
}

// An answer that was overtaken by a later one does not take the link off the
// connection that this one has brought.
func TestAnOvertakenAnswer(t *testing.T) {
	a, b := testPair(t)
	drain(t, a)
	drain(t, b)
	for _, l := range []*Link{a, b} {
		l.mu.Lock()
		number := l.number
		l.mu.Unlock()
		if _, err := l.detach(number - 1); !errors.Is(err, errStale) || l.Stats().Breaks != 0 {
			t.Errorf("%v, %+v", err, l.Stats())
		}
	}
}

// A member that stalls the handshakes which we begin, and brings the link back over
// others, does not make us keep one for each break.
func TestStalledRedials(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.handshake = time.Hour })
	in := newInsider(t, h, false)
	stall, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stall.Close() //nolint:errcheck // a test's
	stalled := make(chan *tls.Conn, 100)
	go func() {
		for {
			raw, err := stall.Accept()
			if err != nil {
				return
			}
			if c := tls.Server(raw, in.trust.server); c.Handshake() == nil {
				stalled <- c
			}
		}
	}()
	l := in.dial(h)
	id := l.link(h, func(o *hello) { o.addr, o.resume = stall.Addr().String(), time.Hour })
	drain(t, receive(t, links))
	for range 5 {
		_ = l.NetConn().Close()
		c := receive(t, stalled)
		if _, err := readHello(c); err != nil { // its handshake has begun
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // a test's
		l = in.dial(h)
		l.hello(func(o *hello) { o.held = id })
		l.wantHello()
		a := l.wantAnswer(answerResume)
		l.answer(answer{kind: answerResume, link: id, number: in.n})
		if a.link != id {
			t.Fatal("another link")
		}
	}
	until(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.neighbours[in.id].busy == 0
	})
}

// A host waits for so many broken links; one more ends at once, and when one is back
// another may break.
func TestBrokenLinksAreBounded(t *testing.T) {
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.tune.broken = 2 })
	type end struct {
		*line
		id  linkID
		our *Link
	}
	var all []end
	for range 4 {
		e := end{line: newInsider(t, h, false).dial(h)}
		e.id = e.link(h, func(o *hello) { o.resume = time.Hour })
		e.our = receive(t, links)
		drain(t, e.our)
		all = append(all, e)
	}
	for _, e := range all[:2] {
		_ = e.NetConn().Close()
		until(t, e.our.Broken)
	}
	_ = all[2].NetConn().Close()
	receive(t, all[2].our.Done())
	if err := all[2].our.Err(); !errors.Is(err, errTooMany) || !errors.Is(err, ErrPeerLost) {
		t.Error(err)
	}
	l := all[0].in.dial(h)
	l.hello(func(o *hello) { o.held = all[0].id })
	l.wantHello()
	l.wantAnswer(answerResume)
	l.answer(answer{kind: answerResume, link: all[0].id, number: l.in.n})
	until(t, func() bool { return !all[0].our.Broken() })
	_ = all[3].NetConn().Close()
	until(t, all[3].our.Broken)
	for _, e := range all {
		_ = e.our.Close()
	}
	if n := h.broken.Load(); n != 0 {
		t.Errorf("%d are still counted", n)
	}
}

// A link that does not come back in time ends on both sides, by time-out, and
// says how long it was waited for. The smaller of the two times counts.
func TestResumeTimeout(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 1)
	quick := func(c *Config) { c.tune.higher = time.Millisecond }
	a, pa := proxied(t, key, quick, func(c *Config) { c.ResumeTimeout = 200 * time.Millisecond })
	b, pb := proxied(t, key, quick, collect(links), func(c *Config) { c.ResumeTimeout = time.Hour })
	near, far := joined(t, a, b, links)
	drain(t, near)
	drain(t, far)
	for _, p := range []*faultproxy.Proxy{pa, pb} {
		p.Refuse(true)
		p.Cut()
	}
	for _, l := range []*Link{near, far} {
		receive(t, l.Done())
		var late *ResumeError
		var ne net.Error
		if err := l.Err(); !errors.Is(err, ErrPeerLost) || !errors.As(err, &late) || !errors.As(err, &ne) || !ne.Timeout() ||
			late.Waited < 200*time.Millisecond || late.Waited > time.Second {
			t.Errorf("got %v", l.Err())
		}
		if err := l.WriteFrame(nil, []byte("x"), false); !errors.As(err, &late) {
			t.Errorf("a write: %v", err)
		}
	}
	if len(a.Links())+len(b.Links()) != 0 {
		t.Error("links are left")
	}
}

// Writers wait while a link is broken, with what has been written kept within
// its bound, and the end lets them go.
func TestEndWhileBroken(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 2)
	a, pa := proxied(t, key)
	b, pb := proxied(t, key, collect(links))
	near, far := joined(t, a, b, links)
	drain(t, near)
	drain(t, far)
	for _, p := range []*faultproxy.Proxy{pa, pb} {
		p.Refuse(true)
		p.Cut()
	}
	receive(t, broken(near))
	wrote := make(chan error)
	go func() {
		for {
			if err := near.WriteFrame(nil, make([]byte, 10<<10), false); err != nil {
				wrote <- err
				return
			}
		}
	}()
	near.mu.Lock()
	for near.ticket == near.turn {
		near.mu.Unlock()
		near.mu.Lock()
	}
	kept := near.out.kept()
	near.mu.Unlock()
	if kept > maxFlush {
		t.Errorf("%d bytes wait for a broken link", kept)
	}
	_ = near.Close()
	if err := receive(t, wrote); !errors.Is(err, ErrClosed) {
		t.Errorf("the writer got %v", err)
	}
	// The other side does not know, and asks for the link: it is gone, and a new
	// one is made on the same connection.
	for _, p := range []*faultproxy.Proxy{pa, pb} {
		p.Refuse(false)
	}
	receive(t, far.Done())
	if err := far.Err(); !errors.Is(err, ErrPeerLost) || isTimeout(err) {
		t.Errorf("the other side: %v", err)
	}
	if l := receive(t, links); l.Err() != nil || l.Remote().ID != a.ID() {
		t.Errorf("the new link: %v", l.Err())
	}
}

// Where another process answers, or nobody and the node is held to be dead, a
// broken link ends at once. While it is whole, nobody's word counts.
func TestProcessIsGone(t *testing.T) {
	key := GenerateKey()
	for name, gone := range map[string]func(p *faultproxy.Proxy, other *Host){
		"another process answers":                   func(p *faultproxy.Proxy, other *Host) { p.To(other.Addr()); p.Cut() },
		"nobody answers, and it is held to be dead": func(p *faultproxy.Proxy, _ *Host) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			links := make(chan *Link, 1)
			var asked sync.Map
			b, pb := proxied(t, key, collect(links), func(c *Config) { c.tune.heartbeat = 20 * time.Millisecond })
			a := testHost(t, key, func(c *Config) {
				c.Listen, c.tune.heartbeat = "", 20*time.Millisecond
				c.Dead = func(id NodeID) bool { asked.Store(id, true); return true }
			})
			near, far := joined(t, a, b, links)
			drain(t, near)
			drain(t, far)
			flushes := near.flushes.Load()
			until(t, func() bool { return near.flushes.Load() > flushes+5 })
			if near.Err() != nil || near.Stats().Breaks != 0 {
				t.Fatal("it ended while it was whole")
			}
			gone(pb, testHost(t, key))
			receive(t, near.Done())
			if err := near.Err(); !errors.Is(err, ErrPeerLost) || isTimeout(err) {
				t.Errorf("got %v", err)
			}
			if _, ok := asked.Load(b.ID()); ok != strings.HasPrefix(name, "nobody") {
				t.Errorf("asked whether it is dead: %v", ok)
			}
		})
	}
}

// The log tells a person what happened to a link, and no more.
func TestLinkLog(t *testing.T) {
	var out lockedBuffer
	key := GenerateKey()
	links := make(chan *Link, 1)
	a := testHost(t, key, func(c *Config) {
		c.Listen, c.ResumeTimeout, c.tune.higher = "", 300*time.Millisecond, time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(&out, nil))
	})
	b, pb := proxied(t, key, collect(links), func(c *Config) { c.Name = "far" })
	near, far := joined(t, a, b, links)
	drain(t, near)
	drain(t, far)
	pb.Cut()
	receive(t, broken(near))
	receive(t, back(near))
	pb.Refuse(true)
	pb.Cut()
	receive(t, near.Done())
	_ = a.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{"link broken", "link is back", "link broken", "link ended"} {
		if i >= len(lines) || !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "name=far") {
			t.Fatalf("line %d should tell %q:\n%s", i, want, out.String())
		}
	}
	if len(lines) != 4 || !strings.Contains(lines[1], "after=") || !strings.Contains(lines[1], "resentBytes=") {
		t.Errorf("%s", out.String())
	}
}

// A member that breaks a link and brings it back again and again does not fill the log.
func TestFlappingLinkLog(t *testing.T) {
	const flaps = 3 * loudBreaks
	var out lockedBuffer
	links := make(chan *Link, 1)
	h := testHost(t, GenerateKey(), collect(links), func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	in := newInsider(t, h, false)
	l := in.dial(h)
	id := l.link(h, func(o *hello) { o.resume = time.Hour })
	mine := receive(t, links)
	drain(t, mine)
	for i := range uint64(flaps) {
		_ = l.NetConn().Close()
		l = in.dial(h)
		l.hello(func(o *hello) { o.held = id })
		l.wantHello()
		l.wantAnswer(answerResume)
		l.answer(answer{kind: answerResume, link: id, number: in.n})
		until(t, func() bool { return mine.Stats().Breaks == i+1 && !mine.Broken() })
	}
	if n := strings.Count(out.String(), "link broken"); n < loudBreaks || n > 2*loudBreaks {
		t.Errorf("%d of %d breaks are told", n, flaps)
	}
	if n := strings.Count(out.String(), "link is back"); n < loudBreaks-1 || n > 2*loudBreaks {
		t.Errorf("%d of %d times it is told that it is back", n, flaps)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What broken links keep slows whole ones, and does not stop them.
func TestKeptOfAllLinks(t *testing.T) {
	key := GenerateKey()
	links := make(chan *Link, 1)
	few := func(c *Config) { c.tune.claimed, c.tune.flushCap = 1, 1<<20 }
	a := testHost(t, key, few)
	b, pb := proxied(t, key, collect(links))
	c := testHost(t, key, collect(links))
	near, far := joined(t, a, b, links)
	drain(t, near)
	drain(t, far)
	pb.Refuse(true)
	pb.Cut()
	receive(t, broken(near))
	full := make(chan error, 1)
	go func() {
		for {
			if err := near.WriteFrame(nil, make([]byte, 60<<10), false); err != nil {
				full <- err
				return
			}
		}
	}()
	until(t, func() bool { return a.segments.claimed.Load() == 1 })
	whole, err := a.Link(testCtx(t), c.Addr(), c.ID())
	if err != nil {
		t.Fatal(err)
	}
	swap(t, whole, receive(t, links), 4, 50, 32<<10)
	_ = near.Close()
	receive(t, full)
	if n := a.segments.claimed.Load(); n != 0 {
		t.Errorf("%d segments are still claimed", n)
	}
}
