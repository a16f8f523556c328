//go:build linux

package e2e

// scenarios are all cases. What each does and promises stands at its function, and in
// docs/testing.md.
var scenarios = []scenario{
	{name: "churn", run: churn, chance: true}, // the longest first
	{name: "blackhole60", run: blackhole60, network: true},
	{name: "partition", run: partition, network: true},
	{name: "rolling", run: rolling, quick: true},
	{name: "pause", run: paused, quick: true, brief: true},
	{name: "blackhole10", run: blackhole10, network: true},
	{name: "oneway", run: oneWay, quick: true, network: true},
	{name: "flap", run: flap, network: true},
	{name: "cut", run: cut, quick: true, brief: true, network: true},
	{name: "join", run: join, quick: true, brief: true},
	{name: "transfer", run: transfer, quick: true},
	{name: "chaninchan", run: chanInChan, quick: true, brief: true},
	{name: "handoff", run: handoff, quick: true, brief: true},
	{name: "fanin", run: fanIn, quick: true},
	{name: "fanout", run: fanOut, quick: true},
	{name: "broadcast", run: broadcast, quick: true},
	{name: "killrecv", run: killReceiver, quick: true, brief: true},
	{name: "killsend", run: killSender, quick: true},
	{name: "restart", run: restart, quick: true, brief: true},
	{name: "seedgone", run: seedGone, quick: true},
	{name: "wrongkey", run: wrongKey, quick: true},
	{name: "nokey", run: noKey, quick: true},
	{name: "slowreader", run: slowReader, quick: true, brief: true},
	{name: "manychans", run: manyChannels, quick: true},
	{name: "bigvalue", run: bigValue, quick: true, memory: "128m"},
}
