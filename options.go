package netchan

import "fmt"

// A SendOption is an option of NewSender.
type SendOption interface{ applySend(*endConfig) }

// A ReceiveOption is an option of NewReceiver.
type ReceiveOption interface{ applyReceive(*endConfig) }

// An Option is one for both.
type Option interface {
	SendOption
	ReceiveOption
}

// endConfig is what the options of one end say together.
type endConfig struct {
	buffer                                        int
	keepOpen, broadcast, lossy, atMostOnce, plain bool
}

type bothOption func(*endConfig)

func (o bothOption) applySend(c *endConfig)    { o(c) }
func (o bothOption) applyReceive(c *endConfig) { o(c) }

type sendOption func(*endConfig)

func (o sendOption) applySend(c *endConfig) { o(c) }

type receiveOption func(*endConfig)

func (o receiveOption) applyReceive(c *endConfig) { o(c) }

// maxBuffer bounds Buffer: what lies in a channel is memory.
const maxBuffer = 1 << 20

// Buffer makes C a channel with room for n values, as make(chan T, n); the
// default is 0, and 1,048,576 the most. A receiver lets each of its senders have max(1, n) values on
// their way, beyond the n that lie in C: so the rate of one channel is at most
// about n values in each round trip. A small buffer spreads values evenly over
// receivers, a large one is fast.
func Buffer(n int) Option { return bothOption(func(c *endConfig) { c.buffer = n }) }

// KeepOpen leaves a Receiver's C open when the last sender closes: for
// services, which wait for the next one.
func KeepOpen() ReceiveOption { return receiveOption(func(c *endConfig) { c.keepOpen = true }) }

// Broadcast makes a Sender give every value to every receiver that is there. It
// waits until all of them have room, but for Lossy ones, and until there is one. So
// it also waits for one behind a broken link, until that is back or given up.
func Broadcast() SendOption { return sendOption(func(c *endConfig) { c.broadcast = true }) }

// Lossy makes a Receiver one that is never waited for: when its C is full, the
// oldest value goes, and is counted. A Broadcast waits for it neither with the
// next value nor with Deliver, Flush and its end. On a Sender with Broadcast all
// receivers are treated so. It makes Buffer at least 1.
func Lossy() Option { return bothOption(func(c *endConfig) { c.lossy = true }) }

// AtMostOnce makes a Sender drop, and count, what a receiver that died may
// have taken, where another one would get it again otherwise.
func AtMostOnce() SendOption { return sendOption(func(c *endConfig) { c.atMostOnce = true }) }

// Uncompressed sends a Sender's values as they are. Without it they are compressed where
// they leave the node, frame by frame, when a frame has at least 1 KiB and where that
// saves an eighth. It is for values that are compressed already, and for channels whose values hold a secret beside text that
// others choose: the length of what is sent can then tell of the secret.
func Uncompressed() SendOption { return sendOption(func(c *endConfig) { c.plain = true }) }

func (c *endConfig) check(call string) error {
	if c.buffer < 0 || c.buffer > maxBuffer {
		return &ArgumentError{Call: call, Arg: "Buffer", Problem: fmt.Sprintf("%d is not within 0 and %d", c.buffer, maxBuffer)}
	}
	if c.lossy && call == "NewSender" && !c.broadcast {
		return &ArgumentError{Call: call, Arg: "Lossy", Problem: "a Sender is Lossy only together with Broadcast; make the Receiver Lossy instead"}
	}
	if c.lossy {
		c.buffer = max(1, c.buffer)
	}
	return nil
}
