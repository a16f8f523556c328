package netchan

import "math/rand/v2"

// Programs with channels in values are made of the same steps as others, by these ops
// besides.
const (
	opMake    op = ops + iota // node a makes a channel with a capacity by b
	opPass                    // holder a passes its channel on to node b, in the mail or over a channel, by c
	opTell                    // who holds the end a to send on sends b values
	opHear                    // who holds the end a to receive from reads all, pauses, polls, or reads b values
	opEnd                     // who holds the end a to send on closes it
	opDrop                    // holder a forgets its channel; by c the garbage is collected
	opRelease                 // holder a calls Release
	allOps
)

// chanKinds are kinds of such programs.
var chanKinds = []map[op]int{
	{ // a sound network
		opMake: 14, opPass: 26, opTell: 26, opHear: 8, opEnd: 3, opDrop: 6, opRelease: 3, opWait: 14,
	},
	{ // connections that break
		opMake: 10, opPass: 24, opTell: 22, opHear: 6, opEnd: 2, opDrop: 5, opRelease: 2, opWait: 13,
		opCut: 10, opCutAfter: 6,
	},
	{ // a storm: few channels go round and round, with all that can happen
		opMake: 4, opPass: 50, opTell: 14, opHear: 3, opDrop: 2, opWait: 12,
		opCut: 5, opCutAfter: 3, opSever: 2, opMute: 1, opGate: 2, opKill: 2, opShutdown: 1,
	},
	{ // nodes that end
		opMake: 14, opPass: 26, opTell: 22, opHear: 6, opEnd: 2, opDrop: 4, opRelease: 2, opWait: 14,
		opCut: 3, opKill: 4, opShutdown: 2, opCloseNode: 1,
	},
	{ // everything
		opMake: 11, opPass: 26, opTell: 22, opHear: 6, opEnd: 2, opDrop: 4, opRelease: 2, opWait: 14, opLull: 1,
		opCut: 3, opCutAfter: 2, opSever: 2, opMute: 1, opGate: 2, opHeal: 1, opKill: 1, opShutdown: 1, opCloseNode: 1,
	},
}

var chanWheels = wheelsOf(chanKinds)

// chanProgramOf makes the program of a seed.
func chanProgramOf(seed uint64) program {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 1+4*(12+r.IntN(maxSteps-12)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	p := parseProgram(b, chanWheels)
	// Something is there to begin with.
	return program{p.kind, append([]step{
		{opMake, b[2], b[3], 0}, {opMake, b[4], b[5], 0}, {opPass, 0, b[6], 1}, {opPass, 2, b[7], 1}, {opWait, 3, 0, 0},
	}, p.steps...)}
}

func (s step) capacity() int { return []int{0, 1, 2, 16, 0, 1, 100, 3}[s.b%8] }

// inMail says whether a channel goes in the mail, and not over another channel.
func (s step) inMail() bool { return s.c%4 > 0 }

// collects says whether the garbage is collected at once.
func (s step) collects() bool { return s.c%4 == 0 }
