// Package soak has several whole nodes work for as long as it is told, with all at once:
// values, requests, channels in values, connections that are cut, nodes that come and go, a
// peer that attacks, and strangers. Then it compares what the process takes with what it
// took near the beginning.
//
//	go test -run TestSoak ./test/soak -v -soak 30m -timeout 40m
package soak
