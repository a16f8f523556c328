package peer

import (
	"bufio"
	"crypto/tls"
	"net"
)

// linkBuffer is how much decrypted data a link reads ahead: one TLS record.
const linkBuffer = 16 << 10

// carrier is a connection to a node whose identity TLS has proved.
type carrier struct {
	num     uint64
	peer    NodeID
	who     proven
	trust   *trust
	dialled string // the address, if we dialled it
	entry   *neighbour
	wire    *wire
	tls     *tls.Conn
	in      *bufio.Reader

	// The reader's, once a link is on it.
	begun bool   // a record has come
	next  uint64 // where the last record ended
	left  int    // bytes of the current record not handed up yet
}

// follow checks that r comes next, for a link that has received so many bytes,
// and how many of the record's bytes these hold already.
func (c *carrier) follow(r record, received uint64) (known int, err error) {
	known, err = r.follows(c.next, !c.begun, received)
	c.begun, c.next = true, r.start+uint64(r.length)
	return known, err
}

// writeOut writes pieces with as few system calls as may be.
func (c *carrier) writeOut(pieces [][]byte) error {
	c.wire.hold()
	var err error
	for _, p := range pieces {
		if _, err = c.tls.Write(p); err != nil {
			break
		}
	}
	if ferr := c.wire.flush(); err == nil {
		err = ferr
	}
	return err
}

// carrier takes a connection into the host's books. meet takes it out. addr is
// empty if we did not dial it.
func (h *Host) carrier(d *dialled, addr string) *carrier {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carriers++
	n := h.neighbour(d.id)
	n.busy++
	return &carrier{
		num:     h.carriers,
		peer:    d.id,
		who:     d.proven,
		trust:   d.trust,
		dialled: addr,
		entry:   n,
		wire:    d.wire,
		tls:     d.tls,
		in:      bufio.NewReaderSize(d.tls, linkBuffer),
	}
}

// meet is the handshake after TLS, for both sides. It returns a link that has
// begun, which announce must be called with; or nil, when the connection carries
// a link that was there; or the reason why it carries none, and the caller
// closes it then; errStale: there is, or will be, a link on another connection.
func (h *Host) meet(c *carrier) (made *Link, err error) {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		c.entry.busy--
		if err != nil {
			c.entry.slot.leave(c.num)
		}
		h.change(c.entry)
	}()
	h.mu.Lock()
	late := h.leaving && c.entry.link == nil
	h.mu.Unlock()
	if late {
		return nil, ErrClosed
	}
	peer, err := h.exchange(c)
	if err != nil {
		return nil, err
	}
	if c.entry.slot.lower {
		made, err = h.rule(c, peer)
	} else {
		made, err = h.obey(c, peer)
	}
	if err != nil || made == nil {
		return nil, err
	}
	if !made.start() {
		return nil, ErrClosed
	}
	return made, nil
}

// exchange sends our HELLO and reads the peer's.
func (h *Host) exchange(c *carrier) (*hello, error) {
	serr := h.sendHello(c)
	peer, err := h.readHello(c)
	if err != nil {
		// What was read is a better reason than that writing failed: it may be
		// the refusal of our certificate.
		return nil, c.trust.refusal(err)
	}
	return peer, serr
}

// sendHello fails with errStale when we dialled for a link that is back by now.
func (h *Host) sendHello(c *carrier) error {
	h.mu.Lock()
	if c.dialled != "" && c.entry.slot.carrier != 0 {
		h.mu.Unlock()
		return errStale
	}
	h.number++
	own := hello{
		node:      h.id,
		number:    h.number,
		resume:    h.cfg.ResumeTimeout,
		maxRecord: maxRecord,
		name:      h.cfg.Name,
		addr:      h.advertised(),
	}
	c.entry.slot.greet(&own)
	l := c.entry.link
	h.mu.Unlock()
	if l != nil && l.id == own.held {
		own.received = l.Stats().Received
	}
	_, err := c.tls.Write(own.append(nil))
	return err
}

func (h *Host) readHello(c *carrier) (*hello, error) {
	peer, err := readHello(c.in)
	if err != nil {
		return nil, err
	}
	if peer.node != c.peer {
		return nil, protocolErrorf("node %v says it is %v", c.peer, peer.node)
	}
	return &peer, nil
}

// rule is the handshake's second half on the side of the lower ID.
func (h *Host) rule(c *carrier, peer *hello) (made *Link, err error) {
	for again := false; ; again = true {
		h.mu.Lock()
		h.number++
		a, ended := c.entry.slot.decide(c.num, c.dialled != "", peer, h.number, newLinkID())
		held := c.entry.link
		h.mu.Unlock()
		givenUp(held, ended)
		if a.kind == answerResume {
			if held == nil || held.id != a.link {
				return nil, errStale // it is just being ended
			}
			if a.received, err = held.detach(a.number); err != nil {
				return nil, err
			}
		}
		if _, err := c.tls.Write(a.encode()); err != nil {
			return nil, err
		}
		switch {
		case a.kind == answerStale:
			return nil, errStale
		case a.kind == answerNew:
			return h.confirmed(c, peer, a.number)
		case a.kind == answerResume:
			return nil, h.resumed(c, held, a.number)
		case again:
			return nil, protocolError("a second HELLO holds a link that is gone")
		}
		if peer, err = h.readHello(c); err != nil {
			return nil, err
		}
	}
}

