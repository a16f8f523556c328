package memnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestCut(t *testing.T) {
	bubble(t, func(w *world) {
		w.Host(carol)
		a, b := w.connect()
		w.Cut(alice, carol)
		w.write(a, "goes on")
		w.read(b, "goes on")
		w.write(a, "lost")
		w.write(b, "lost")
		pass(soon)
		w.Cut(alice, bob)
		for _, c := range []net.Conn{a, b} {
			w.took(0, func() { w.reads(c, syscall.ECONNRESET); w.writes(c, syscall.ECONNRESET) })
			c.Close()
		}
		a, b = w.connect()
		w.write(a, "anew")
		w.read(b, "anew")
	})
}

func TestCutAfter(t *testing.T) {
	for _, k := range []int{0, 1, 5, 9, 10, 11, 19, 20} {
		for _, live := range []bool{true, false} {
			bubble(t, func(w *world) {
				var a, b net.Conn
				if live {
					a, b = w.connect()
				}
				w.CutAfter(alice, bob, k)
				if !live {
					a, b = w.connect()
				}
				w.write(b, "other way")
				var writes error
				for range 2 {
					if _, err := a.Write(make([]byte, 10)); err != nil {
						writes = err
					}
				}
				if writes != nil {
					t.Errorf("%d: knew of it at once: %v", k, writes)
				}
				got, err := io.ReadAll(b)
				if len(got) != k || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%d: %d bytes, %v", k, len(got), err)
				}
				w.writes(b, syscall.ECONNRESET)
				pass(soon)
				w.writes(a, syscall.ECONNRESET)
				w.reads(a, syscall.ECONNRESET)
				w.CutAfter(alice, bob, -1)
				a, b = w.connect()
				w.write(a, strings.Repeat("x", 30))
				w.read(b, strings.Repeat("x", 30))
			})
		}
	}
}

// A connection that is cut while nothing gets through ends after that.
func TestCutAfterInSilence(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.Sever(alice, bob)
		w.CutAfter(alice, bob, 3)
		w.write(a, "123456")
		pass(time.Hour)
		w.write(a, "nobody knows")
		w.Heal(bob, alice)
		w.read(b, "123")
		w.reads(b, syscall.ECONNRESET)
		pass(oneWay)
		w.reads(a, syscall.ECONNRESET)
	})
}

func TestSever(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.write(a, "there,")
		pass(oneWay)
		w.write(a, "flying,")
		w.Sever(alice, bob)
		w.write(a, "held")
		w.read(b, "there,")
		w.reads(b, os.ErrDeadlineExceeded)
		w.write(b, "held too")
		b.Close()
		pass(time.Hour)
		w.reads(a, os.ErrDeadlineExceeded)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 2*window)); n >= window || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d bytes into silence, %v", n, err)
		}
		w.Heal(alice, bob)
		w.took(oneWay, func() { w.read(a, "held too") })
		w.reads(a, io.EOF)
		pass(oneWay)
		w.reads(a, syscall.ECONNRESET) // what was held came to nobody
	})
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.Sever(alice, bob)
		w.write(a, "held")
		a.Close()
		pass(time.Hour)
		w.Heal(alice, bob)
		w.took(oneWay, func() { w.read(b, "held") })
		w.reads(b, io.EOF)
	})
}

// A reset is not sent again: who missed it learns when it sends something.
func TestResetIntoSilence(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.write(a, "unread")
		pass(soon)
		w.Sever(alice, bob)
		w.write(b, "lost with it")
		b.Close()
		w.Heal(alice, bob)
		w.reads(a, os.ErrDeadlineExceeded)
		w.write(a, "hello?")
		pass(2 * oneWay)
		w.writes(a, syscall.ECONNRESET)
	})
}

func TestMute(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		w.Mute(alice, bob)
		w.write(b, "hears")
		w.read(a, "hears")
		w.write(a, "held")
		w.reads(b, os.ErrDeadlineExceeded)
		// Nobody tells bob that alice has read, so there comes the end of the window.
		done := make(chan int)
		go func() {
			b.SetWriteDeadline(time.Now().Add(time.Minute))
			n, _ := b.Write(make([]byte, 2*window))
			done <- n
		}()
		if n, err := io.ReadFull(a, make([]byte, window-5)); err != nil {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		w.reads(a, os.ErrDeadlineExceeded)
		if n := <-done; n != window-5 {
			t.Errorf("wrote %d bytes without an answer", n)
		}
		w.Unmute(alice, bob)
		w.read(b, "held")
		b.SetWriteDeadline(time.Time{})
		w.write(b, "room again")
		w.read(a, "room again")
	})
}

