package netchan_test

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/matveynator/netchan"
)

type job struct {
	N     int
	Reply chan<- receipt
}

type receipt struct {
	N        int
	Progress <-chan int
}

// A worker sends back, for each job, a channel by which it tells how far it is.
func TestProgressOfJobs(t *testing.T) {
	const workers, jobs, steps = 3, 30, 5
	over(t, workers+1, func(t *testing.T, p plumbing[job]) {
		for part := range workers {
			in := p.receive(part + 1)
			go func() {
				for j := range in {
					progress := make(chan int)
					j.Reply <- receipt{j.N, progress}
					go func() {
						for i := range steps {
							progress <- j.N + i
						}
						close(progress)
					}()
				}
			}()
		}
		c := p.send(0)
		var wg sync.WaitGroup
		for n := range jobs {
			wg.Go(func() {
				reply := make(chan receipt, 1)
				c <- job{n, reply}
				r := <-reply
				want := r.N
				for v := range r.Progress {
					if v != want {
						t.Errorf("job %d: %d, want %d", n, v, want)
					}
					want++
				}
				if r.N != n || want != n+steps {
					t.Errorf("job %d ended at %d as %d", n, want, r.N)
				}
			})
		}
		wg.Wait()
	})
}

// A baton goes round, with the way home.
type baton struct {
	Hops int
	Home chan<- int
}

// A ring whose stations find each other by channels of channels only.
func TestBatonRing(t *testing.T) {
	const stations, hops = 4, 100
	type seat struct {
		Number int
		In     chan<- chan<- baton // gets the channel on which the station takes batons
		Next   <-chan chan<- baton // brings that of the next station
	}
	over(t, stations, func(t *testing.T, p plumbing[seat]) {
		done := make(chan struct{})
		var ended sync.WaitGroup
		for part := range stations {
			seats := p.receive(part)
			ended.Go(func() {
				s := <-seats
				batons := make(chan baton)
				s.In <- batons
				next := <-s.Next
				for {
					select {
					case b := <-batons:
						if b.Hops--; b.Hops == 0 {
							b.Home <- s.Number
						} else {
							next <- b
						}
					case <-done:
						return
					}
				}
			})
		}
		c := p.send(0)
		var ways [stations]chan chan<- baton // to each station
		for i := range ways {
			ways[i] = make(chan chan<- baton, 1)
		}
		var first chan<- baton
		for i := range stations {
			in := make(chan chan<- baton)
			give(t, c, seat{i, in, ways[(i+1)%stations]})
			way := take(t, in)
			if i == 0 {
				first = way
			}
			ways[i] <- way
		}
		home := make(chan int)
		give(t, first, baton{Hops: hops, Home: home})
		if at := take(t, home); at != (hops-1)%stations {
			t.Errorf("the baton ended at %d", at)
		}
		close(done)
		ended.Wait()
	})
}

// bundle has channels wherever they may stand.
type bundle struct {
	Slice  []chan<- int
	Array  [2]<-chan int
	Map    map[string]chan<- int
	Keys   map[chan<- int]string
	Ptr    *chan<- int
	Nil    chan<- int
	NilIn  <-chan int
	Empty  []<-chan int
	Either chan int `netchan:",send"`
	From   chan int `netchan:"from,receive"`
	Any    any
	Any2   any
}

func init() { netchan.Register[job]() }

// Channels may stand anywhere, and one that comes twice is one.
func TestChannelsAnywhere(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	out := sender[bundle](t, a, "bundles")
	in := receiver[bundle](t, b, "bundles")
	up, down, closed := make(chan int, 20), make(chan int, 20), make(chan int)
	close(closed)
	receipts := make(chan receipt, 1)
	send := (chan<- int)(up)
	v := bundle{
		Slice: []chan<- int{up, nil, up}, Array: [2]<-chan int{down, closed}, Map: map[string]chan<- int{"up": up},
		Keys: map[chan<- int]string{up: "key"}, Ptr: &send, Empty: []<-chan int{}, Either: up, From: down, Any: up, Any2: job{7, receipts},
	}
	give(t, out.C, v)
	got := take(t, in.C)
	proxy := got.Slice[0]
	if cap(proxy) != cap(up) {
		t.Errorf("room for %d", cap(proxy))
	}
	for what, c := range map[string]chan<- int{
		"slice": got.Slice[2], "map": got.Map["up"], "pointer": *got.Ptr, "tag": got.Either, "any": got.Any.(chan<- int),
	} {
		if c != proxy {
			t.Errorf("%s: another channel", what)
		}
	}
	if got.Keys[proxy] != "key" || len(got.Slice) != 3 || got.Slice[1] != nil || got.Nil != nil || got.NilIn != nil || got.Empty == nil ||
		got.Array[0] != (<-chan int)(got.From) {
		t.Errorf("%+v", got)
	}
	give(t, proxy, 1)
	if n := take(t, up); n != 1 {
		t.Error(n)
	}
	down <- 2
	if n := take(t, got.Array[0]); n != 2 {
		t.Error(n)
	}
	if _, ok := <-got.Array[1]; ok || netchan.Err(got.Array[1]) != nil {
		t.Errorf("%t, %v", ok, netchan.Err(got.Array[1]))
	}
	j := got.Any2.(job)
	give(t, j.Reply, receipt{N: j.N})
	if r := take(t, receipts); r.N != 7 || r.Progress != nil {
		t.Errorf("%+v", r)
	}
	// In another value it is the same again.
	give(t, out.C, bundle{Slice: []chan<- int{up}})
	if again := take(t, in.C); again.Slice[0] != proxy {
		t.Error("another channel")
	}
}

