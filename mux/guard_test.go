package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

func yHeaderBytes(typ uint8, flags uint16, id, n uint32) []byte {
	h := []byte{0, typ}
	h = binary.BigEndian.AppendUint16(h, flags)
	h = binary.BigEndian.AppendUint32(h, id)
	return binary.BigEndian.AppendUint32(h, n)
}

// A step of a guard's life: a header in (from the peer, a client) or out (ours).
type gstep struct {
	out   bool
	typ   uint8
	flags uint16
	id, n uint32
}

const grow = yamuxWindow - yamuxInitial

func gin(typ uint8, flags uint16, id, n uint32) gstep  { return gstep{false, typ, flags, id, n} }
func gout(typ uint8, flags uint16, id, n uint32) gstep { return gstep{true, typ, flags, id, n} }

func TestGuard(t *testing.T) {
	// The guard is a server's: 1, 3, .. are the peer's, 2, 4, .. ours.
	start := []gstep{
		gin(yWindow, ySYN, 1, grow), gout(yWindow, yACK, 1, grow), // control
		gin(yWindow, ySYN, 3, grow), gout(yWindow, yACK, 3, grow),
		gout(yWindow, ySYN, 2, grow), gin(yWindow, yACK, 2, grow),
		gin(yData, 0, 1, 100), gin(yData, 0, 3, 100), gout(yData, 0, 2, 100), gout(yData, 0, 1, 7),
	}
	fin3 := []gstep{gin(yWindow, yFIN, 3, 0), gout(yWindow, yFIN, 3, 0)}
	fin2 := []gstep{gout(yWindow, yFIN, 2, 0), gin(yWindow, yFIN, 2, 0)}
	cases := map[string]struct {
		more []gstep
		ok   bool
	}{
		"a session":                    {nil, true},
		"both streams end":             {append(append([]gstep{}, fin3...), fin2...), true},
		"window for our data":          {[]gstep{gin(yWindow, 0, 2, 100)}, true},
		"the next stream":              {[]gstep{gin(yWindow, ySYN, 5, 0)}, true},
		"a stream's ID left out":       {[]gstep{gin(yWindow, ySYN, 9, 0)}, true},
		"data up to the byte limit":    {[]gstep{gin(yData, 0, 3, 9<<10), gin(yData, 0, 3, 9<<10-100)}, true},
		"ping":                         {[]gstep{gin(2, ySYN, 0, 1)}, false},
		"answer to a ping":             {[]gstep{gin(2, yACK, 0, 1)}, false},
		"go away":                      {[]gstep{gin(3, 0, 0, 0)}, false},
		"a type that isn't":            {[]gstep{gin(4, 0, 3, 0)}, false},
		"reset":                        {[]gstep{gin(yWindow, 8, 3, 0)}, false},
		"flags together":               {[]gstep{gin(yWindow, ySYN|yFIN, 5, 0)}, false},
		"SYN with data":                {[]gstep{gin(yData, ySYN, 5, 10)}, false},
		"FIN with data":                {[]gstep{gin(yData, yFIN, 3, 10)}, false},
		"data of nothing":              {[]gstep{gin(yData, 0, 3, 0)}, false},
		"window of nothing":            {[]gstep{gin(yWindow, 0, 2, 0)}, false},
		"SYN of our parity":            {[]gstep{gin(yWindow, ySYN, 4, 0)}, false},
		"SYN of stream 0":              {[]gstep{gin(yWindow, ySYN, 0, 0)}, false},
		"SYN twice":                    {[]gstep{gin(yWindow, ySYN, 3, 0)}, false},
		"SYN of a stream that was":     {append(fin3[:2:2], gin(yWindow, ySYN, 3, 0)), false},
		"SYN with too large a window":  {[]gstep{gin(yWindow, ySYN, 5, grow+1)}, false},
		"FIN twice":                    {[]gstep{fin3[0], fin3[0]}, false},
		"FIN of a stream that was":     {append(fin3[:2:2], fin3[0]), false},
		"FIN of our stream":            {[]gstep{fin2[1]}, false},
		"FIN of the control stream":    {[]gstep{gin(yWindow, yFIN, 1, 0)}, false},
		"FIN before ACK":               {[]gstep{gout(yWindow, ySYN, 4, 0), gout(yWindow, yFIN, 4, 0), gin(yWindow, yFIN, 4, 0)}, false},
		"ACK twice":                    {[]gstep{gin(yWindow, yACK, 2, 1)}, false},
		"ACK of the peer's own stream": {[]gstep{gin(yWindow, yACK, 3, 1)}, false},
		"data on no stream":            {[]gstep{gin(yData, 0, 7, 1)}, false},
		"data after FIN":               {[]gstep{fin3[0], gin(yData, 0, 3, 1)}, false},
		"window after FIN":             {[]gstep{fin2[0], fin2[1], gin(yWindow, 0, 2, 1)}, false},
		"data on our stream":           {[]gstep{gin(yData, 0, 2, 1)}, false},
		"a long frame":                 {[]gstep{gin(yData, 0, 3, yamuxBody+1)}, false},
		"a window too large":           {[]gstep{gin(yWindow, 0, 2, 101)}, false},
		"beyond the byte limit":        {[]gstep{gin(yData, 0, 3, 9<<10), gin(yData, 0, 3, 9<<10-100+closeSlack+1)}, false},
		"five streams":                 {[]gstep{gin(yWindow, ySYN, 5, 0), gin(yWindow, ySYN, 7, 0), gin(yWindow, ySYN, 9, 0)}, false},
		"four streams after one ended": {append(fin3[:2:2], gin(yWindow, ySYN, 5, 0), gin(yWindow, ySYN, 7, 0), gin(yWindow, ySYN, 9, 0)), true},
		"a FIN of theirs alone frees nothing": {[]gstep{fin3[0], gin(yWindow, ySYN, 5, 0), gin(yWindow, ySYN, 7, 0),
			gin(yWindow, ySYN, 9, 0)}, false},
		"our ping":       {[]gstep{gout(2, ySYN, 0, 0)}, false},
		"our reset":      {[]gstep{gout(yWindow, 8, 3, 0)}, false},
		"our go away":    {[]gstep{gout(3, 0, 0, 1)}, false},
		"our long frame": {[]gstep{gout(yData, 0, 2, yamuxBody+1)}, false},
	}
	for name, c := range cases {
		g := newGuard(false, 4)
		var err error
		steps := append(append([]gstep{}, start...), c.more...)
		for i, s := range steps {
			h := parseYHead(yHeaderBytes(s.typ, s.flags, s.id, s.n))
			if s.out {
				_, err = g.out(h)
			} else {
				_, err = g.in(h)
			}
			if err != nil {
				if i < len(steps)-1 {
					t.Errorf("%s: step %d of %d: %v", name, i, len(steps), err)
				}
				break
			}
		}
		var pe *ProtocolError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &pe) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := newGuard(false, 4)
	if _, err := g.in(yHead{version: 1}); err == nil {
		t.Error("version 1 is accepted")
	}
}

