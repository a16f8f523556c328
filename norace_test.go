//go:build !race

package netchan

const raceEnabled = false
