package netchan

import (
	"time"

	"github.com/matveynator/netchan/test/history"
)

const (
	// feltFor is how long after a fault connections may still break because of it:
	// silence is noticed after 3 s, and a dial that hangs goes on for a while.
	feltFor = 12 * time.Second
	// backWithin is after how long a link must be back: a dial that hangs is given
	// up after 5 s, the pauses between two are up to 1.5 s.
	backWithin = 8 * time.Second
	// noticedWithin is how long silence may go unnoticed.
	noticedWithin = 4 * time.Second
)

// pairOf names two slots whatever their order.
func pairOf(a, b *slot) [2]int { return [2]int{min(a.index, b.index), max(a.index, b.index)} }

// troubled notes a fault between two slots that lasts for a while. w.mu is held.
func (w *world) troubled(a, b *slot, lasts time.Duration) {
	until := time.Now().Add(lasts)
	if p := pairOf(a, b); w.trouble[p].Before(until) {
		w.trouble[p] = until
	}
}

// fault breaks something between two slots and has it whole again after a while,
// or, with no time, at once.
func (w *world) fault(a, b *slot, s step, lasts time.Duration, begin, end func()) {
	if a == b {
		return
	}
	w.mu.Lock()
	w.troubled(a, b, lasts)
	w.h.Say("%v: %s-%s for %v", s, a.name(), b.name(), lasts)
	w.mu.Unlock()
	begin()
	if end != nil {
		w.wg.Go(func() {
			w.sleep(lasts)
			end()
		})
	}
}

// silence has b hear nothing from a for a while, and looks whether it notices.
func (w *world) silence(a, b *slot, lasts time.Duration) {
	if a == b || lasts <= noticedWithin {
		return
	}
	w.mu.Lock()
	from, to, began := a.node, b.node, time.Now()
	w.mu.Unlock()
	if from == nil || to == nil {
		return
	}
	w.wg.Go(func() {
		if !w.sleep(noticedWithin) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if a.node != from || b.node != to || !w.healed[pairOf(a, b)].Before(began) {
			return
		}
		for _, l := range to.Stats().Links {
			if l.Node.ID == from.Self().ID && !l.Broken {
				w.h.Fault(history.ErrUnnoticed, "%s has heard nothing from %s for %v", b.name(), a.name(), noticedWithin)
			}
		}
	})
}

// heals notes that silence between two slots ends.
func (w *world) heals(a, b *slot, end func(a, b string)) {
	w.mu.Lock()
	w.healed[pairOf(a, b)] = time.Now()
	w.mu.Unlock()
	end(a.ip, b.ip)
}

func (w *world) breaks(a, b *slot, s step) {
	switch s.op {
	case opCut:
		w.fault(a, b, s, 0, func() { w.net.Cut(a.ip, b.ip) }, nil)
	case opCutAfter:
		w.fault(a, b, s, s.shortly(), func() { w.net.CutAfter(a.ip, b.ip, s.after()) }, func() { w.net.CutAfter(a.ip, b.ip, -1) })
	case opSever:
		w.fault(a, b, s, s.outage(), func() { w.net.Sever(a.ip, b.ip) }, func() { w.heals(a, b, w.net.Heal) })
		w.silence(a, b, s.outage())
		w.silence(b, a, s.outage())
	case opMute:
		w.fault(a, b, s, s.outage(), func() { w.net.Mute(a.ip, b.ip) }, func() { w.heals(a, b, w.net.Unmute) })
		w.silence(a, b, s.outage())
	case opGate:
		w.fault(a, b, s, s.outage(), func() { w.gate(a, b, true) }, func() { w.gate(a, b, false) })
	case opHeal:
		if a != b {
			w.heals(a, b, w.net.Heal)
		}
	}
}

// gate says that a can't dial b, or can again.
func (w *world) gate(a, b *slot, shut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gates[[2]int{a.index, b.index}] = shut
}

// heal ends all faults.
func (w *world) heal() {
	w.mu.Lock()
	clear(w.gates)
	for p, until := range w.trouble {
		if now := time.Now(); until.After(now) {
			w.trouble[p] = now
		}
	}
	w.h.Say("the network is whole")
	w.mu.Unlock()
	w.net.SetLoss(0)
	for _, a := range w.slots {
		for _, b := range w.slots {
			if a.index < b.index {
				w.heals(a, b, w.net.Heal)
			}
			if a != b {
				w.net.CutAfter(a.ip, b.ip, -1)
			}
		}
	}
}
