package peer

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
)

// linkBuffer is how much decrypted data a link reads ahead: one TLS record.
const linkBuffer = 16 << 10

// carrier is a connection to a node whose identity TLS has proved.
type carrier struct {
	num   uint64
	peer  NodeID
	ca    caKey
	entry *neighbour
	wire  *wire
	tls   *tls.Conn
	in    *bufio.Reader
}

// carrier takes a connection into the host's books. meet takes it out.
func (h *Host) carrier(w *wire, tc *tls.Conn, id NodeID, ca caKey) *carrier {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.carriers++
	n := h.neighbour(id)
	n.busy++
	return &carrier{
		num:   h.carriers,
		peer:  id,
		ca:    ca,
		entry: n,
		wire:  w,
		tls:   tc,
		in:    bufio.NewReaderSize(tc, linkBuffer),
	}
}

// meet is the handshake after TLS, for both sides. It returns a link that has
// begun, which announce must be called with, or the reason why there is none on
// this connection, which the caller closes then; errStale: there is, or will be,
// one on another connection.
func (h *Host) meet(c *carrier) (l *Link, err error) {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		c.entry.busy--
		if err != nil {
			c.entry.slot.leave(c.num)
		}
		h.change(c.entry)
	}()
	peer, err := h.exchange(c)
	if err != nil {
		return nil, err
	}
	if c.entry.slot.lower {
		l, err = h.rule(c, peer)
	} else {
		l, err = h.obey(c, peer)
	}
	if err != nil {
		return nil, err
	}
	if !l.start() {
		return nil, ErrClosed
	}
	return l, nil
}

// exchange sends our HELLO and reads the peer's.
func (h *Host) exchange(c *carrier) (*hello, error) {
	serr := h.sendHello(c)
	peer, err := h.readHello(c)
	if err != nil {
		// What was read is a better reason than that writing failed: it may be
		// the refusal of our certificate.
		return nil, mismatch(err)
	}
	return peer, serr
}

func (h *Host) sendHello(c *carrier) error {
	h.mu.Lock()
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
	h.mu.Unlock()
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
func (h *Host) rule(c *carrier, peer *hello) (*Link, error) {
	for again := false; ; again = true {
		h.mu.Lock()
		h.number++
		a, ended := c.entry.slot.decide(c.num, peer, h.number, newLinkID())
		old := c.entry.link
		h.mu.Unlock()
		h.replaced(old, ended)
		if _, err := c.tls.Write(a.encode()); err != nil {
			return nil, err
		}
		switch {
		case a.kind == answerStale:
			return nil, errStale
		case a.kind == answerNew:
			return h.confirmed(c, peer)
		case again:
			return nil, protocolError("a second HELLO holds a link that is gone")
		}
		var err error
		if peer, err = h.readHello(c); err != nil {
			return nil, err
		}
	}
}

// confirmed waits for the confirmation of a new link.
func (h *Host) confirmed(c *carrier, peer *hello) (*Link, error) {
	a, err := readAnswer(c.in)
	if err != nil {
		return nil, err
	}
	l := newLink(h, c, linkID{}, peer)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admissible(c); err != nil {
		return nil, err
	}
	if err := c.entry.slot.confirm(c.num, a); err != nil {
		return nil, err
	}
	l.id = a.link
	c.entry.link = l
	return l, nil
}

// obey is the handshake's second half on the side of the higher ID.
func (h *Host) obey(c *carrier, peer *hello) (*Link, error) {
	for again := false; ; again = true {
		a, err := readAnswer(c.in)
		if err != nil {
			return nil, mismatch(err)
		}
		switch {
		case a.kind == answerStale:
			return nil, errStale
		case a.kind == answerNew:
			return h.confirm(c, peer, a)
		case a.kind == answerGone && !again:
			h.gone(c.entry, a.link)
			if err := h.sendHello(c); err != nil {
				return nil, err
			}
		default:
			return nil, protocolErrorf("answer %d came", a.kind)
		}
	}
}

// confirm takes a new link and confirms it.
func (h *Host) confirm(c *carrier, peer *hello, a answer) (*Link, error) {
	l := newLink(h, c, a.link, peer)
	h.mu.Lock()
	old := c.entry.link
	err := h.admissible(c)
	var ended uint64
	if err == nil {
		ended, err = c.entry.slot.accept(c.num, a)
	}
	if err == nil {
		c.entry.link = l
	}
	yes := answer{kind: answerNew, link: a.link, number: h.number}
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	h.replaced(old, ended)
	if _, err := c.tls.Write(yes.encode()); err != nil {
		l.end(lost(c.peer, err))
		return nil, err
	}
	return l, nil
}

// admissible says why a verified connection can't become a link after all.
// Under h.mu.
func (h *Host) admissible(c *carrier) error {
	if h.closed {
		return ErrClosed
	}
	if !h.trust.accepts(c.ca) {
		return ErrKeyMismatch
	}
	return nil
}

// replaced ends a link whose place on connection num another one takes.
func (h *Host) replaced(old *Link, num uint64) {
	if old != nil && num != 0 && old.num == num {
		old.end(lost(old.info.ID, errors.New("the peer has given the link up")))
	}
}

// gone ends the link that the peer says is no more.
func (h *Host) gone(n *neighbour, id linkID) {
	h.mu.Lock()
	l := n.link
	h.mu.Unlock()
	if l != nil && l.id == id {
		l.end(lost(l.info.ID, errors.New("the peer has given the link up")))
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
