// Package netchan carries Go channels across machines.
//
// A program joins a mesh of nodes with [Join], and opens a sending or a
// receiving end of a channel by its name with [NewSender] and [NewReceiver].
// The end holds an ordinary channel C: send, receive, select, range and close
// work as they do inside one process, typed, ordered, with back-pressure, over
// TLS 1.3. [Listen] and [Dial] connect two programs by an address, without a
// mesh.
//
// # Delivery
//
// Each value of a Sender goes to exactly one of the Receivers of its name: to
// the one with the least waiting for it (with [Broadcast], to all). C <- v
// returning means that this node has the value. It is acknowledged when the
// receiving program has taken it out of its channel; [Sender.Deliver] and
// [Sender.Flush] wait for that. What is not acknowledged when its receiver dies
// goes to another receiver, and so may be taken twice ([AtMostOnce] drops it
// instead). Nothing survives the death of the sending process.
//
// # Order
//
// Values of one Sender reach one Receiver in the order in which they were
// sent. Values that are given back or delivered again come later, in order
// among themselves. There is no order between Senders.
//
// # Back-pressure
//
// At most a window and a buffer of values are on their way between a Sender
// and a Receiver; see [Buffer]. A Sender then blocks as on a full channel, and
// where there is no Receiver. A Receiver that never reads delays its own channel
// and no other.
//
// # The end
//
// Closing a Sender's C says "no more from me". A Receiver's C is closed when no
// Sender of the name is left and one of them ended by close. That is a local
// decision, made from what the Receiver's node knows of Senders at that time:
// a Sender that its registry names counts as there, until gossip has noticed
// that its node has died. A Sender's Close, and its death, count as if it had
// not been there. A Receiver that is made when all Senders have ended waits for
// the next one.
//
// # Types
//
// Types are checked when two ends meet. Struct fields are matched by name, so
// old and new versions of a program can talk: missing fields stay zero, unknown
// ones are skipped, an integer that does not fit is an error of that value.
// Ends of types that don't fit are to each other as if absent.
//
// # When something breaks
//
// A connection that breaks is dialled again, and goes on at the very byte where
// it stopped: nothing is lost, doubled or reordered, and no error is seen, as
// long as both processes live and no break lasts longer than
// Config.ResumeTimeout. After a longer one, and when a process dies, what its
// Receivers had not taken goes to other Receivers of the name, or waits for
// one, and is counted in SenderStats.Redelivered.
//
// # Security
//
// All traffic is under mutual TLS 1.3, gossip packets under AES-GCM; there is
// no other mode. Who holds the cluster [Key] is a member, and is trusted, unless
// Config.Authorize says what it may. Config.TLS has nodes prove who they are by
// certificates of the user's own.
//
// # Channels in values
//
// A chan<- T or <-chan T anywhere in a value arrives as a channel of that type: what is
// sent on it comes out of the original, and what is sent on the original can be received
// from it. So a request brings the channel for its reply, and a program can be wired up by
// sending channels around, over any number of nodes.
//
// The one that arrives has the original's capacity, at least 1, and is the same (==) each
// time, whichever way it comes; at home it is the original. To give away a chan<- T is
// to give away the right to close it. Passing on a <-chan T moves it: it is closed here, and
// what lies in it goes back, for whoever reads it next elsewhere, perhaps behind what comes
// meanwhile. A channel that nobody holds any more, here or elsewhere, is collected as
// garbage is; [Release] does it sooner. (Channels that lie unread in each other, or one in itself,
// keep each other.) [Done] and [Err] tell of the other side's end, at
// both ends.
//
// Values on such channels are delivered at most once on those to send on: where a node dies,
// those on their way to it are dropped, and counted. What is sent to who is gone completes, and is
// dropped too.
package netchan