// TestGuardWindow: the control stream has no byte limit, but yamux' window holds.
func TestGuardWindow(t *testing.T) {
	g := newGuard(false, 4)
	send := func() error { _, err := g.in(parseYHead(yHeaderBytes(yData, 0, 1, yamuxBody))); return err }
	if _, err := g.in(parseYHead(yHeaderBytes(yWindow, ySYN, 1, grow))); err != nil {
		t.Fatal(err)
	}
	for range yamuxInitial / yamuxBody {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(); err == nil {
		t.Error("more than the window is accepted")
	}
}

func TestGuardAllow(t *testing.T) {
	g := newGuard(false, 4)
	data := func(n uint32) error { _, err := g.in(parseYHead(yHeaderBytes(yData, 0, 3, n))); return err }
	if _, err := g.in(parseYHead(yHeaderBytes(yWindow, ySYN, 3, grow))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(data(9<<10), data(firstWindow-9<<10)); err != nil {
		t.Fatal(err)
	}
	g.allow(3, firstWindow+64<<10)
	if err := data(64 << 10); err != nil {
		t.Fatal(err)
	}
	if err := data(closeSlack + 1); err == nil {
		t.Error("beyond what was allowed")
	}
}

// TestGuardConnWholeFrames: yamux never gets a part of a frame, however the bytes come.
func TestGuardConnWholeFrames(t *testing.T) {
	var stream []byte
	stream = append(stream, yHeaderBytes(yWindow, ySYN, 1, grow)...)
	stream = append(stream, yHeaderBytes(yWindow, ySYN, 3, grow)...)
	whole := map[int]bool{0: true, 12: true, 24: true}
	for i, n := range []int{1, 5000, 30000, 13000, yamuxBody, 12} {
		id := uint32(3)
		if i%2 == 0 {
			id = 1
		}
		stream = append(stream, yHeaderBytes(yData, 0, id, uint32(n))...)
		stream = append(stream, bytes.Repeat([]byte{byte(i)}, n)...)
		whole[len(stream)] = true
	}
	stream = append(stream, yHeaderBytes(yData, 0, 3, 10)...) // its body never comes
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "halves": iotest.HalfReader(bytes.NewReader(stream)), "bytes": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		var failed error
		c := newGuardConn(&readConn{r}, newGuard(false, 4), func(err error) { failed = err }, func() {})
		c.release()
		var got []byte
		buf := make([]byte, 1000)
		for {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			// Here the next Read would go below, and might wait there.
			if c.r == c.whole && err == nil && !whole[len(got)] {
				t.Fatalf("%s: a part of a frame, up to %d", name, len(got))
			}
			if err != nil {
				break
			}
		}
		if end := len(stream) - yHeader; !bytes.Equal(got, stream[:end]) {
			t.Errorf("%s: %d bytes instead of %d", name, len(got), end)
		}
		if failed != io.ErrUnexpectedEOF {
			t.Errorf("%s: ends with %v", name, failed)
		}
	}
}

type readConn struct{ io.Reader }

func (*readConn) WriteFrame(_, _ []byte, _ bool) error { return nil }
func (*readConn) Flush()                               {}
func (*readConn) Close() error                         { return nil }

// TestGuardConnWritesWholeFrames: a header and its body leave in one piece, and nothing else leaves.
func TestGuardConnWritesWholeFrames(t *testing.T) {
	x, _ := memConns(1 << 20)
	var frames []int
	x.out.frames = func(head, body []byte) {
		if len(head) != yHeader {
			t.Errorf("head of %d bytes", len(head))
		}
		if h := parseYHead(head); h.body() != len(body) {
			t.Errorf("body of %d bytes, the header says %d", len(body), h.body())
		}
		frames = append(frames, len(body))
	}
	var failed error
	c := newGuardConn(x, newGuard(true, 4), func(err error) { failed = err }, func() {})
	write := func(p []byte) error { // an error fails the session; yamux is not told
		failed, c.failed = nil, false
		_, err := c.Write(p)
		return errors.Join(failed, err)
	}
	open := errors.Join(write(yHeaderBytes(yWindow, ySYN, 1, grow)), write(yHeaderBytes(yWindow, ySYN, 3, grow)))
	if err := errors.Join(open, c.data(3, []byte("12345"))); err != nil {
		t.Fatal(err)
	}
	if len(frames) != 3 || frames[2] != 5 {
		t.Fatalf("written: %v", frames)
	}
	for what, p := range map[string][]byte{
		"a part of a header": []byte("1234"), "yamux' own data": yHeaderBytes(yData, 0, 3, 5), "nothing known": yHeaderBytes(yWindow, 0, 9, 5),
	} {
		if write(p) == nil {
			t.Errorf("%s is sent", what)
		}
	}
	if c.data(5, []byte("1")) == nil {
		t.Error("data of a stream that is not open is sent")
	}
	for sent := 5; sent < yamuxInitial; sent += len(big) {
		err := c.data(3, big[:min(len(big), yamuxInitial-sent)])
		if err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	if c.data(3, []byte("1")) == nil {
		t.Error("data beyond the stream's window is sent")
	}
}

var big = make([]byte, yamuxBody)

// TestControlWaitsForWindow: nothing but yamux' window bounds what may be under way on the control
// stream.
func TestControlWaitsForWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := memConns(1 << 30)
		c := newGuardConn(x, newGuard(true, 4), func(err error) { t.Error(err) }, func() {})
		_, _ = c.Write(yHeaderBytes(yWindow, ySYN, controlStream, grow))
		sent := make(chan int, 100)
		go func() {
			defer close(sent)
			for i := 0; c.data(controlStream, big) == nil; i++ {
				sent <- i
			}
		}()
		synctest.Wait()
		if n := len(sent); n != yamuxInitial/yamuxBody {
			t.Fatalf("%d frames went within the first window", n)
		}
		_ = y.WriteFrame(yHeaderBytes(yWindow, yACK, controlStream, grow), nil, false)
		go func() { _, _ = c.Read(make([]byte, yHeader)) }()
		synctest.Wait()
		if n := len(sent); n != yamuxWindow/yamuxBody {
			t.Fatalf("%d frames went within the whole window", n)
		}
		_ = c.Close() // who waits does so no more
		for range sent {
		}
	})
}

