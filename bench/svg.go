package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A chart has lines over two logarithmic axes.
type chart struct {
	title, x, y string
	bytes       bool // x is a size: ticks are powers of two
	lines       []series
}

type series struct {
	name   string
	points []point
}

type point struct{ x, y float64 }

// Of the picture, in pixels, and of the frame within it.
const (
	width, height            = 720, 420
	left, right, top, bottom = 80, 700, 40, 360
)

var colors = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"}

// svg draws the chart.
func (c *chart) svg() string {
	xs, ys := c.axes()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="22" text-anchor="middle" font-size="15">%s</text>`+"\n", (left+right)/2, html.EscapeString(c.title))
	for _, v := range xs.ticks() {
		at := xs.at(v)
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, top, bottom, at, bottom+18, c.xLabel(v))
	}
	for _, v := range ys.ticks() {
		at := ys.at(v)
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, at, right, left-6, at+4, number(v))
	}
	fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#444"/>`+"\n", left, top, right-left, bottom-top)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+right)/2, bottom+44, html.EscapeString(c.x))
	fmt.Fprintf(&b, `<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+bottom)/2, html.EscapeString(c.y))
	for i, s := range c.lines {
		color := colors[i%len(colors)]
		var path []string
		for _, p := range s.points {
			path = append(path, fmt.Sprintf("%.1f,%.1f", xs.at(p.x), ys.at(p.y)))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", xs.at(p.x), ys.at(p.y), color)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), color)
		y := bottom - 12 - 18*(len(c.lines)-1-i) // the legend
		fmt.Fprintf(&b, `<path d="M%d %dh24" stroke="%s" stroke-width="2"/><text x="%d" y="%d">%s</text>`+"\n", right-150, y, color, right-120, y+4, html.EscapeString(s.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *chart) xLabel(v float64) string {
	if !c.bytes {
		return number(v)
	}
	switch {
	case v >= 1<<20:
		return fmt.Sprintf("%g MiB", v/(1<<20))
	case v >= 1<<10:
		return fmt.Sprintf("%g KiB", v/(1<<10))
	}
	return fmt.Sprintf("%g B", v)
}

// An axis is logarithmic. Where it begins and ends are powers of base, in pixels from and to.
type axis struct {
	base     float64
	lo, hi   int // exponents
	from, to float64
}

func (c *chart) axes() (x, y axis) {
	x, y = axis{10, math.MaxInt, math.MinInt, left, right}, axis{10, math.MaxInt, math.MinInt, bottom, top}
	if c.bytes {
		x.base = 8
	}
	for _, s := range c.lines {
		for _, p := range s.points {
			x.hold(p.x)
			y.hold(p.y)
		}
	}
	return x, y
}

// hold sees to it that there is room for v, which is positive.
func (a *axis) hold(v float64) {
	const nearly = 1e-9
	e := math.Log(v) / math.Log(a.base)
	a.lo = min(a.lo, int(math.Floor(e+nearly)))
	a.hi = max(a.hi, int(math.Ceil(e-nearly)), a.lo+1)
}

func (a *axis) at(v float64) float64 {
	e := math.Log(v) / math.Log(a.base)
	return a.from + (a.to-a.from)*(e-float64(a.lo))/float64(a.hi-a.lo)
}

func (a *axis) ticks() (all []float64) {
	for e := a.lo; e <= a.hi; e++ {
		all = append(all, math.Pow(a.base, float64(e)))
	}
	return all
}
