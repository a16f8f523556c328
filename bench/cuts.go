package main

import (
	"errors"
	"net"
	"time"

	"github.com/matveynator/netchan"
	"github.com/matveynator/netchan/test/faultproxy"
)

// cutSystem is netchan with connections that are reset every cutEvery.
const (
	cutSystem = "netchan-cut"
	cutEvery  = 200 * time.Millisecond
)

// netchanCuts is a channel between two nodes that reach each other only through proxies.
func netchanCuts(e *env) (oneWay[int64], error) {
	listen, err := freeAddr()
	if err != nil {
		return oneWay[int64]{}, err
	}
	p, err := faultproxy.Listen(listen)
	if err != nil {
		return oneWay[int64]{}, err
	}
	cfg := netchan.Config{Name: e.Role, Listen: listen, Advertise: p.Addr(), Logger: quiet}
	if e.Role == client {
		cfg.Seeds = []string{e.Addr}
	}
	ctx, cancel := patience()
	defer cancel()
	n, err := netchan.Join(ctx, cfg)
	if err != nil {
		return oneWay[int64]{}, err
	}
	w, err := netchanEnds[int64](e, n)
	w.breaks = func() (sum uint64) {
		for _, l := range n.Stats().Links {
			sum += l.Breaks
		}
		return sum
	}
	if e.cut && err == nil {
		p.CutEvery(cutEvery)
	}
	return w, err
}

// freeAddr is an address that nobody listens at, for now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cutsWorkload is W1 without and with cuts. What goes wrong is counted.
func cutsWorkload() *workload {
	open := func(s *system) opener[int64] { return s.cuts }
	return &workload{
		name: "W10", title: "one way, int64, through a proxy; netchan-cut: it resets all connections every 200 ms",
		figures: []figure{{key: "rate", title: "values/s"}, {key: "breaks", title: "breaks"},
			{key: "lost", title: "lost", less: true}, {key: "doubled", title: "doubled", less: true}, {key: "reordered", title: "reordered", less: true}},
		can:   func(s *system) bool { return open(s) != nil },
		drive: func(e *env, s *system) (metrics, error) { return nil, sendAll(e, open(s), ints) },
		serve: func(e *env, s *system) (metrics, error) {
			w, err := open(s)(e)
			if err != nil {
				return nil, err
			}
			e.barrier()
			var t tally
			sp := e.span()
			for n := int64(0); ; n++ {
				if n%ints.every == 0 && sp.tick(n) {
					go e.barrier()
				}
				v, err := w.recv()
				if err != nil {
					return nil, err
				}
				if v < 0 {
					t.end(-1 - v)
					break
				}
				t.add(v)
			}
			breaks := w.breaks()
			if e.cut && breaks == 0 {
				return nil, errors.New("nothing was cut")
			}
			return metrics{"rate": sp.rate(), "breaks": float64(breaks),
				"lost": float64(len(t.missing)) + t.lost, "doubled": t.doubled, "reordered": t.reordered}, nil
		},
	}
}

// A tally counts what is wrong with numbers that should come one after the other.
type tally struct {
	next                     int64
	missing                  map[int64]bool // passed over; may still come
	lost, doubled, reordered float64
}

func (t *tally) add(v int64) {
	switch {
	case v == t.next:
		t.next++
	case v > t.next:
		t.skip(v)
		t.next++
	case t.missing[v]:
		delete(t.missing, v)
		t.reordered++
	default:
		t.doubled++
	}
}

func (t *tally) skip(to int64) {
	if t.missing == nil {
		t.missing = map[int64]bool{}
	}
	for ; t.next < to; t.next++ {
		if len(t.missing) < 1<<20 {
			t.missing[t.next] = true
		} else {
			t.lost++
		}
	}
}

// end is told how many were sent.
func (t *tally) end(count int64) { t.skip(count) }