func TestDialIntoSilence(t *testing.T) {
	for _, way := range []way{{parseIP(alice), parseIP(bob)}, {parseIP(bob), parseIP(alice)}} {
		bubble(t, func(w *world) {
			w.Mute(way.from.String(), way.to.String())
			ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
			defer cancel()
			w.dials(ctx, w.alice, bob+":7000", context.DeadlineExceeded, 5*time.Second)
			w.dials(w.Context(), w.alice, bob+":7000", syscall.ETIMEDOUT, dialLimit)
			w.dials(ctx, w.alice, bob+":7000", context.DeadlineExceeded, 0)
			go func() { pass(2 * time.Second); w.Heal(alice, bob) }()
			w.took(3*time.Second+2*oneWay, func() { w.connect() }) // the third try
		})
	}
	bubble(t, func(w *world) {
		w.Sever(alice, bob)
		ctx, cancel := context.WithCancel(w.Context())
		go func() { pass(time.Second / 2); cancel() }()
		w.dials(ctx, w.alice, bob+":7000", context.Canceled, time.Second/2)
		go func() { pass(time.Second / 2); w.Close() }()
		w.dials(w.Context(), w.alice, bob+":7000", syscall.ENETDOWN, time.Second/2)
	})
}

func TestKill(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		waits, err := w.alice.Dial(w.Context(), bob+":7000") // nobody accepts it
		if err != nil {
			t.Fatal(err)
		}
		pass(soon)
		w.write(b, "on its way")
		w.Kill(bob)
		w.writes(b, syscall.ECONNRESET)
		w.reads(b, syscall.ECONNRESET)
		w.took(oneWay, func() { w.reads(waits, syscall.ECONNRESET) })
		w.reads(a, syscall.ECONNRESET)
		if _, err := w.listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, _, err := w.bobs.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, _, err := w.bob.Listen(":0"); !errors.Is(err, syscall.ENETDOWN) {
			t.Error(err)
		}
		w.dials(w.Context(), w.bob, alice+":7000", syscall.ENETDOWN, 0)
		w.dials(w.Context(), w.alice, bob+":7000", syscall.ECONNREFUSED, 2*oneWay)
		w.Kill(bob)
		w.Kill(carol)
		w.listener, _ = w.listen(w.Host(bob), ":7000")
		a, b = w.connect()
		w.write(a, "anew")
		w.read(b, "anew")
		w.Host(bob) // without a word before: the one that was there dies
		w.reads(a, syscall.ECONNRESET)
	})
}

func TestVanish(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.connect()
		c, d := w.connect()
		w.write(b, "on its way")
		w.Vanish(bob)
		w.write(a, "into nothing")
		pass(time.Hour)
		w.reads(a, os.ErrDeadlineExceeded)
		w.reads(b, os.ErrDeadlineExceeded)
		b.Close()
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		w.dials(ctx, w.alice, bob+":7000", context.DeadlineExceeded, time.Second)
		w.dials(ctx, w.bob, alice+":7000", context.DeadlineExceeded, 0)

		// The one that comes after it knows of no connection, and says so.
		w.listener, _ = w.listen(w.Host(bob), ":7000")
		w.took(2*oneWay, func() { w.reads(a, syscall.ECONNRESET) })
		w.reads(c, os.ErrDeadlineExceeded) // it has said nothing, so it has not heard
		w.write(c, "hello?")
		w.took(2*oneWay, func() { w.reads(c, syscall.ECONNRESET) })
		w.reads(d, os.ErrDeadlineExceeded)
		w.write(d, "into nothing")
		a, b = w.connect()
		w.write(a, "anew")
		w.read(b, "anew")
		for _, c := range []net.Conn{a, b, c, d} {
			c.Close()
		}
	})
	bubble(t, func(w *world) {
		w.Vanish(carol) // of which there was none
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		w.dials(ctx, w.alice, carol+":7000", context.DeadlineExceeded, time.Second)
		w.Kill(carol) // it is switched on again
		w.dials(w.Context(), w.alice, carol+":7000", syscall.ECONNREFUSED, 2*oneWay)
		w.Kill(bob)
		w.Vanish(bob)
		w.dials(ctx, w.alice, bob+":7000", context.DeadlineExceeded, 0)
	})
}

