// Package chanref joins local Go channels to streams.
//
// A Source gives values out: it takes them from a local channel, one at a
// time, and gives each to the stream whose receiver has the least waiting for
// it. A Sink takes values in: it decodes what its streams bring and sends it
// into a local channel, noting which values the program has taken out again.
// A Table finds both by ID or by name when a peer asks for them.
//
// Channels inside values travel as references. A Table makes those, counts who
// holds what, and where one arrives makes a proxy: a local channel with a source or
// sink of its own that leads to the channel's home.
//
// What it never does: it opens no connection, knows no gossip, and never
// calls a user's code except through the user's channels.
//
// Invariants:
//   - Each Source has one goroutine, the only one that takes from its channel;
//     its bookkeeping (dispatch) is a state machine without goroutine or clock.
//   - Into one channel there is one push at a time, whichever stream it serves.
//   - taken is pushed less len(C), with pushed read first: never too high.
//   - A value is kept until it is taken; what is not taken goes to another
//     stream, or is dropped and counted. Nothing is dropped without a count.
//   - A channel that travelled is held weakly wherever only somebody else's interest
//     should keep it; what the garbage collector calls touches nothing but two lists.
//   - Every reference that arrives is counted before the value it came with is
//     decoded, and released once, whatever becomes of the value.
//   - No lock is held across a channel operation, or a call into mux but In.Ack,
//     which does not wait.
package chanref
