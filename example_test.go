package netchan_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/matveynator/netchan"
)

// exampleNodes makes two nodes of one mesh, in one process for the sake of the
// examples. On two machines each calls Join with the other's address, and both
// have the same $NETCHAN_KEY instead of a Key made here.
func exampleNodes() (a, b *netchan.Node) {
	key := netchan.GenerateKey()
	a, err := netchan.Join(context.Background(), netchan.Config{Name: "a", Key: key})
	if err != nil {
		log.Fatal(err)
	}
	b, err = netchan.Join(context.Background(), netchan.Config{Name: "b", Key: key, Seeds: []string{a.Addr()}})
	if err != nil {
		log.Fatal(err)
	}
	return a, b
}

// A node joins through the address of any member.
func ExampleJoin() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for the joining
	defer cancel()
	key := netchan.GenerateKey()
	server, err := netchan.Join(ctx, netchan.Config{Name: "server", Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	worker, err := netchan.Join(ctx, netchan.Config{Name: "worker", Key: key, Seeds: []string{server.Addr()}})
	if err != nil {
		log.Fatal(err)
	}
	defer worker.Close()
	for _, m := range worker.Members() {
		fmt.Println(m.Name)
	}
	// Output:
	// server
	// worker
}

// A node without the key stays out.
func ExampleJoin_wrongKey() {
	ctx := context.Background()
	server, err := netchan.Join(ctx, netchan.Config{Key: netchan.GenerateKey()})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	_, err = netchan.Join(ctx, netchan.Config{Key: netchan.GenerateKey(), Seeds: []string{server.Addr()}})
	fmt.Println(errors.Is(err, netchan.ErrKeyMismatch))
	// Output: true
}

// C is an ordinary channel to send on. Closing it says "no more from me".
func ExampleNewSender() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	type Point struct{ X, Y int }
	out, err := netchan.NewSender[Point](a, "points")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[Point](b, "points")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for x := range 3 {
			out.C <- Point{x, x * x}
		}
		close(out.C)
	}()
	for p := range in.C {
		fmt.Println(p)
	}
	// Output:
	// {0 0}
	// {1 1}
	// {2 4}
}

// C is an ordinary channel to receive from: use it in a select. When it is
// closed, Err says why.
func ExampleNewReceiver() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	out, err := netchan.NewSender[string](a, "words")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[string](b, "words", netchan.Buffer(8))
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		out.C <- "hello"
		out.C <- "world"
		close(out.C)
	}()
	for {
		select {
		case word, ok := <-in.C:
			if !ok {
				fmt.Println("closed:", in.Err())
				return
			}
			fmt.Println(word)
		case <-time.After(30 * time.Second):
			fmt.Println("nothing came")
			return
		}
	}
	// Output:
	// hello
	// world
	// closed: <nil>
}

// Types that don't match exactly still talk: fields are matched by name.
func ExampleNewReceiver_otherVersion() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	type PersonV2 struct {
		Name  string
		Age   int32
		Email string
	}
	type PersonV1 struct {
		Age  int
		Name string
	}
	out, err := netchan.NewSender[PersonV2](a, "people")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[PersonV1](b, "people")
	if err != nil {
		log.Fatal(err)
	}
	out.C <- PersonV2{Name: "Ada", Age: 36, Email: "ada@example.org"}
	fmt.Printf("%+v\n", <-in.C)
	// Output: {Age:36 Name:Ada}
}

// Deliver returns when a receiving program has taken the value out of its
// channel.
func ExampleSender_Deliver() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	out, err := netchan.NewSender[string](a, "orders")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[string](b, "orders")
	if err != nil {
		log.Fatal(err)
	}
	taken := make(chan string, 1)
	go func() { taken <- <-in.C }()
	err = out.Deliver(context.Background(), "one coffee")
	fmt.Println("delivered:", err)
	fmt.Println("taken:", <-taken)
	// Output:
	// delivered: <nil>
	// taken: one coffee
}

// When the context of a call ends first, the error says what it waited for.
func ExampleStalledError() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	out, err := netchan.NewSender[string](a, "orders")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err = out.Deliver(ctx, "one coffee")
	fmt.Println(err)
	var stalled *netchan.StalledError
	if errors.As(err, &stalled) {
		fmt.Println(stalled.Left, stalled.Reason == netchan.NoReceiver)
	}
	// Output:
	// netchan: 1 value of "orders" waits: no receiver: context deadline exceeded
	// 1 true
}

