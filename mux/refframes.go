package mux

import "encoding/binary"

// The frames about channels, on the control stream.

func appendRef(dst []byte, r Ref) []byte {
	dst = append(dst, r.Channel[:]...)
	return append(dst, byte(r.Dir))
}

// ref reads a channel and a direction.
func (c *cursor) ref() Ref {
	r := Ref{Channel: c.id(), Dir: Direction(c.byte())}
	if r.Dir != ToSend && r.Dir != ToReceive {
		c.fail()
	}
	return r
}

// entries reads the length of a list and refuses one that is empty, longer than allowed, or
// longer than what is left can hold; each entry has at least size bytes.
func (c *cursor) entries(size int) int {
	n := c.uvarint()
	if n == 0 || n > maxRefsPerFrame || n > uint64(len(c.b)/size) {
		c.fail()
		return 0
	}
	return int(n)
}

const refLen = 17 // bytes of a Ref

func appendHold(dst []byte, h Hold) []byte {
	start := len(dst)
	dst = begin(dst, frameHold)
	dst = appendRef(dst, Ref{h.Channel, h.Dir})
	dst = appendBool(dst, h.Gate != nil)
	if g := h.Gate; g != nil {
		dst = append(dst, g.Node[:]...)
		dst = append(dst, g.End[:]...)
		dst = binary.AppendUvarint(dst, g.Number)
	}
	return finish(dst, start)
}

func parseHold(body []byte) (Hold, error) {
	c := cursor{b: body}
	r := c.ref()
	h := Hold{Channel: r.Channel, Dir: r.Dir}
	if c.bool() {
		h.Gate = new(Gate)
		c.fill(h.Gate.Node[:])
		h.Gate.End = c.id()
		h.Gate.Number = c.uvarint()
	}
	if !c.end() {
		return Hold{}, malformed(frameHold)
	}
	return h, nil
}

func appendHeld(dst []byte, r Ref, ok bool) []byte {
	start := len(dst)
	dst = begin(dst, frameHeld)
	dst = appendRef(dst, r)
	dst = appendBool(dst, ok)
	return finish(dst, start)
}

func parseHeld(body []byte) (r Ref, ok bool, err error) {
	c := cursor{b: body}
	r, ok = c.ref(), c.bool()
	if !c.end() {
		return Ref{}, false, malformed(frameHeld)
	}
	return r, ok, nil
}

// appendRelease appends one RELEASE; at most maxRefsPerFrame entries.
func appendRelease(dst []byte, rs []Release) []byte {
	start := len(dst)
	dst = begin(dst, frameRelease)
	dst = binary.AppendUvarint(dst, uint64(len(rs)))
	for _, r := range rs {
		dst = appendRef(dst, r.Ref)
		dst = binary.AppendUvarint(dst, r.Count)
	}
	return finish(dst, start)
}

func parseRelease(body []byte) ([]Release, error) {
	c := cursor{b: body}
	rs := make([]Release, c.entries(refLen+1))
	for i := range rs {
		rs[i] = Release{c.ref(), c.uvarint()}
		if n := rs[i].Count; n == 0 || n > maxReleased {
			c.fail()
		}
	}
	if !c.end() {
		return nil, malformed(frameRelease)
	}
	return rs, nil
}

// appendGone appends one GONE; at most maxRefsPerFrame entries.
func appendGone(dst []byte, rs []Ref) []byte {
	start := len(dst)
	dst = begin(dst, frameGone)
	dst = binary.AppendUvarint(dst, uint64(len(rs)))
	for _, r := range rs {
		dst = appendRef(dst, r)
	}
	return finish(dst, start)
}

func parseGone(body []byte) ([]Ref, error) {
	c := cursor{b: body}
	rs := make([]Ref, c.entries(refLen))
	for i := range rs {
		rs[i] = c.ref()
	}
	if !c.end() {
		return nil, malformed(frameGone)
	}
	return rs, nil
}
