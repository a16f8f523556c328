//go:build race

package netchan

// raceEnabled makes the tests that only count do less.
const raceEnabled = true
