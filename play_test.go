package netchan

import (
	"context"
	"sync"
	"time"

	"github.com/matveynator/netchan/test/history"
)

// play is a program being run in a world.
type play struct {
	w      *world
	h      *history.History
	name   string // makes the channels' names new ones
	ctx    context.Context
	cancel context.CancelFunc // senders stop between two values
	wg     sync.WaitGroup     // actors

	senders   []*sending
	receivers []*reading
}

// maxEnds bounds the senders of a program; receivers are twice as many at most.
const maxEnds = 6

// run runs a program in w, and returns what it breaks. In peace the faults end, all
// must arrive and all nodes see each other again; else the world is closed in the
// middle of everything, and only what is wrong counts, not what is missing.
func run(w *world, name string, prog program, inPeace bool) *history.History {
	begin := time.Now()
	p := &play{w: w, name: name, h: history.New(func() time.Duration { return time.Since(begin) }, ErrClosed)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	defer p.cancel()
	w.begin(p.h)
	latency, loss := prog.network()
	w.net.SetLatency(latency, latency/4)
	w.net.SetLoss(loss)
	for _, s := range prog.steps {
		p.step(s)
	}
	if inPeace {
		p.calm()
		p.end()
	}
	p.cancel()
	if !inPeace || p.h.Faults() > 0 {
		w.close()
	}
	for _, a := range p.receivers {
		a.r.Close()
		a.read(reader{left: noLimit})
	}
	for _, a := range p.senders {
		a.s.Close()
		close(a.do)
	}
	p.wg.Wait()
	for _, a := range p.senders {
		a.log.Stats = statsOf(a.s.Stats())
	}
	return p.h
}

func (p *play) slot(b byte) *slot { return p.w.slots[int(b)%len(p.w.slots)] }

func (p *play) step(s step) {
	switch s.op {
	case opSender, opReceiver:
		if s.op == opSender && len(p.senders) >= maxEnds || s.op == opReceiver && len(p.receivers) >= 2*maxEnds {
			return
		}
		p.open(p.slot(s.a), s.channel(), s.options(), s.op == opSender, reader{left: noLimit})
	case opSend, opDeliver, opFlush, opCloseC, opDetach:
		if len(p.senders) > 0 {
			p.sends(p.senders[int(s.a)%len(p.senders)], s)
		}
	case opRead:
		if len(p.receivers) > 0 {
			p.receivers[int(s.a)%len(p.receivers)].read(s.reader())
		}
	case opClose:
		if len(p.receivers) > 0 {
			p.close(p.receivers[int(s.a)%len(p.receivers)])
		}
	case opWait:
		time.Sleep(s.pause())
	case opLull:
		time.Sleep(resumeTimeout + 7*time.Second)
	case opKill, opShutdown, opCloseNode:
		p.down(p.slot(s.a), s)
	default:
		p.w.breaks(p.slot(s.a), p.slot(s.b), s)
	}
}

func (p *play) sends(a *sending, s step) {
	switch s.op {
	case opSend:
		a.send(s.count(), s.size())
	case opDeliver:
		a.deliver(s.size(), s.aside())
	case opFlush:
		a.flush(s.aside())
	case opCloseC:
		a.closeC()
	case opDetach:
		a.detach()
	}
}

// open makes an end on a node; none where the node is down.
func (p *play) open(at *slot, channel string, o history.Options, send bool, how reader) {
	p.w.mu.Lock()
	n, number := at.node, at.number
	p.w.mu.Unlock()
	if n == nil {
		return
	}
	name := p.name + "/" + channel
	if !send {
		r, err := NewReceiver[history.Parcel](n, name, receiveOptions(o)...)
		if err == nil {
			p.receivers = append(p.receivers, p.newReading(p.h.NewReceiver(number, channel, o), r, how))
		}
		return
	}
	s, err := NewSender[history.Parcel](n, name, sendOptions(o)...)
	if err == nil {
		p.senders = append(p.senders, p.newSending(p.h.NewSender(number, channel, o), s))
	}
}

func sendOptions(o history.Options) []SendOption {
	all := []SendOption{Buffer(o.Buffer)}
	if o.Broadcast {
		all = append(all, Broadcast())
	}
	if o.Lossy {
		all = append(all, Lossy())
	}
	if o.AtMostOnce {
		all = append(all, AtMostOnce())
	}
	return all
}

func receiveOptions(o history.Options) []ReceiveOption {
	all := []ReceiveOption{Buffer(o.Buffer)}
	if o.Lossy {
		all = append(all, Lossy())
	}
	if o.KeepOpen {
		all = append(all, KeepOpen())
	}
	return all
}

func (p *play) close(a *reading) {
	p.h.Closes(a.log)
	a.r.Close()
}

// down ends a node, which comes back later.
func (p *play) down(at *slot, s step) {
	n := at.take(s.String())
	if n == nil {
		return
	}
	switch s.op {
	case opKill:
		if s.b%3 == 0 {
			p.w.net.Vanish(at.ip) // nobody is told, and connections hang
		} else {
			p.w.net.Kill(at.ip)
		}
	case opShutdown:
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_ = n.Shutdown(ctx) // it may not be able to
		cancel()
	}
	n.Close()
	at.back(s.down())
}

func statsOf(s SenderStats) history.Stats {
	return history.Stats{
		Sent: s.Sent, Acknowledged: s.Acknowledged, InFlight: s.InFlight, Waiting: s.Waiting,
		Redelivered: s.Redelivered, Dropped: s.Dropped,
	}
}
