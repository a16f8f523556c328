package netchan

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/matveynator/netchan/test/history"
)

// chanPlay is a program with channels in values being run in a world.
type chanPlay struct {
	*play
	ch *history.Chans

	arriving sync.Mutex // held while a channel that comes is compared with those that are held; before mu
	mu       sync.Mutex // guards what follows
	holders  []*holder
	strays   []homecoming
	over     bool // nobody comes to hold anything any more
	boxes    map[int]*box
	mail     map[[2]int]*Sender[letter] // from a life to a slot
}

// letter is the value that such programs send, by mail or on a channel.
type letter struct {
	From, N int // the end that it was sent on, and its number there, from 1; unique together
	Pass    int // of the channel in it; 0: none
	To      chan<- letter
	Of      <-chan letter
}

// box is where one life of a node gets its mail.
type box struct {
	r   *Receiver[letter]
	out chan struct{}
}

// Bounds on one program.
const (
	maxChans   = 8
	maxHolders = 40
)

func newChanPlay(w *world, name string) *chanPlay {
	begin := time.Now()
	p := &play{w: w, name: name, h: history.New(func() time.Duration { return time.Since(begin) }, ErrClosed)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	w.begin(p.h)
	return &chanPlay{play: p, ch: history.NewChans(p.h), boxes: make(map[int]*box), mail: make(map[[2]int]*Sender[letter])}
}

// runChans is run for programs with channels in values.
func runChans(w *world, name string, prog program, inPeace bool) *chanPlay {
	p := newChanPlay(w, name)
	defer p.cancel()
	latency, loss := prog.network()
	w.net.SetLatency(latency, latency/4)
	w.net.SetLoss(loss)
	for _, s := range prog.steps {
		p.openBoxes()
		p.chanStep(s)
	}
	if inPeace {
		p.calmChans()
		p.endChans()
	}
	p.cancel()
	if !inPeace || p.h.Faults() > 0 {
		w.close()
	}
	p.stop()
	p.wg.Wait()
	return p
}

// stop has everybody drop everything.
func (p *chanPlay) stop() {
	p.mu.Lock()
	p.over = true
	holders, boxes, mail := p.holders, p.boxes, p.mail
	p.holders, p.boxes, p.mail = nil, nil, nil
	p.mu.Unlock()
	for _, a := range holders {
		a.drop()
	}
	for _, s := range mail {
		s.Close()
	}
	for _, b := range boxes {
		b.r.Close()
		<-b.out
	}
}

// openBoxes opens the box of each life that has none.
func (p *chanPlay) openBoxes() {
	for _, s := range p.w.slots {
		p.w.mu.Lock()
		n, life := s.node, s.number
		p.w.mu.Unlock()
		p.mu.Lock()
		have := p.boxes[life] != nil
		p.mu.Unlock()
		if n == nil || have {
			continue
		}
		r, err := NewReceiver[letter](n, p.boxOf(s), Buffer(4), KeepOpen())
		if err != nil {
			continue // it is leaving
		}
		b := &box{r, make(chan struct{})}
		p.mu.Lock()
		p.boxes[life] = b
		p.mu.Unlock()
		p.wg.Go(func() {
			defer close(b.out)
			for v := range r.C {
				p.opens(s, life, v)
			}
		})
	}
}

func (p *chanPlay) boxOf(s *slot) string { return p.name + "/" + s.name() }

// mailTo is what a life sends its mail to a slot on; nil where it can't.
func (p *chanPlay) mailTo(n *Node, life int, to *slot) *Sender[letter] {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]int{life, to.index}
	if s := p.mail[key]; s != nil || p.over {
		return s
	}
	s, err := NewSender[letter](n, p.boxOf(to))
	if err != nil {
		return nil
	}
	p.mail[key] = s
	return s
}

// pick is the holder that a step is about: of one direction, or of any.
func (p *chanPlay) pick(b byte, which func(*holder) bool) *holder {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*holder
	for _, a := range p.holders {
		if which(a) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[int(b)%len(all)]
}

func anyHolder(*holder) bool  { return true }
func sends(a *holder) bool    { return a.log.Dir == history.ToSend }
func receives(a *holder) bool { return a.log.Dir == history.ToReceive }

func (p *chanPlay) chanStep(s step) {
	var a *holder
	switch s.op {
	case opTell, opEnd:
		a = p.pick(s.a, sends)
	case opHear:
		a = p.pick(s.a, receives)
	case opPass, opDrop, opRelease:
		a = p.pick(s.a, anyHolder)
	case opMake:
		p.makes(p.slot(s.a), s.capacity())
		return
	default:
		p.step(s)
		return
	}
	if a == nil {
		return
	}
	switch s.op {
	case opTell:
		a.tell(s.count())
	case opEnd:
		a.end()
	case opHear:
		a.hear(s.reader())
	case opPass:
		p.passes(a, s)
	case opDrop:
		p.drops(a)
		if s.collects() {
			collectGarbage()
		}
	case opRelease:
		a.release()
	}
}

// makes has a node make a channel, and hold both ends of it.
func (p *chanPlay) makes(at *slot, size int) {
	p.w.mu.Lock()
	n, life := at.node, at.number
	p.w.mu.Unlock()
	if n == nil || p.ch.Made() >= maxChans {
		return
	}
	c := make(chan letter, size)
	log := p.ch.Make(life, size)
	p.holds(at, p.ch.Hold(log.ID, life, history.ToSend, 0), c, c, nil)
	p.holds(at, p.ch.Hold(log.ID, life, history.ToReceive, 0), c, nil, c)
}

// passes a channel on.
func (p *chanPlay) passes(a *holder, s step) {
	to := p.slot(s.b)
	if s.inMail() {
		n := p.nodeOf(a.at, a.log.Node)
		if n == nil {
			return
		}
		mail := p.mailTo(n, a.log.Node, to)
		if mail != nil {
			a.pass(to.index, p.linked(to, a.log.Ch), mail.C)
		}
		return
	}
	// In a value on another channel; never one that was made later, so that no two
	// wait in each other for ever.
	over := p.pick(s.b, func(o *holder) bool { return sends(o) && o.log.Node == a.log.Node && o.log.Ch < a.log.Ch })
	if over != nil {
		a.passOver(over)
	}
}

// nodeOf is the node of a life, if that goes on.
func (p *chanPlay) nodeOf(s *slot, life int) *Node {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if s.number != life {
		return nil
	}
	return s.node
}

// linked says whether the node at a slot has a link with a channel's home, or is it.
func (p *chanPlay) linked(at *slot, ch int) bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, s := range p.w.slots {
		if s.number == p.ch.Chan(ch).Home && s.node != nil && at.node != nil {
			return at.node.hub.session(s.node.Self().ID) != nil
		}
	}
	return false
}

