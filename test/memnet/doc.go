// Package memnet is a network in memory, for tests of whole nodes in bubbles of
// testing/synctest, where time is virtual. It has connections that behave as TCP
// does, packets that behave as UDP does, and faults that a test makes happen:
// resets, cuts after so many bytes, silence both ways or one way, hosts that die
// or vanish.
//
// Everything blocks durably, nothing has a goroutine of its own, and what a
// Network uses is made inside the bubble that made it; it works outside of one
// too. How long everything takes, and which packets are lost, hangs on the seed
// and on the order in which the test's goroutines run.
package memnet
