package mux

import "encoding/binary"

// A cursor reads a frame's body. The first thing that can't be read makes it bad, and all
// after it is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	x, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return x
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	x := c.b[0]
	c.b = c.b[1:]
	return x
}

func (c *cursor) bool() bool {
	x := c.byte()
	if x > 1 {
		c.fail()
	}
	return x == 1
}

func (c *cursor) id() (id [16]byte) {
	c.fill(id[:])
	return id
}

// fill reads so many bytes as dst has.
func (c *cursor) fill(dst []byte) {
	if len(c.b) < len(dst) {
		c.fail()
		return
	}
	copy(dst, c.b)
	c.b = c.b[len(dst):]
}

// bytes returns a length-prefixed piece of the body itself, of at most most bytes.
func (c *cursor) bytes(most int) []byte {
	n := c.uvarint()
	if n > uint64(most) || n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) text() string { return string(c.bytes(MaxText)) }

func (c *cursor) target() Target { return Target{Name: c.text(), ID: c.id()} }

// run reads First and Count and refuses what is not a run of numbers from 1 on.
func (c *cursor) run() Run {
	r := Run{First: c.uvarint(), Count: c.uvarint()}
	if r.First == 0 || r.Count == 0 || r.First+r.Count < r.First {
		c.fail()
	}
	return r
}

func (c *cursor) fail() { c.bad, c.b = true, nil }

// end tells whether all was read, and well.
func (c *cursor) end() bool { return !c.bad && len(c.b) == 0 }

func malformed(typ byte) error { return violation("frame", "malformed frame of type %d", typ) }

// parseOpen reads an OPEN. whole: it brought the schema, which is a copy.
func parseOpen(body []byte) (o Open, whole bool, err error) {
	c := cursor{b: body}
	o.Use = c.uvarint()
	o.Target = c.target()
	o.End = c.id()
	o.First = c.uvarint()
	o.Flags = c.byte()
	o.Hash = c.id()
	if whole = c.bool(); whole {
		o.Schema = append([]byte{}, c.bytes(maxSchema)...)
	}
	o.Text = c.text()
	if !c.end() || o.Use == 0 || o.First == 0 {
		return Open{}, false, malformed(frameOpen)
	}
	return o, whole, nil
}

// parseData reads the head of DATA; values is a piece of body.
func parseData(body []byte) (hash [16]byte, flags uint8, count int, values []byte, err error) {
	c := cursor{b: body}
	hash = c.id()
	flags = c.byte()
	n := c.uvarint()
	if c.bad || n == 0 || n > 1<<31-1 || len(c.b) > MaxFrame {
		return hash, 0, 0, nil, malformed(frameData)
	}
	return hash, flags, int(n), c.b, nil
}

// parseBig reads BIG: a value of size bytes comes in pieces of total bytes.
func parseBig(body []byte) (hash [16]byte, flags uint8, size, total uint64, err error) {
	c := cursor{b: body}
	hash = c.id()
	flags = c.byte()
	size = c.uvarint()
	total = c.uvarint()
	if !c.end() || size <= MaxFrame || size >= 1<<62 || total == 0 || total > size {
		return hash, 0, 0, 0, malformed(frameBig)
	}
	return hash, flags, size, total, nil
}

func parseClose(body []byte) (clean bool, err error) {
	c := cursor{b: body}
	clean = c.bool()
	if !c.end() {
		return false, malformed(frameClose)
	}
	return clean, nil
}

func parseAccept(body []byte) (use, bytes uint64, a Accept, err error) {
	c := cursor{b: body}
	use, a.Limit, bytes = c.uvarint(), c.uvarint(), c.uvarint()
	a.Flags = c.byte()
	if !c.end() {
		err = malformed(frameAccept)
	}
	return use, bytes, a, err
}

func parseRefuse(body []byte) (use uint64, r Refuse, err error) {
	c := cursor{b: body}
	use = c.uvarint()
	r.Code = Code(c.byte())
	r.Text = c.text()
	if !c.end() || r.Code == 0 {
		err = malformed(frameRefuse)
	}
	return use, r, err
}

func parseAck(body []byte) (use, bytes uint64, a Ack, err error) {
	c := cursor{b: body}
	use = c.uvarint()
	a.Taken = c.uvarint()
	a.Limit = c.uvarint()
	bytes = c.uvarint()
	n := c.uvarint()
	if n > maxDropsPerFrame {
		c.fail()
		n = 0
	}
	for range n {
		r := c.run()
		d := Drop{First: r.First, Count: r.Count, Code: Code(c.byte()), Text: c.text()}
		if d.Code == 0 {
			c.fail()
		}
		if c.bad {
			break
		}
		a.Drops = append(a.Drops, d)
	}
	if !c.end() {
		return 0, 0, Ack{}, malformed(frameAck)
	}
	return use, bytes, a, nil
}

func parseStop(body []byte) (use uint64, st Stop, more bool, err error) {
	c := cursor{b: body}
	use = c.uvarint()
	st.Code = Code(c.byte())
	st.Text = c.text()
	st.UpTo = c.uvarint()
	more = c.bool()
	n := c.uvarint()
	if n > maxRunsPerFrame {
		c.fail()
		n = 0
	}
	var last uint64
	for range n {
		r := c.run()
		if r.First <= last || r.First+r.Count-1 > st.UpTo {
			c.fail()
		}
		if c.bad {
			break
		}
		last = r.First + r.Count - 1
		st.NotTaken = append(st.NotTaken, r)
	}
	if !c.end() || st.Code == 0 {
		return 0, Stop{}, false, malformed(frameStop)
	}
	return use, st, more, nil
}

func parseDone(body []byte) (use uint64, err error) {
	c := cursor{b: body}
	use = c.uvarint()
	if !c.end() {
		err = malformed(frameDone)
	}
	return use, err
}

func parseDeny(body []byte) (Deny, error) {
	c := cursor{b: body}
	d := Deny{From: c.id(), End: c.id(), Code: Code(c.byte()), Text: c.text()}
	if !c.end() {
		return Deny{}, malformed(frameDeny)
	}
	return d, nil
}

func parseAttach(body []byte) (Attach, error) {
	c := cursor{b: body}
	a := Attach{Target: c.target(), End: c.id(), Name: c.text()}
	if !c.end() {
		return Attach{}, malformed(frameAttach)
	}
	return a, nil
}