// drops has a holder forget its channel.
func (p *chanPlay) drops(a *holder) {
	p.mu.Lock()
	p.holders = slices.DeleteFunc(p.holders, func(o *holder) bool { return o == a })
	left := slices.ContainsFunc(p.holders, func(o *holder) bool { return o.atHome && o.log.Ch == a.log.Ch })
	p.mu.Unlock()
	if a.atHome && !left {
		p.ch.Forsakes(p.ch.Chan(a.log.Ch))
	}
	a.drop()
}

// opens looks for a channel in a value that was taken at a node.
func (p *chanPlay) opens(at *slot, life int, v letter) {
	if v.Pass == 0 {
		return
	}
	ps := p.ch.PassOf(v.Pass)
	if (v.To != nil) != (ps.Dir == history.ToSend) || (v.Of != nil) != (ps.Dir == history.ToReceive) {
		p.h.Fault(history.ErrInvented, "pass %d has brought %T, %T", v.Pass, v.To, v.Of)
		return
	}
	if !p.h.Alive(life) {
		return
	}
	p.arriving.Lock()
	defer p.arriving.Unlock()
	p.mu.Lock()
	full := p.over || len(p.holders) >= maxHolders
	for _, o := range p.holders {
		if o.log.Ch != ps.Ch || o.log.Dir != ps.Dir || o.log.Node != life {
			continue
		}
		if o.holds(v) {
			p.mu.Unlock()
			p.ch.Keep(v.Pass)
			return // it is the very same
		}
		p.other(o, ps, v)
	}
	p.mu.Unlock()
	// What comes home when the program there has dropped it is no proxy: that is left.
	home := p.ch.Chan(ps.Ch).Home == life
	if !full || home {
		p.ch.Keep(v.Pass)
	}
	if !full && !home {
		p.holds(at, p.ch.Hold(ps.Ch, life, ps.Dir, v.Pass), nil, v.To, v.Of)
	}
}

// other looks whether a node may have got another channel than the one it holds: the
// original comes home as itself, and a proxy that has not ended is found again.
func (p *chanPlay) other(o *holder, ps history.Pass, v letter) {
	if p.ch.PassedDead(ps) {
		return
	}
	if o.atHome {
		p.strays = append(p.strays, homecoming{o.log, ps, v.Pass})
		return
	}
	done, new := o.done, doneOf(v)
	p.wg.Go(func() {
		time.Sleep(time.Millisecond)
		if !over(done) && !over(new) && !p.ch.LetGo(o.log) {
			p.h.Fault(history.ErrDishonest, "%v has come once more by pass %d, as another channel", o.log, v.Pass)
		}
	})
}

// homecoming is an original that has come home as another channel.
type homecoming struct {
	to   *history.ChanEnd
	pass history.Pass
	n    int
}

// lostOnTheWay looks whether who has passed such a channel on could not reach its home, had it only
// from a node that has died, and so has lost it: that shows when it has tried for long enough.
func (p *chanPlay) lostOnTheWay() {
	p.mu.Lock()
	strays := p.strays
	p.mu.Unlock()
	for _, s := range strays {
		if !p.ch.PassedDead(s.pass) {
			p.h.Fault(history.ErrDishonest, "%v has come home as another channel by pass %d", s.to, s.n)
		}
	}
}

func doneOf(v letter) <-chan struct{} {
	if v.To != nil {
		return Done(v.To)
	}
	return Done(v.Of)
}

// collectGarbage returns when what the collector calls was called. That is outside of a
// bubble, so it waits for that without rest, or the bubble's time would pass.
func collectGarbage() {
	for range 2 {
		var done atomic.Int32
		x := new([16]byte)
		runtime.AddCleanup(x, func(d *atomic.Int32) { d.Add(1) }, &done)
		y := new([16]byte)
		runtime.SetFinalizer(y, func(*[16]byte) { done.Add(1) })
		runtime.KeepAlive(x)
		runtime.KeepAlive(y)
		for runtime.GC(); done.Load() < 2; {
			runtime.Gosched()
		}
	}
}

// littered is what is missing where something may first have to be found garbage.
func littered(what func() string) func() string {
	n := 0
	return func() string {
		missing := what()
		if missing != "" {
			if n++; n%4 == 0 {
				collectGarbage()
			}
		}
		return missing
	}
}
