package netchan_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/matveynator/netchan"
)

// hoarder takes one request, has more in its buffer, and answers none. Its argument is a seed.
func hoarder(arg string) error {
	node, err := netchan.Join(context.Background(), netchan.Config{Name: "hoarder", Seeds: []string{arg}, Logger: quiet()})
	if err != nil {
		return err
	}
	r, err := netchan.NewReceiver[request](node, "requests", netchan.Buffer(2))
	if err != nil {
		return err
	}
	taken := <-r.C
	fmt.Println("took", taken.N)
	_, err = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
	return err
}

// Who had requests is closed, or dies. The one that it had taken is lost, and that is told by the
// end of its reply channel. The others wait for who comes next, and their reply channels with them.
func TestChannelsOfWhatWaits(t *testing.T) {
	for name, hoard := range map[string]func(t *testing.T, home *netchan.Node) (end func()){
		"closed": func(t *testing.T, home *netchan.Node) func() {
			node := join(t, "hoarder", home.Addr())
			take(t, receiver[request](t, node, "requests", netchan.Buffer(2)).C)
			return func() { node.Close() }
		},
		"killed": func(t *testing.T, home *netchan.Node) func() {
			p := startProcess(t, "hoarder", home.Addr())
			p.want("took")
			return func() { p.cmd.Process.Kill() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := join(t, "home")
			requests := sender[request](t, home, "requests", netchan.Buffer(8))
			replies, done := make([]chan response, 6), make([]<-chan struct{}, 6)
			for i := range replies {
				replies[i] = make(chan response, 1)
				done[i] = netchan.Done(replies[i])
				give(t, requests.C, request{i, replies[i]})
			}
			end := hoard(t, home)
			waitFor(t, "one to be taken", func() bool { return requests.Stats().Acknowledged == 1 })
			end()
			<-done[0]
			if err := netchan.Err(replies[0]); !isErr(err, netchan.ErrPeerLost) && !isErr(err, netchan.ErrClosed) {
				t.Errorf("of the one that was taken: %v", err)
			}
			waitFor(t, "the others to wait", func() bool {
				st := requests.Stats()
				return st.InFlight == 0 && st.Waiting+uint64(len(requests.C)) == 5 && home.Stats().Refs.Exported == 0
			})

			next := receiver[request](t, join(t, "next", home.Addr()), "requests")
			for i := 1; i < len(replies); i++ {
				r := take(t, next.C)
				if r.N != i {
					t.Errorf("request %d comes after %d", r.N, i-1)
				}
				select {
				case <-done[r.N]:
					t.Errorf("request %d waits, and its channel is said to be gone: %v", r.N, netchan.Err(replies[r.N]))
				default:
				}
				give(t, r.Reply, response{r.N * r.N})
				if a := take(t, replies[r.N]); a.Square != r.N*r.N {
					t.Errorf("request %d is answered by %d", r.N, a.Square)
				}
				netchan.Release(r.Reply)
				<-done[r.N] // now it is gone
			}
		})
	}
}

// A request waits for a receiver that does not come, and is given up with its sender. That ends its
// channel, which somebody has had.
func TestChannelsOfWhatIsGivenUp(t *testing.T) {
	home := join(t, "home")
	node := join(t, "hoarder", home.Addr())
	requests := sender[request](t, home, "requests")
	idle := receiver[request](t, node, "requests", netchan.Buffer(1))
	reply := make(chan response, 1)
	give(t, requests.C, request{1, reply})
	waitFor(t, "it to lie there", func() bool { return len(idle.C) == 1 && requests.Stats().InFlight == 1 })
	done := netchan.Done(reply)
	node.Close()
	waitFor(t, "it to wait", func() bool { return requests.Stats().Waiting == 1 && home.Stats().Refs.Exported == 0 })
	select {
	case <-done:
		t.Errorf("gone while its request waits: %v", netchan.Err(reply))
	default:
	}
	home.Close()
	<-done
	if err := netchan.Err(reply); err == nil {
		t.Error("no reason")
	}
}