// Whatever happens but resets, all bytes come, once and in their order.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(30) {
		bubble(t, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 1))
			w.SetLatency(time.Millisecond, 5*time.Millisecond)
			var all sync.WaitGroup
			for range 3 {
				a, b := w.connect()
				for _, c := range [][2]net.Conn{{a, b}, {b, a}} {
					data := make([]byte, dice.IntN(4*window))
					rand.NewChaCha8([32]byte{byte(seed)}).Read(data)
					mine := rand.New(rand.NewPCG(seed, dice.Uint64()))
					all.Go(func() {
						for rest := data; len(rest) > 0; {
							n := 1 + mine.IntN(min(len(rest), window))
							if _, err := c[0].Write(rest[:n]); err != nil {
								t.Error(err)
							}
							if rest = rest[n:]; n%3 == 0 {
								pass(time.Duration(n) * time.Microsecond)
							}
						}
						c[0].(interface{ CloseWrite() error }).CloseWrite()
					})
					all.Go(func() {
						got, err := io.ReadAll(c[1])
						if err != nil || !bytes.Equal(got, data) {
							t.Errorf("seed %d: %d of %d bytes, %v", seed, len(got), len(data), err)
						}
					})
				}
			}
			end := make(chan bool)
			go func() { all.Wait(); close(end) }()
			faults := []func(a, b string){w.Sever, w.Heal, w.Mute, w.Unmute, func(string, string) { w.SetLatency(0, time.Millisecond) }}
			for i := 0; ; i++ {
				f := faults[dice.IntN(len(faults))]
				if i%20 == 19 {
					f = w.Heal
				}
				if dice.IntN(2) == 0 {
					f(alice, bob)
				} else {
					f(bob, alice)
				}
				select {
				case <-end:
					return
				case <-time.After(time.Duration(dice.IntN(50)) * time.Millisecond):
				}
			}
		})
	}
}

// Everything at once ends, and leaves nothing: most is seen by the race detector
// and by the bubble, which ends only when all goroutines do.
func TestChaos(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			n := New(seed)
			dice := rand.New(rand.NewPCG(seed, 2))
			ips := []string{alice, bob, carol}
			var all sync.WaitGroup
			run := func(h *Host) {
				l, s, err := h.Listen(":7000")
				if err != nil {
					return // the network or the host has ended
				}
				echo := func(c net.Conn) { io.Copy(c, c); c.Close() }
				all.Go(func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						all.Go(func() { echo(c) })
					}
				})
				all.Go(func() {
					for p := make([]byte, 9); ; {
						n, from, err := s.ReadFrom(p)
						if err != nil {
							return
						}
						if string(p[:n]) == "ping" {
							s.WriteTo([]byte("pong"), from)
						}
					}
				})
				seed := dice.Uint64()
				all.Go(func() {
					mine := rand.New(rand.NewPCG(seed, 3))
					for {
						to := ips[mine.IntN(3)]
						s.WriteTo([]byte("ping"), net.UDPAddrFromAddrPort(addrPortOf(to, 7000)))
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						c, err := h.Dial(ctx, to+":7000")
						cancel()
						if errors.Is(err, syscall.ENETDOWN) {
							return
						}
						if err != nil {
							continue
						}
						c.SetDeadline(time.Now().Add(time.Second))
						p := make([]byte, 1+mine.IntN(window/4)*(1+mine.IntN(100)/90*8))
						go func() { c.Write(p) }()
						io.ReadFull(c, p[:1+mine.IntN(len(p))])
						c.Close()
					}
				})
			}
			hosts := make(map[string]*Host)
			for _, ip := range ips {
				hosts[ip] = n.Host(ip)
				run(hosts[ip])
			}
			for range 200 {
				a, b := ips[dice.IntN(3)], ips[dice.IntN(3)]
				switch dice.IntN(9) {
				case 0:
					n.Cut(a, b)
				case 1:
					n.CutAfter(a, b, dice.IntN(window)-window/2)
				case 2:
					n.Sever(a, b)
				case 3:
					n.Mute(a, b)
				case 4, 5, 6:
					n.Heal(a, b)
				case 7:
					n.Kill(a)
				case 8:
					n.Vanish(a)
				}
				if dice.IntN(4) == 0 {
					old := hosts[a]
					hosts[a] = n.Host(a)
					run(hosts[a])
					endProgram(n, old)
				}
				pass(time.Duration(dice.IntN(100)) * time.Millisecond)
			}
			n.Close()
			all.Wait()
			synctest.Wait()
			if c := n.Open(); c != 0 {
				t.Errorf("%d connections are left", c)
			}
		})
	}
}

// endProgram does to a host of the past what closing its program would.
func endProgram(n *Network, h *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kill(h)
}

func ExampleNetwork() {
	// In a test this is a function that synctest.Test runs.
	n := New(1)
	defer n.Close()
	server, client := n.Host("10.0.0.1"), n.Host("10.0.0.2")
	l, _, err := server.Listen(":7946")
	if err != nil {
		panic(err)
	}
	c, err := client.Dial(context.Background(), l.Addr().String())
	if err != nil {
		panic(err)
	}
	n.Cut("10.0.0.1", "10.0.0.2")
	_, err = c.Write([]byte("hello"))
	fmt.Println(errors.Is(err, syscall.ECONNRESET))
	// Output: true
}
