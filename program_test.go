package netchan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/matveynator/netchan/test/history"
)

// A program is what some nodes do, and what is done to them. Any bytes are one:
// the first says what kind it is, and each further four are a step.
type program struct {
	kind  byte
	steps []step
}

// step is what to do and to whom; its arguments are taken modulo whatever there is.
type step struct {
	op      op
	a, b, c byte
}

type op byte

const (
	opSender    op = iota // on node a, of channel b, with options c
	opReceiver            // likewise
	opSend                // sender a sends b values of a size by c
	opDeliver             // sender a delivers one; c: beside its other sends
	opFlush               // sender a; c: beside its other sends
	opCloseC              // sender a
	opDetach              // sender a: Close
	opRead                // receiver a reads all, pauses, polls, or reads b values
	opClose               // receiver a
	opWait                // for a while, by a
	opLull                // longer than links are waited for
	opCut                 // the connections between nodes a and b
	opCutAfter            // so many bytes by c
	opSever               // nodes a and b, for a time by c
	opMute                // one way
	opGate                // node a can't dial node b, for a time by c
	opHeal                // nodes a and b
	opKill                // node a; it is there again after a time by c
	opShutdown            // node a, likewise
	opCloseNode           // node a, likewise
	ops
)

var opNames = [allOps]string{
	"sender", "receiver", "send", "deliver", "flush", "close(C)", "detach", "read", "close", "wait", "lull",
	"cut", "cutAfter", "sever", "mute", "gate", "heal", "kill", "shutdown", "closeNode",
	"make", "pass", "tell", "hear", "end", "drop", "release",
}

func (s step) String() string { return fmt.Sprintf("%s(%d, %d, %d)", opNames[s.op], s.a, s.b, s.c) }

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind %d", p.kind)
	for i, s := range p.steps {
		sep := ", "
		if i%8 == 0 {
			sep = "\n\t"
		}
		fmt.Fprintf(&b, "%s%v", sep, s)
	}
	return b.String()
}

// kinds of programs, by how often each op comes in 100 or so steps.
var kinds = []map[op]int{
	{ // values and ends, a sound network
		opSender: 8, opReceiver: 9, opSend: 30, opDeliver: 5, opFlush: 4, opCloseC: 3, opDetach: 2, opRead: 14, opClose: 5, opWait: 20,
	},
	{ // connections that break
		opSender: 5, opReceiver: 5, opSend: 30, opDeliver: 4, opFlush: 4, opCloseC: 1, opDetach: 1, opRead: 10, opClose: 2, opWait: 20,
		opCut: 12, opCutAfter: 6,
	},
	{ // silence, short and long
		opSender: 5, opReceiver: 5, opSend: 28, opDeliver: 3, opFlush: 3, opCloseC: 1, opDetach: 1, opRead: 10, opClose: 2, opWait: 22, opLull: 3,
		opCut: 4, opSever: 6, opMute: 4, opGate: 4, opHeal: 3,
	},
	{ // nodes that end
		opSender: 9, opReceiver: 9, opSend: 28, opDeliver: 3, opFlush: 3, opCloseC: 2, opDetach: 1, opRead: 12, opClose: 3, opWait: 20,
		opCut: 3, opKill: 3, opShutdown: 2, opCloseNode: 1,
	},
	{ // everything
		opSender: 8, opReceiver: 8, opSend: 28, opDeliver: 3, opFlush: 3, opCloseC: 2, opDetach: 1, opRead: 12, opClose: 3, opWait: 19, opLull: 2,
		opCut: 4, opCutAfter: 3, opSever: 3, opMute: 2, opGate: 2, opHeal: 2, opKill: 1, opShutdown: 1, opCloseNode: 1,
	},
}

// wheels are the ops of each kind, each as often as it shall come.
var wheels = wheelsOf(kinds)

func wheelsOf(kinds []map[op]int) (all [][]op) {
	for _, k := range kinds {
		var wheel []op
		for o := range allOps {
			for range k[o] {
				wheel = append(wheel, o)
			}
		}
		all = append(all, wheel)
	}
	return all
}

