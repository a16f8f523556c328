package mux

import "log/slog"

// MaxFrame is how many bytes of values one frame holds, at most.
const MaxFrame = 16 << 10

// MaxText is how long a name or a text in a frame may be, in bytes; longer ones are cut
// when sent, and refused when received.
const MaxText = 256

// ID names an end: 16 random bytes.
type ID [16]byte

// A Target is an end that is meant: by its ID or, when ID is zero, any of that name.
type Target struct {
	Name string
	ID   ID
}

// Open begins a use: what the sending side says before its first value.
type Open struct {
	Use    uint64   // set by mux; rises, never the same twice from one side of a session
	Target Target   // the receiving end that is meant
	End    ID       // the sending end
	First  uint64   // number of the first value, at least 1
	Flags  uint8    // opaque: for the layers above
	Hash   [16]byte // of the schema of its values
	Schema []byte   // the schema itself. It is sent whole until a use with this hash was accepted; the receiving side always sees it whole
	Text   string   // the type, for people; at most MaxText bytes
}

// Attach asks a sending end to open a use to the end that asks.
type Attach struct {
	Target Target // the sending end that is wanted
	End    ID     // the receiving end that asks
	Name   string // its name, if any
}

// Deny tells a receiving end of the peer that a sending end of this side will open no
// use to it: the peer may have asked for one, or awaits one.
type Deny struct {
	From ID // the sending end
	End  ID // the receiving end
	Code Code
	Text string
}

// Accept answers an Open: values up to number Limit may be sent.
type Accept struct {
	Limit uint64
	Flags uint8 // opaque: for the layers above
}

// Refuse answers an Open with no.
type Refuse struct {
	Code Code
	Text string
}

// A Run is the numbers First .. First+Count-1.
type Run struct{ First, Count uint64 }

// A Drop names numbers that will never be taken, with the reason.
type Drop struct {
	First, Count uint64
	Code         Code
	Text         string
}

// Ack says how far the receiving side is. Taken and Limit are cumulative: every number
// up to Taken was taken (or dropped), numbers up to Limit may be sent. Drops are
// those not told before.
type Ack struct {
	Taken, Limit uint64
	Drops        []Drop
}

// Stop ends a use from the receiving side. Numbers up to UpTo that are not in NotTaken were
// taken; NotTaken, and all above UpTo, were not. NotTaken rises, without
// overlaps, and holds at most MaxRuns.
type Stop struct {
	Code     Code
	Text     string
	UpTo     uint64
	NotTaken []Run
}

// MaxRuns is how many runs a Stop may name.
const MaxRuns = 1 << 16

// Conn is what a session runs over: an ordered, reliable stream of bytes that somebody
// else secured and keeps alive.
//
// Read has one caller. WriteFrame writes head and body in one piece, blocks only for
// room, and may not keep either; with more it need not be sent before Flush is called, which
// may send on its caller's goroutine. Close makes all return.
type Conn interface {
	Read(p []byte) (int, error)
	WriteFrame(head, body []byte, more bool) error
	Flush()
	Close() error
}

// Handler is the layer above, as a session calls it.
type Handler interface {
	// Serve takes one incoming use, on a goroutine of its own. It returns when it wants no more;
	// what still comes for the use is then thrown away until its sender has ended it, but
	// for references: see Discarded.
	// A Serve that returns before Next said so must have called Refuse or Stop (or do so
	// soon, from elsewhere). It must return when in.Done is closed.
	Serve(in *In)
	// Single: a use of one value has come, without a stream: it is over with in.Leave, Stop or
	// Refuse. Where it would have to wait for somebody it returns false, and is called again, on
	// a goroutine of its own and with wait; then it returns when in.Done is closed. value is valid
	// until it returns.
	Single(in *In, value []byte, wait bool) bool
	// Discarded: references came for a use that nobody reads any more: Serve has returned, or
	// was not called because a limit is reached, or Next returned ErrStopped instead of them.
	// Called on the stream's goroutine; it must not block on a user. refs is valid until it
	// returns. References that came before the session's end and were not read are lost with it.
	Discarded(in *In, refs []byte)
	// Attach: the peer asks for a use of a sending end. It must not block.
	Attach(s *Session, a Attach)
	// Denied: a sending end of the peer will open no use to a receiving end of this
	// side. It must not block.
	Denied(s *Session, d Deny)
	// Hold: the peer holds a channel of this side, and awaits Session.Held. This and the three
	// that follow are called in the order in which the peer said them, one at a time. They
	// must not block; slices are valid until they return.
	Hold(s *Session, h Hold)
	// Held answers a Session.Hold.
	Held(s *Session, r Ref, ok bool)
	// Release: the peer holds channels of this side less often than before.
	Release(s *Session, rs []Release)
	// Gone: channels of the peer are gone.
	Gone(s *Session, rs []Ref)
	// Goodbye: the peer is leaving; it is answered when this returns. It must not block.
	Goodbye(s *Session)
	// Ended is called once, last, when everything of the session has ended. err is never nil.
	Ended(s *Session, err error)
}

