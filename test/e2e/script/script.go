// Package script is what the end-to-end tests and their test node say to each other, in JSON,
// one line each: what a node is to do, and what has happened at it.
package script

import (
	"time"

	"github.com/matveynator/netchan/test/history"
)

// The environment of a test node. Its key is in $NETCHAN_KEY, as for any program.
const (
	NodeVariable   = "E2E_NODE"   // a Node, in JSON
	FolderVariable = "E2E_FOLDER" // where its pipes are
)

// What a node logs of links. One that ends because one of the two leaves in good order is no
// fault, and excuses nothing.
const (
	LinkBroken = "link broken"
	LinkEnded  = "link ended"
	Goodbye    = "link ended by a goodbye"
)

// The two named pipes in a node's folder. A pipe keeps what a process has written when it is
// killed, and a line of up to PipeLine bytes is there as a whole or not at all.
const (
	Commands = "commands" // the node reads Tasks
	Lines    = "lines"    // and writes Lines
	PipeLine = 4096
)

// A Node is the part of netchan.Config that a test sets, and what the node begins with.
type Node struct {
	Name, Listen, Advertise string
	Seeds                   []string
	ResumeTimeout           time.Duration
	Tasks                   []Task // begun once it has joined
}

// A Task is something to do, until it is done or told to finish.
type Task struct {
	Do      string
	Channel string
	history.Options
	Count int           // values or requests in all; 0: until Finish
	Every time.Duration // the pause before each value, or behind each one that was taken
	Size  int           // bytes in a value
	Ends  int           // so many channels, named Channel-0 and so on; 0 is one named Channel
	Peers int           // receivers to wait for before the first value
	Call  bool          // Deliver instead of C <- v
	Close bool          // a sender: close as soon as the last value is sent, without a Flush
	Held  bool          // a receiver: begins as if told Hold
	To    string        // address, for Mute and Unmute
}

// What can be done.
const (
	Send    = "send" // ends when it is told to
	Receive = "receive"
	Ask     = "ask"     // requests, each with a channel for its answer
	Answer  = "answer"  // them
	Collect = "collect" // hands out a channel by name and receives on it what others send
	Relay   = "relay"   // sends on the channel that came, then passes it on
	Pour    = "pour"    // sends on the channel that came, straight to where it lives

	Hold   = "hold"   // receivers of Channel stop reading
	Go     = "go"     // and read on
	Finish = "finish" // senders: no more values; Flush, and close
	Detach = "detach" // the same, but Close instead of close(C)
	Stop   = "stop"   // receivers: Close
	Leave  = "leave"  // Shutdown, and the process ends
	Mute   = "mute"   // what goes to an address vanishes
	Unmute = "unmute"
)

// A Line is something that has happened at a node.
type Line struct {
	At   int64  `json:"at"` // nanoseconds since 1970, by the machine's clock
	Node string `json:"node,omitempty"`
	Is   string `json:"is"`

	End     int64            `json:"end,omitempty"` // a sender or receiver, unique among all nodes
	Channel string           `json:"channel,omitempty"`
	Options *history.Options `json:"options,omitempty"`
	From    int64            `json:"from,omitempty"` // of a value that was taken
	N       int              `json:"n,omitempty"`
	Bad     bool             `json:"bad,omitempty"` // its bytes are others than were sent
	Err     string           `json:"err,omitempty"`
	Text    string           `json:"text,omitempty"`
	ID      string           `json:"id,omitempty"`   // of a node
	Peer    string           `json:"peer,omitempty"` // of the other one
	Members []string         `json:"members,omitempty"`
	Stats   *history.Stats   `json:"stats,omitempty"`
	Bytes   int64            `json:"bytes,omitempty"`
}

// What happens. What is sent is written down before, what is taken before the next one is.
const (
	Began     = "began"    // the process
	Joined    = "joined"   // ID, Text: the address
	Failed    = "failed"   // Err: why the process ends
	Sender    = "sender"   // End, Channel, Options
	Receiver  = "receiver" // the same
	Sends     = "sends"    // End, N: begins to
	Sent      = "sent"     // that has returned
	Took      = "took"     // End, From, N, Bad
	Delivers  = "delivers" // End, N: calls Deliver
	Delivered = "delivered"
	Flushes   = "flushes" // End: calls Flush
	Flushed   = "flushed"
	ClosesC   = "closes C" // End: a sender
	Detaches  = "detaches"
	Done      = "done"   // End: a sender's Done was closed; Err
	Closes    = "closes" // End: a receiver
	Closed    = "closed" // End: a receiver's C is closed; Err
	Counts    = "counts" // End: a sender's Stats
	Asked     = "asked"  // N
	Answered  = "answered"
	Passed    = "passed" // N values were sent before on the channel that was passed on
	Link      = "link"   // Text, Peer, Err: what the node logs of links
	Logged    = "logged" // Text: what else it logs
	Muted     = "muted"  // Text: what goes to that address vanishes from now on
	Unmuted   = "unmuted"
	Members   = "members" // Members: their IDs
	Leaves    = "leaves"  // calls Shutdown
	Left      = "left"    // Err
	Memory    = "memory"  // Bytes
	Over      = "over"    // the process; the only line that the test writes, not the node
)
