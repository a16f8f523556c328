package netchan

import (
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan/test/history"
)

// peace is how long everything may take to come to its end once the network is whole.
const peace = 60 * time.Second

// calm ends all faults and waits until everything has arrived.
func (p *play) calm() {
	p.w.heal()
	p.until("all nodes see each other", p.whole)
	for _, a := range p.receivers {
		a.read(reader{left: noLimit})
	}
	for _, channel := range []string{"a", "b"} {
		p.open(p.w.slots[0], channel, history.Options{Buffer: 1, KeepOpen: true}, false, reader{left: noLimit})
	}
	p.until("all that was accepted has arrived", p.arrived)
	p.until("all ends are known everywhere", p.known)
}

// end ends all senders, and then all receivers.
func (p *play) end() {
	closed := make(map[string]bool)
	for i, a := range p.senders {
		if a.ending || !p.h.Alive(a.log.Node) {
			continue
		}
		if i%3 == 0 {
			a.detach()
			continue
		}
		a.closeC()
		closed[a.log.Channel] = true
	}
	p.until("all senders are done", func() string {
		for _, a := range p.senders {
			if n := a.busy.Load(); n > 0 {
				return fmt.Sprintf("%v has %d things to do", a.log, n)
			}
			if !over(a.s.Done()) {
				return fmt.Sprintf("%v is not done: %+v", a.log, a.s.Stats())
			}
		}
		return ""
	})
	p.until("receivers have heard of the close", func() string {
		for _, a := range p.receivers {
			if closed[a.log.Channel] && !a.log.KeepOpen && !over(a.out) {
				return fmt.Sprintf("the C of %v is open: %+v", a.log, a.r.Stats())
			}
		}
		return ""
	})
	for _, a := range p.receivers {
		p.close(a)
	}
	p.until("receivers have ended", func() string {
		for _, a := range p.receivers {
			if !over(a.out) {
				return fmt.Sprintf("the C of %v is open", a.log)
			}
		}
		return ""
	})
}

// until waits until what says that nothing is missing.
func (p *play) until(goal string, what func() string) {
	pause := time.Millisecond
	for begin := time.Now(); ; {
		synctest.Wait()
		missing := what()
		if missing == "" {
			p.h.Say("%s", goal)
			return
		}
		if time.Since(begin) > peace {
			p.h.Fault(history.ErrLate, "%s: not after %v: %s", goal, peace, missing)
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 500*time.Millisecond)
	}
}

func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// whole says what is missing of: every slot has a node, which sees all others, and
// no link is broken.
func (p *play) whole() string {
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.slots {
		if s.node == nil {
			return s.name() + " is not there"
		}
		var names []string
		for _, m := range s.node.Members() {
			if w.slotOf(m.ID) == nil {
				return fmt.Sprintf("%s sees %s, which is gone", s.name(), m.Name)
			}
			names = append(names, m.Name)
		}
		if len(names) != len(w.slots) {
			return fmt.Sprintf("%s sees %s only", s.name(), strings.Join(names, ", "))
		}
		for _, l := range s.node.Stats().Links {
			if l.Broken {
				return fmt.Sprintf("the link of %s with %s is broken", s.name(), l.Node.Name)
			}
		}
	}
	return ""
}

// arrived says what has not.
func (p *play) arrived() string {
	for _, a := range p.senders {
		if a.ending && over(a.s.Done()) || !p.h.Alive(a.log.Node) {
			continue
		}
		st := a.s.Stats()
		if st.InFlight+st.Waiting > 0 || a.busy.Load() > 0 || len(a.s.C) > 0 {
			return fmt.Sprintf("%v has %d things to do, %+v", a.log, a.busy.Load(), st)
		}
	}
	return ""
}

// known says which node has not heard of an end.
func (p *play) known() string {
	ends := 0
	for _, a := range p.senders {
		if p.h.Alive(a.log.Node) && !over(a.s.Done()) {
			ends++
		}
	}
	for _, a := range p.receivers {
		if p.h.Alive(a.log.Node) && !over(a.out) {
			ends++
		}
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, s := range p.w.slots {
		n := 0
		for _, c := range s.node.Channels() {
			if strings.HasPrefix(c.Name, p.name+"/") {
				n++
			}
		}
		if n != ends {
			return fmt.Sprintf("%s knows of %d ends, there are %d", s.name(), n, ends)
		}
	}
	return ""
}
