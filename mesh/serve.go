package mesh

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"
)

const (
	maxRequests  = 128 // streams looked at or answered at once
	maxProbes    = 16  // dial-backs at once
	probeTimeout = 3 * time.Second
)

// acceptLoop sorts the streams that come into memberlist's and ours.
func (m *Mesh) acceptLoop() {
	for {
		select {
		case <-m.ctx.Done():
			return
		case m.slots <- struct{}{}:
		}
		select {
		case <-m.ctx.Done():
			return
		case conn, ok := <-m.cfg.Network.GossipConns():
			if !ok {
				return
			}
			if !m.start(func() { m.accept(conn); <-m.slots }) {
				_ = conn.Close()
			}
		}
	}
}

// accept answers the requests that come on a stream, and hands it to
// memberlist as soon as something else comes.
func (m *Mesh) accept(conn net.Conn) {
	stop := context.AfterFunc(m.ctx, func() { _ = conn.Close() })
	defer stop()
	var first [1]byte
	for {
		_ = conn.SetDeadline(time.Now().Add(requestIdle))
		if _, err := io.ReadFull(conn, first[:]); err != nil {
			break // the other side has no more requests, or says nothing
		}
		if first[0] != requestMark {
			_ = conn.SetDeadline(time.Time{})
			m.transport.deliver(conn, first[:])
			return
		}
		q, err := readRequest(conn)
		if err != nil {
			m.log.Debug("netchan: request refused", "from", conn.RemoteAddr(), "err", err)
			break
		}
		_ = conn.SetDeadline(time.Now().Add(answerTime))
		if err := m.answer(conn, q); err != nil {
			break
		}
	}
	_ = conn.Close()
}

func (m *Mesh) answer(w io.Writer, q request) error {
	switch q.kind {
	case askForList:
		return m.answerList(w, q.id)
	case askForAll:
		return m.answerAll(w)
	default:
		err := m.probe(q.addr, q.id)
		if err == nil {
			m.met(q.id, q.addr)
		}
		_, werr := w.Write(appendDialAnswer(nil, err))
		return werr
	}
}

func (m *Mesh) answerList(w io.Writer, id ID) error {
	m.mu.Lock()
	l := m.reg.announced
	if id != m.self.ID {
		l = nil
		if k := m.reg.lists[id]; k != nil {
			l = k.list
		}
	}
	m.mu.Unlock()
	b := []byte{0}
	if l != nil {
		b[0] = 1
		b = appendList(b, l)
	}
	_, err := w.Write(b)
	return err
}

// answerAll sends what we know of live nodes, ourselves included.
func (m *Mesh) answerAll(w io.Writer) error {
	type owned struct {
		id ID
		*list
	}
	m.mu.Lock()
	all := []owned{{m.self.ID, m.reg.announced}}
	for id, k := range m.reg.lists {
		if m.aliveLocked(id) {
			all = append(all, owned{id, k.list})
		}
	}
	m.mu.Unlock()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(all)))
	for _, o := range all {
		b = appendList(append(b, o.id[:]...), o.list)
		if len(b) >= 64<<10 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// probe tells whether id can be reached at addr from here.
func (m *Mesh) probe(addr string, id ID) error {
	ctx, cancel := context.WithTimeout(m.ctx, probeTimeout)
	defer cancel()
	select {
	case m.probes <- struct{}{}:
		defer func() { <-m.probes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return m.cfg.Network.Probe(ctx, addr, id)
}