// Feedback is what comes back for an Out. Its methods are called on goroutines of the
// session and must not block. Accepted, Refused, Acked and Stopped are called one at a
// time; Written may run beside one of them.
type Feedback interface {
	// Accepted answers the Open; it comes before any Acked.
	Accepted(a Accept)
	// Refused answers the Open: the Out is dead.
	Refused(r Refuse)
	// Acked: the receiver took values, allows more, or gave some up.
	Acked(a Ack)
	// Stopped: the receiver ended the use; the Out is dead.
	Stopped(st Stop)
	// Written gives a batch back that Send took: it lies in the connection's buffer, and
	// the Out is idle again. Each batch comes back once, also when the Out died meanwhile
	// (then nobody knows whether it was written; of its references Batch.RefsSent does), unless
	// the session ends.
	Written(b *Batch)
	// Lost: the session ended with the use under way. It is the last call, and comes
	// after all others have returned. It doesn't come after Refused, Stopped, or a CLOSE
	// that was written.
	Lost(err error)
}

// Config of a session. The zero Config works.
type Config struct {
	// Logger gets what is worth a line; default slog.Default().
	Logger *slog.Logger
	// Peer is kept in Session.Peer, for the layers above.
	Peer any
	// MaxStreams is how many streams each side may have open at a time; it must be the same
	// at both. Default 16384. Uses beyond it wait for one that ends.
	MaxStreams int
	// MaxValue is the size in bytes of the largest value taken in; larger ones come as a
	// KindTooLarge frame. Default and maximum 16 MiB.
	MaxValue int
	// Local says that both sides are in one process, for the layers above.
	Local bool
}

// Limits and their defaults.
const (
	defaultMaxStreams = 16384
	defaultMaxValue   = 16 << 20
	maxMaxValue       = valueBudget / 2 // a compressed value is there twice for a while

	firstWindow  = 18 << 10  // bytes on their way to one use before it is accepted, and always: a frame fits
	baseWindow   = 128 << 10 // and once it is, while baseBudget lasts
	maxWindow    = 2 << 20   // and when it is busy; half of yamuxWindow
	baseBudget   = 32 << 20  // what the windows of a session have beyond firstWindow, up to baseWindow, together
	growthBudget = 32 << 20  // and beyond that
	valueBudget  = 32 << 20  // large values that are being received, together
	largeValue   = 64 << 10  // a value above it needs a share of valueBudget

	maxDenials     = 4096    // DENYs that wait to be sent; more are not said
	maxAnswers     = 1 << 18 // HELDs that wait to be sent
	maxUntold      = 1024    // drops of one use that the peer has not been told of
	maxUntoldAll   = 1 << 14 // and of all its uses
	maxAsked       = 1 << 17 // uses and words that wait to be written, when the peer asks for more
	refusalBurst   = 1 << 14 // OPENs that are refused as wrong, at once: as many as there are streams
	refusalRate    = 1000    // and a second, in the long run
	maxSchemas     = 4096    // schemas kept for one peer
	maxSchemaBytes = 8 << 20 // and their bytes, together

	maxIdle = 64 // streams kept open without a use
)

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxStreams <= 0 {
		c.MaxStreams = defaultMaxStreams
	}
	if c.MaxValue <= 0 {
		c.MaxValue = defaultMaxValue
	}
	c.MaxValue = min(c.MaxValue, maxMaxValue)
	return c
}

// Stats are the counters of a session; each rises only, but those that say "now".
type Stats struct {
	StreamsOpened uint64 // by this side
	StreamsIdle   int    // open without a use, now
	Outs, Ins     int    // uses now, of either direction
	Uses          uint64 // uses opened by this side
	FramesOut     uint64 // writes to streams
	BytesOut      uint64 // bytes written to streams
}