// maxSteps bounds a program.
const maxSteps = 60

// parseProgram makes a program of any bytes.
func parseProgram(b []byte, wheels [][]op) program {
	var p program
	if len(b) == 0 {
		return p
	}
	p.kind, b = b[0], b[1:]
	wheel := wheels[int(p.kind)%len(wheels)]
	for ; len(b) >= 4 && len(p.steps) < maxSteps; b = b[4:] {
		p.steps = append(p.steps, step{wheel[int(b[0])%len(wheel)], b[1], b[2], b[3]})
	}
	return p
}

// bytes are some that p can be made of again.
func (p program) bytes(wheels [][]op) []byte {
	b := []byte{p.kind}
	wheel := wheels[int(p.kind)%len(wheels)]
	for _, s := range p.steps {
		b = append(b, byte(slices.Index(wheel, s.op)), s.a, s.b, s.c)
	}
	return b
}

// programOf makes the program of a seed.
func programOf(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, 1+4*(12+r.IntN(maxSteps-12)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	p := parseProgram(b, wheels)
	// Something is there to begin with.
	return program{p.kind, append([]step{
		{opSender, b[2], 0, b[3]}, {opReceiver, b[4], 0, b[5]}, {opWait, 3, 0, 0},
	}, p.steps...)}
}

// network says how long things take on the program's network, and how many packets
// are lost: with a long way, dials and handshakes cross.
func (p program) network() (latency time.Duration, loss float64) {
	latency = []time.Duration{time.Millisecond, time.Millisecond, 40 * time.Millisecond, 5 * time.Millisecond}[p.kind/16%4]
	if p.kind/64 == 3 {
		loss = 0.2
	}
	return latency, loss
}

// What the arguments of steps stand for.

const channels = 2

func (s step) channel() string { return string(rune('a' + s.b%channels)) }

func (s step) options() (o history.Options) {
	o.Buffer = []int{0, 1, 16, 0, 3, 16, 1, 0}[s.c%8]
	kind := s.c / 8 % 16
	if s.op == opReceiver {
		o.KeepOpen = kind%4 == 0
		o.Lossy = kind == 5
	} else {
		o.AtMostOnce = kind == 1 || kind == 4
		o.Broadcast = kind == 2 || kind == 3
		o.Lossy = kind == 3
	}
	if o.Lossy {
		o.Buffer = max(1, o.Buffer)
	}
	return o
}

func (s step) count() int { return 1 + int(s.b)%40 }

func (s step) size() int {
	switch s.c % 32 {
	case 0:
		return 100 << 10
	case 1, 2:
		return 20 << 10
	case 3, 4, 5, 6:
		return 3000
	case 7, 8, 9, 10:
		return 100
	}
	return 0
}

// aside says whether a call is made beside the sender's other sends.
func (s step) aside() bool { return s.c%2 == 1 }

func (s step) pause() time.Duration {
	return []time.Duration{
		0, time.Millisecond, 3 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond,
		50 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
		time.Second, time.Second, 3 * time.Second, 5 * time.Second, 5 * time.Second,
	}[s.a%16]
}

// after is after how many bytes a connection is cut: most ends lie within a handshake.
func (s step) after() int { return int(s.c) * int(s.c) / 16 }

// shortly is for how long connections are cut so.
func (s step) shortly() time.Duration {
	return []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second}[s.b/4%3]
}

// resumeTimeout is that of all nodes.
const resumeTimeout = 10 * time.Second

// outage is how long silence lasts: mostly less than resumeTimeout.
func (s step) outage() time.Duration {
	return []time.Duration{
		100 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 7 * time.Second, 2 * resumeTimeout,
		2 * resumeTimeout, 4 * resumeTimeout,
	}[s.c%8]
}

// down is how long a node is away.
func (s step) down() time.Duration {
	return []time.Duration{0, 0, 100 * time.Millisecond, 5 * time.Second}[s.c%4]
}