// With Broadcast each receiver that is there gets every value.
func ExampleBroadcast() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	news, err := netchan.NewSender[string](a, "news", netchan.Broadcast())
	if err != nil {
		log.Fatal(err)
	}
	here, err := netchan.NewReceiver[string](a, "news", netchan.Buffer(4))
	if err != nil {
		log.Fatal(err)
	}
	there, err := netchan.NewReceiver[string](b, "news", netchan.Buffer(4))
	if err != nil {
		log.Fatal(err)
	}
	if err := news.WaitReceivers(context.Background(), 2); err != nil {
		log.Fatal(err)
	}
	news.C <- "it works"
	fmt.Println("a:", <-here.C)
	fmt.Println("b:", <-there.C)
	// Output:
	// a: it works
	// b: it works
}

// Listen and Dial connect programs by an address, without names and without a
// mesh. A value that the listener sends goes to whichever dialer is ready first.
func ExampleListen() {
	defer useKey(netchan.GenerateKey())() // or the user's own, the same for both
	addr := freeAddr()                    // such as "10.0.0.1:9999"
	client := make(chan error, 1)
	go func() {
		send, receive, err := netchan.Dial(addr) // waits for the listener
		if err != nil {
			client <- err
			return
		}
		for number := range receive {
			send <- number.(int) * 2
		}
		close(send)
		client <- nil
	}()

	send, receive, err := netchan.Listen(addr)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for i := range 3 {
			send <- i
		}
		close(send) // ends the client's loop
	}()
	for doubled := range receive { // until the last client has gone
		fmt.Println(doubled)
	}
	fmt.Println("client:", <-client)
	// Output:
	// 0
	// 2
	// 4
	// client: <nil>
}

// freeAddr is an address on which nobody listens.
func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// useKey makes key the DefaultKey until the function it returns is called.
func useKey(key netchan.Key) (restore func()) {
	before := os.Getenv("NETCHAN_KEY")
	os.Setenv("NETCHAN_KEY", key.Secret())
	return func() { os.Setenv("NETCHAN_KEY", before) }
}

// Shutdown delivers what was sent, and says what it could not.
func ExampleNode_Shutdown() {
	a, b := exampleNodes()
	defer b.Close()
	out, err := netchan.NewSender[string](a, "letters", netchan.Buffer(10))
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[string](b, "letters", netchan.Buffer(10))
	if err != nil {
		log.Fatal(err)
	}
	taken := make(chan []string, 1)
	go func() { taken <- []string{<-in.C, <-in.C} }()
	out.C <- "first"
	out.C <- "second"
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("left:", a.Shutdown(ctx))
	fmt.Println(<-taken)
	// Output:
	// left: <nil>
	// [first second]
}

// A value brings the channel for its answer.
func Example_reply() {
	server, client := exampleNodes()
	defer server.Close()
	defer client.Close()
	type Request struct {
		Word  string
		Reply chan<- int
	}
	go func() {
		requests, err := netchan.NewReceiver[Request](server, "requests")
		if err != nil {
			log.Fatal(err)
		}
		for r := range requests.C {
			r.Reply <- len(r.Word)
		}
	}()
	requests, err := netchan.NewSender[Request](client, "requests")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	reply := make(chan int, 1)
	requests.C <- Request{"hello", reply}
	n, err := netchan.Receive(ctx, reply) // <-reply would wait for ever for one who has died
	fmt.Println(n, err)
	// Output: 5 <nil>
}

// Who sends on a channel that came in a value learns by Done that its reader is gone.
func ExampleDone() {
	a, b := exampleNodes()
	defer a.Close()
	out, err := netchan.NewSender[chan<- string](b, "subscriptions")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[chan<- string](a, "subscriptions")
	if err != nil {
		log.Fatal(err)
	}
	news := make(chan string, 1)
	out.C <- news
	subscriber := <-in.C
	subscriber <- "first"
	fmt.Println(<-news)
	b.Close() // or its program has dropped news, or it has died
	<-netchan.Done(subscriber)
	fmt.Println(errors.Is(netchan.Err(subscriber), netchan.ErrPeerLost))
	subscriber <- "second" // completes, and is dropped
	// Output:
	// first
	// true
}

// Release gives up a channel before the garbage is collected. At its home Done tells.
func ExampleRelease() {
	a, b := exampleNodes()
	defer a.Close()
	defer b.Close()
	out, err := netchan.NewSender[chan<- int](a, "counters")
	if err != nil {
		log.Fatal(err)
	}
	in, err := netchan.NewReceiver[chan<- int](b, "counters")
	if err != nil {
		log.Fatal(err)
	}
	counter := make(chan int, 3)
	go func() {
		c := <-in.C
		c <- 1
		c <- 2
		netchan.Release(c) // what was sent is still delivered
	}()
	if err := out.Deliver(context.Background(), counter); err != nil {
		log.Fatal(err)
	}
	done := netchan.Done(counter)
	fmt.Println(<-counter, <-counter)
	<-done
	fmt.Println("nobody elsewhere has it any more")
	// Output:
	// 1 2
	// nobody elsewhere has it any more
}
