//go:build race

package peer

// raceEnabled makes the tests that only count do less.
const raceEnabled = true
