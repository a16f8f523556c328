package main

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
)

// A chart is XML, and all its points are within the frame.
func TestChart(t *testing.T) {
	c := chart{title: "a < b", x: "size", y: "rate", bytes: true, lines: []series{
		{"one", []point{{8, 10}, {64, 1000}, {1 << 20, 55}}},
		{"two", []point{{8, 0.5}}},
	}}
	text := c.svg()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &lt; b", "64 B", "32 KiB", ">1000<", ">one<", ">two<"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	x, y := c.axes()
	for _, s := range c.lines {
		for _, p := range s.points {
			if at := x.at(p.x); at < left || at > right {
				t.Errorf("x of %v is at %v", p, at)
			}
			if at := y.at(p.y); at < top || at > bottom {
				t.Errorf("y of %v is at %v", p, at)
			}
		}
	}
	if n := len(y.ticks()); n != 5 {
		t.Errorf("%d ticks: %v", n, y.ticks())
	}
}

// A plot has a point for each of what it measures, of systems that can do it.
func TestPlots(t *testing.T) {
	for _, p := range plots() {
		for _, name := range p.systems {
			if s, w := systemNamed(name), workloadOfPlot(p.workload); s == nil || w == nil || !s.does(w) {
				t.Errorf("%s: %s", p.file, name)
			}
		}
		p.xs, p.systems = p.xs[:2], p.systems[:1]
		if err := p.measure(io.Discard, 1, 20*time.Millisecond); err != nil {
			t.Error(err)
			continue
		}
		for _, l := range p.lines {
			for _, v := range l.points {
				if v.y <= 0 {
					t.Errorf("%s: %s: %v", p.file, l.name, l.points)
				}
			}
		}
	}
}