// A channel that comes by two routes is one.
func TestSameByTwoRoutes(t *testing.T) {
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	c := join(t, "c", a.Addr())
	toB, fromA := sender[chan<- int](t, a, "ab"), receiver[chan<- int](t, b, "ab")
	toC, fromB := sender[chan<- int](t, b, "bc"), receiver[chan<- int](t, c, "bc")
	direct, atC := sender[chan<- int](t, a, "ac"), receiver[chan<- int](t, c, "ac")
	ints := make(chan int, 1)
	give(t, toB.C, ints)
	give(t, toC.C, take(t, fromA.C))
	first := take(t, fromB.C)
	give(t, direct.C, ints)
	if second := take(t, atC.C); second != first {
		t.Error("two channels")
	}
	give(t, first, 5)
	if v := take(t, ints); v != 5 {
		t.Error(v)
	}
}

type measureV1 struct{ Celsius int8 }

type measureV2 struct {
	Station string
	Celsius int
}

// What goes through a channel may be of another version of its type.
func TestVersionsThroughAChannel(t *testing.T) {
	type askV1 struct {
		Reply chan measureV1 `netchan:",send"`
	}
	type askV2 struct {
		Reply chan<- measureV2
		More  []<-chan int
	}
	a := join(t, "a")
	b := join(t, "b", a.Addr())
	ask, asked := sender[askV1](t, a, "ask"), receiver[askV2](t, b, "ask")
	reply := make(chan measureV1, 2)
	give(t, ask.C, askV1{reply})
	q := take(t, asked.C)
	give(t, q.Reply, measureV2{"North", 1000}) // fits no int8: an error of this value only
	give(t, q.Reply, measureV2{"North", -7})
	if m := take(t, reply); m.Celsius != -7 {
		t.Error(m)
	}
}

// Channels travel over Listen and Dial, alone in an any and in registered types.
func TestChannelsInAnys(t *testing.T) {
	seedKey(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	addr := unusedAddr(t)
	_, receive, err := netchan.ListenContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	send, _, err := netchan.DialContext(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	ints, receipts := make(chan int, 1), make(chan receipt, 1)
	from := make(chan string, 1)
	from <- "from afar"
	for _, v := range []any{ints, (chan<- int)(ints), job{1, receipts}, &job{2, receipts}, []chan<- int{ints}, map[string]any{"c": ints}, (<-chan string)(from)} {
		give(t, send, v)
	}
	first := take(t, receive)
	proxy, ok := first.(chan<- int)
	if !ok {
		t.Fatalf("a %T", first)
	}
	if v := take(t, receive); v != any(proxy) {
		t.Errorf("%T %v", v, v)
	}
	one, two := take(t, receive).(job), take(t, receive).(*job)
	if one.Reply != two.Reply {
		t.Error("two channels")
	}
	if v := take(t, receive); !reflect.DeepEqual(v, []chan<- int{proxy}) {
		t.Errorf("%T %v", v, v)
	}
	if v := take(t, receive).(map[string]any); v["c"] != any(proxy) {
		t.Errorf("%v", v)
	}
	if v := take(t, take(t, receive).(<-chan string)); v != "from afar" {
		t.Error(v)
	}
	give(t, proxy, 3)
	if v := take(t, ints); v != 3 {
		t.Error(v)
	}
	give(t, two.Reply, receipt{N: 2})
	if r := take(t, receipts); r.N != 2 {
		t.Error(r)
	}
}
