// Package history checks what programs saw against what netchan promises. Those who send and
// take values say what they do, and when; Check names the promises that were broken. It knows
// nothing of netchan, so that a test in one process, in virtual time, can use it as well as one
// that reads what several processes have logged.
//
// A replay of logs merges the lines of all processes, sorts them by time, stably, and calls for
// each line, with now returning the line's time. That is as good as live where each line has the
// time of before the act for what begins (Sends, Call, Closes, ClosesC, Detaches, Pass, Tells),
// and of behind it for what is over (Accepted, Took, Told, Hears, the end of a Call), and all
// clocks are one: then what caused something has the earlier line. Four calls build on others
// that must have been made: Accepted and Call on Sends, Told on Tells, and Hold on Pass; the
// first three are of one process. Numbers of values are given in the order of the calls, so who
// sends on one sender from several goroutines must number and log under one lock. A value may be
// taken before its Sends, or its NewSender, was called: Check judges that, by the times.
//
// What is written down behind an act may be so much later as its process had to wait for a CPU,
// and meanwhile others go on: see Slack.
package history
