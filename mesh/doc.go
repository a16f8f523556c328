// Package mesh knows who is there and who has which names. It wraps
// memberlist, to which it gives a transport of its own (packets over UDP,
// streams over the authenticated connections of the layer below), and keeps
// beside it the registry: for each node the list of the named ends it has.
//
// It never carries a user's value, never decides what may be opened, and never
// closes anything that belongs to another layer: what it says is a hint. It
// imports no other package of this module; sockets, identities and keys come
// through Config.
//
// A member that does not answer memberlist's ping is looked at: if its address
// refuses, or another ID answers there, and nobody else reaches it, it is dead
// for all at once. Silence proves nothing; then memberlist's suspicion decides.
//
// Invariants:
//
//   - Only its owner writes a list. A list that somebody else hands on counts
//     by its version; one that the owner itself has given is never replaced by
//     another of the same version.
//   - The metadata of a node has one fixed size, far below memberlist's limit.
//   - memberlist is never called from one of its callbacks, nor while a lock of
//     this package is held.
//   - Nothing from the network allocates ahead of the bytes that are there, and
//     every count and length has a named bound.
//   - Every goroutine ends with Close, and Close waits for it.
package mesh
