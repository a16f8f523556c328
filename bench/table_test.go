package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.v); got != c.want {
			t.Errorf("%v: %v", c.v, got)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has a median")
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.1234: "0.12", 12.34: "12.3", 99.97: "100", 999.6: "1000", 9994: "9994", 12345: "12.3k", 999600: "1.00M", 12345678: "12.3M", 3: "3"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// Ratios are to what was measured in the same round, and more than 1 is better.
func TestRatios(t *testing.T) {
	rates := func(key string) []result {
		var all []result
		for name, v := range map[string][]float64{"netchan": {5, 30, 20}, "ideal-tls": {10, 10, 40}, "nats-tls": {4, 5, 6}, "grpc-tls": {5, 4, 5}, "nats": {90, 90, 90}} {
			for round, v := range v {
				all = append(all, result{round, map[string]string{"rate": "W1", "p50": "W5"}[key], name, metrics{key: v}})
			}
		}
		return all
	}
	up := tables(rates("rate"))
	if want := "| netchan | 20 | 5 to 30 | 0.50 | 3.33 |"; !strings.Contains(up, want) {
		t.Errorf("no %q in\n%s", want, up)
	}
	down := tables(rates("p50"))
	if want := "| netchan | 20 | 5 to 30 | 2.00 | 0.25 |"; !strings.Contains(down, want) {
		t.Errorf("no %q in\n%s", want, down)
	}
}

func TestRewrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("a\n<!-- table:begin -->\nold\n<!-- table:end -->\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"new\n", "newer\n"} {
		if err := rewrite(file, "table", text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := "a\n<!-- table:begin -->\nnewer\n\n<!-- table:end -->\nb\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if rewrite(file, "plots", "") == nil {
		t.Error("a marker that is not there was found")
	}
	if readme, err := os.ReadFile("README.md"); err != nil || os.WriteFile(file, readme, 0o600) != nil || rewrite(file, "table", "new\n") != nil {
		t.Error("README.md has no place for the tables")
	}
}

// What is wrong with numbers is counted, each by its name.
func TestTally(t *testing.T) {
	for _, c := range []struct {
		came                     []int64
		sent                     int64
		lost, doubled, reordered float64
	}{
		{[]int64{0, 1, 2}, 3, 0, 0, 0},
		{[]int64{0, 2}, 3, 1, 0, 0},
		{[]int64{0, 1}, 5, 3, 0, 0},
		{[]int64{0, 0, 1}, 2, 0, 1, 0},
		{[]int64{1, 0, 2}, 3, 0, 0, 1},
		{[]int64{2, 1, 1}, 3, 1, 1, 1},
	} {
		var n tally
		for _, v := range c.came {
			n.add(v)
		}
		n.end(c.sent)
		if lost := float64(len(n.missing)) + n.lost; lost != c.lost || n.doubled != c.doubled || n.reordered != c.reordered {
			t.Errorf("%v: %v lost, %v doubled, %v reordered", c.came, lost, n.doubled, n.reordered)
		}
	}
}