// confirmed waits for the confirmation of a new link.
func (h *Host) confirmed(c *carrier, peer *hello, number uint64) (*Link, error) {
	a, err := readAnswer(c.in)
	if err != nil {
		return nil, err
	}
	l := newLink(h, c, a.link, number, peer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.agree(c, a); err != nil {
		return nil, err
	}
	c.entry.link = l
	return l, nil
}

// resumed waits for the confirmation that a link goes on on c.
func (h *Host) resumed(c *carrier, l *Link, number uint64) error {
	a, err := readAnswer(c.in)
	if err != nil {
		return err
	}
	h.mu.Lock()
	err = h.agree(c, a)
	h.mu.Unlock()
	if err != nil {
		return err
	}
	return l.attach(c, number, a.received)
}

// agree takes a confirmation. Under h.mu.
func (h *Host) agree(c *carrier, a answer) error {
	if err := h.admissible(c); err != nil {
		return err
	}
	return c.entry.slot.confirm(c.num, a)
}

// obey is the handshake's second half on the side of the higher ID.
func (h *Host) obey(c *carrier, peer *hello) (made *Link, err error) {
	for again := false; ; again = true {
		a, err := readAnswer(c.in)
		if err != nil {
			return nil, c.trust.refusal(err)
		}
		switch {
		case a.kind == answerStale:
			return nil, errStale
		case a.kind == answerNew || a.kind == answerResume:
			return h.confirm(c, peer, a)
		case again:
			return nil, protocolErrorf("answer %d came", a.kind)
		}
		h.mu.Lock()
		held := c.entry.link
		h.mu.Unlock()
		givenUp(held, a.link)
		if err := h.sendHello(c); err != nil {
			return nil, err
		}
	}
}

// confirm takes a NEW or RESUME and confirms it.
func (h *Host) confirm(c *carrier, peer *hello, a answer) (made *Link, err error) {
	if a.kind == answerNew {
		made = newLink(h, c, a.link, a.number, peer)
	}
	h.mu.Lock()
	held := c.entry.link
	var ended linkID
	if err = h.admissible(c); err == nil {
		ended, err = c.entry.slot.accept(c.num, a)
	}
	if err == nil && made != nil {
		c.entry.link = made
	}
	yes := answer{kind: a.kind, link: a.link, number: h.number}
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	givenUp(held, ended)
	if made == nil {
		if held == nil || held.id != a.link {
			return nil, errStale // it is just being ended
		}
		if yes.received, err = held.detach(a.number); err != nil {
			return nil, err
		}
	}
	if _, err := c.tls.Write(yes.encode()); err != nil {
		if made != nil {
			made.end(lost(made.info, err))
		}
		return nil, err
	}
	if made == nil {
		return nil, held.attach(c, a.number, a.received)
	}
	return made, nil
}

// admissible says why a verified connection can't become a link after all.
// Under h.mu.
func (h *Host) admissible(c *carrier) error {
	if h.closed {
		return ErrClosed
	}
	if !h.trust.accepts(c.who.ca) {
		return ErrKeyMismatch
	}
	if c.entry.link == nil && h.linkCount() >= h.cfg.tune.links {
		return errManyLinks
	}
	return nil
}

// linkCount is how many links there are. Under h.mu.
func (h *Host) linkCount() (n int) {
	for _, nb := range h.neighbours {
		if nb.link != nil {
			n++
		}
	}
	return n
}

// givenUp ends link l if it is the one with this ID, which the peer has given up.
func givenUp(l *Link, id linkID) {
	if l != nil && l.id == id {
		l.end(lost(l.info, errGivenUp))
	}
}

// announce tells the owner of a new link, and then everybody who waits for it.
func (h *Host) announce(l *Link) {
	h.log.Debug("link made", "node", l.info.ID, "name", l.info.Name, "addr", l.info.Addr)
	if h.cfg.OnLink != nil {
		h.cfg.OnLink(l)
	}
	close(l.ready)
}

// advertised is the address to tell others; empty if there is none. Under h.mu.
func (h *Host) advertised() string {
	if h.advertise != "" || h.tcp == nil {
		return h.advertise
	}
	if a, ok := h.tcp.Addr().(*net.TCPAddr); ok && !a.IP.IsUnspecified() {
		return a.String()
	}
	return ""
}
