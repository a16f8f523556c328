// Package mux carries many one-way channels over one connection between two
// nodes: each has a yamux stream of its own for its values, and all share one
// control stream for what goes the other way (acceptances, acknowledgements,
// stops, attachments, the goodbye).
//
// A use is one time that a sending end opens a stream: OPEN, then DATA, then
// CLOSE. One of a single short value is one frame, and has no stream. Streams outlive their uses and are used again. The sending side holds an
// [Out], the receiving side an [In]; a [Session] is the two directions between
// two nodes, over a [Conn] ([New]) or in memory ([Pair]).
//
// The package knows nothing about values, types or who may receive what: it moves
// encoded batches, counts bytes, and hands the numbers of values through. So it does with
// references to channels: a table of them goes before the values that it is for, and what
// the two sides say about channels goes over the control stream.
//
// What it never does: wait for a user on a goroutine that others depend on; write,
// open or close a stream on a caller's goroutine; send anything from yamux'
// receive loop; reset a stream; believe a number from the network before it
// has checked it.
//
// Invariants:
//
//   - One writer goroutine a session makes every call that writes to, opens or closes
//     a stream. It never waits for window: before a frame is written, the byte limit that
//     the receiver gave covers it, and that limit is at most half of yamux' window. (Only on the
//     control stream it waits for yamux' window, which its reader gives without waiting for anybody.)
//   - The control stream is read by a goroutine that never waits for a user.
//   - A stream is used again only when its receiver has said that it is done with the
//     use before, so that a use never waits behind another.
//   - What a peer can make this node keep is bounded: streams by Config.MaxStreams, bytes on
//     a stream by its byte limit (enforced below yamux, by the guard), growth of
//     limits and large values by two budgets a session, schemas by number and size,
//     answers by number.
//   - Data goes past yamux' sending side: on one stream nothing is ever written both ways.
//   - yamux gets whole frames only, and only those that it can take without answering; the
//     connection gets whole frames only. Anything else ends the session with a
//     [*ProtocolError].
//   - A single value travels on the control stream, in the order in which it was given, and
//     waits for a user only on a goroutine of its own. It counts until what was said of
//     it is written, so that neither values nor answers pile up.
//   - No references are overlooked: each table of them that comes is given to the layer
//     above, by [In.Next] or by [Handler].Discarded, once, unless the session ends
//     before it is read.
//   - After a session's end no goroutine of it is left ([Session.Wait]), and every
//     Out that was still in use has heard Lost.
package mux