// Whatever comes, and in what pieces: yamux gets whole frames of kinds that it takes, until the
// first that is none, and an error then.
func FuzzGuard(f *testing.F) {
	var session []byte
	session = append(session, yHeaderBytes(yWindow, ySYN, 1, grow)...)
	session = append(session, yHeaderBytes(yWindow, ySYN, 3, grow)...)
	session = append(session, yHeaderBytes(yData, 0, 3, 5)...)
	session = append(session, "hello"...)
	session = append(session, yHeaderBytes(yWindow, yFIN, 3, 0)...)
	f.Add(session, uint16(1))
	f.Add(session, uint16(1000))
	f.Add(session[:len(session)-20], uint16(7))
	f.Add(append(session, yHeaderBytes(2, ySYN, 0, 1)...), uint16(13))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		var failed error
		c := newGuardConn(&readConn{pieces{bytes.NewReader(stream), int(piece) + 1}}, newGuard(false, 4), func(err error) { failed = err }, func() {})
		c.release()
		got, err := io.ReadAll(c)
		if failed == nil || err != nil && err != failed || !bytes.HasPrefix(stream, got) {
			t.Fatalf("%d bytes of %d, %v, %v", len(got), len(stream), err, failed)
		}
		for len(got) > 0 {
			if len(got) < yHeader {
				t.Fatalf("%d bytes of a header", len(got))
			}
			h := parseYHead(got)
			if h.version != 0 || h.typ > yWindow || h.body() > yamuxBody || len(got) < yHeader+h.body() {
				t.Fatalf("%+v before %d bytes", h, len(got)-yHeader)
			}
			got = got[yHeader+h.body():]
		}
		if len(c.buf) > yHeader+yamuxBody {
			t.Errorf("a buffer of %d bytes", len(c.buf))
		}
	})
}

// pieces reads at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(p.n, len(b))]) }
