package chanref

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/matveynator/netchan/codec"
	"github.com/matveynator/netchan/mux"
)

// A value that shrinks takes fewer bytes on its way, and arrives as it was.
func TestValuesAreCompressed(t *testing.T) {
	text := strings.Repeat("all work and no play makes Jack a dull boy. ", 1<<15)
	for _, c := range []struct {
		name   string
		value  string
		plain  func(*SourceConfig)
		shrink bool
	}{
		{"a frame of small values", text[:100], func(*SourceConfig) {}, true},
		{"a value of one frame", text[:10<<10], func(*SourceConfig) {}, true},
		{"a value that then fits one frame", text[:100<<10], func(*SourceConfig) {}, true},
		{"a large value", text[:1<<20] + string(noise(64<<10)), func(*SourceConfig) {}, true},
		{"a broadcast", text[:10<<10], broadcast, true},
		{"noise", string(noise(100 << 10)), func(*SourceConfig) {}, false},
		{"below the least size", text[:800], func(*SourceConfig) {}, false},
		{"not wanted", text[:100<<10], func(c *SourceConfig) { c.Plain = true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				link := w.link("b")
				in, src := sourceIn[string](w, 64, c.plain)
				d, sink := sinkIn[string](w, 64)
				connect(t, src, link, sink)
				n := 1
				if len(c.value) == 100 {
					n = 60 // they gather while the source is held
				}
				release := hold(src)
				for range n {
					send(t, in, c.value)
				}
				release()
				for range n {
					if v := receive(t, d); v != c.value {
						t.Fatalf("%d bytes came as %d", len(c.value), len(v))
					}
				}
				sent := int(link.Stats().BytesOut)
				if all := n * len(c.value); (sent < all/2) != c.shrink {
					t.Errorf("%d bytes of %d were sent", sent, all)
				}
			})
		})
	}
	// In one process there is nothing to gain.
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := mux.Pair(handler{w.table}, mux.Config{Peer: "self", Local: true})
		defer b.Wait()
		defer cut(a)
		c, src := sourceIn[string](w, 0)
		d, sink := sinkIn[string](w, 1)
		connect(t, src, a, sink)
		send(t, c, text)
		if v := receive(t, d); v != text || a.Stats().BytesOut < uint64(len(text)) {
			t.Errorf("%d bytes of %d were sent", a.Stats().BytesOut, len(text))
		}
	})
}

// A sender that lies about what it has compressed loses its session; nothing is
// allocated for what it only announces.
func TestHostileCompression(t *testing.T) {
	squeeze := func(plain []byte) []byte {
		var c codec.Compressor
		out, ok := c.Compress(bytes.Clone(plain))
		if !ok {
			t.Fatal("not compressed")
		}
		return out
	}
	// frame is values as they would be sent; size is what is claimed of them.
	frame := func(values []byte, count, size int, flags uint8) func(*mux.Batch) {
		return func(b *mux.Batch) {
			b.B, b.Count, b.Size, b.Flags = append(b.B, values...), count, size, flags
		}
	}
	large := append([]byte{0x81, 0x80, 0x04}, make([]byte, 64<<10)...) // a []byte, encoded
	frames := append([]byte{0x81, 0x80, 0x01}, make([]byte, 16<<10)...)
	whole := append([]byte{0x81, 0xC0, 0x01}, make([]byte, 24<<10)...)
	same := append(squeeze(large), make([]byte, 20<<10)...)
	for name, f := range map[string]func(*mux.Batch){
		"a frame of more than a frame":  frame(squeeze(large), 1, 0, flagCompressed),
		"a little more than a frame":    frame(squeeze(frames), 1, 0, flagCompressed),
		"a whole value, announced long": frame(whole, 1, len(whole)+5, 0),
		"nothing gained":                frame(same, 1, len(same), flagCompressed),
		"4 GiB announced":               frame([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0}, 1, 0, flagCompressed),
		"nothing that was compressed":   frame([]byte("\x05hello"), 1, 0, flagCompressed),
		"more values than there are":    frame(squeeze(large[:2000]), 2, 0, flagCompressed),
		"a large value, longer":         frame(squeeze(large), 1, len(large)-1, flagCompressed),
		"a large value, shorter":        frame(squeeze(large), 1, len(large)+1, flagCompressed),
		"a large value, not compressed": frame(large[:20<<10], 1, len(large), 0),
		"flags that nobody knows":       frame([]byte{1}, 1, 0, 2),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				d, sink := sinkIn[[]byte](w, 4)
				hostile[[]byte](t, w.link("evil"), sink, f)
				if len(d) > 0 {
					t.Error("a value came")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d, sink := sinkIn[[]byte](w, 4)
		link := w.link("good")
		bring[[]byte](t, link, sink, frame(squeeze(large), 1, len(large), flagCompressed))
		if v := receive(t, d); len(v) != 64<<10 || link.Err() != nil {
			t.Errorf("%d bytes, session: %v", len(v), link.Err())
		}
	})
}

// Streams whose frames are compressed now and then share buffers, and never each other's
// bytes.
func TestCompressedFramesKeepApart(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for k := range 4 {
		in, src := sourceIn[string](w, 8)
		d, sink := sinkIn[string](w, 8)
		connect(t, src, w.link("b"), sink)
		value := func(i int) string {
			text := strings.Repeat(fmt.Sprintf("stream %d, value %d; ", k, i), 100)
			if i%3 == 0 {
				text = string(noise(10)) + text[:50]
			}
			return text
		}
		sent := make(chan string, 400)
		all.Go(func() {
			for i := range 400 {
				v := value(i)
				sent <- v
				in <- v
			}
			close(in)
		})
		all.Go(func() {
			for v := range d {
				if want := <-sent; v != want {
					t.Errorf("stream %d: got %.40q, want %.40q", k, v, want)
				}
			}
			if len(sent) > 0 {
				t.Errorf("stream %d: %d values are missing", k, len(sent))
			}
		})
	}
	all.Wait()
}

// heap is how much memory is held, after a collection.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A value that waits for its reader is there once: the bytes that it came in, for which
// there is a budget, are gone.
func TestDecodedBytesAreLetGo(t *testing.T) {
	const size, n = 8 << 20, 4
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("a")
		before := heap()
		for range n {
			_, sink := sinkIn[[]byte](w, 0)
			bring[[]byte](t, link, sink, func(b *mux.Batch) {
				b.B, b.Count = append(append(b.B, 0x81, 0x80, 0x80, 0x04), noise(size)...), 1
			})
			synctest.Wait()
		}
		if grown := heap() - before; grown > n*size*3/2 {
			t.Errorf("%d values of %d MiB take %d MiB", n, size>>20, grown>>20)
		}
	})
}

// deaf is a sender that does not listen.
type deafSender struct {
	*feedback
	written chan *mux.Batch
	hold    chan bool
}

func (d deafSender) Acked(mux.Ack)        { <-d.hold }
func (d deafSender) Written(b *mux.Batch) { d.written <- b }

// A sender that sends what can't be read, each value for its own reason, and hears nothing
// of it, must not make us remember millions of reasons.
func TestDropsOfADeafSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("a")
		_, sink := sinkIn[int8](w, 10000)
		schema := writer[int](t).Schema()
		f := deafSender{newFeedback(), make(chan *mux.Batch, 1), make(chan bool)}
		out := link.Open(mux.Open{Target: to(sink), End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
		receive(t, f.accepted)
		var plain []byte
		for i := range 8000 {
			plain = append(plain, 0xFE+byte(i%2), 0x03)
		}
		var c codec.Compressor
		block, _ := c.Compress(plain)
		before := heap()
		for range 100 {
			b := mux.NewBatch(schema.Hash())
			b.B, b.Count, b.Flags = append(b.B, block...), 8000, flagCompressed
			out.Send(b)
			synctest.Wait()
			select {
			case <-f.written:
				continue
			default:
			}
			break
		}
		if sink.Stats().Dropped == 0 {
			t.Error("nothing was dropped")
		}
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%d drops take %d KiB", sink.Stats().Dropped, grown>>10)
		}
		close(f.hold)
	})
}

// The text of a reason does not hold on to a longer one.
func TestReasonsAreCopied(t *testing.T) {
	u := &use{}
	before := heap()
	for i := range 20 {
		u.drop(uint64(i+1), mux.CodeDecode, strings.Repeat(string(rune('a'+i)), 1<<20))
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d reasons take %d KiB", len(u.drops), grown>>10)
	}
	runtime.KeepAlive(u)
}

// What a peer has said of its types goes with its session, and more than is kept is told.
func TestTypesOfASession(t *testing.T) {
	codec.RegisterName[far]("chanref_test.far")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		link := w.link("b")
		c, src := sourceIn[any](w, 0)
		d, sink := sinkIn[any](w, 1)
		connect(t, src, link, sink)
		send(t, c, any(far{First: 1}))
		receive(t, d)
		count := func() (n int) {
			w.table.types.Range(func(_, _ any) bool { n++; return true })
			return n
		}
		if n := count(); n != 1 {
			t.Errorf("types of %d sessions", n)
		}
		cut(link)
		settled()
		if n := count(); n != 0 {
			t.Errorf("types of %d sessions that have ended", n)
		}

		link = w.link("c")
		f := newFeedback()
		schema := writer[any](t).Schema()
		out := link.Open(mux.Open{Target: to(sink), End: newID(), First: 1, Hash: schema.Hash(), Schema: schema.Bytes()}, f)
		receive(t, f.accepted)
		for i := range codec.MaxTypes + 1 { // structs of one bool, each with a name of its own
			out.Schema(append([]byte{25, 1, 5}, fmt.Sprintf("F%04d\x01\x03", i)...))
		}
		b := mux.NewBatch(schema.Hash())
		b.B, b.Count = append(b.B, 0), 1 // nil
		out.Send(b)
		receive(t, d)
		if lines := w.log.with("more types inside any"); len(lines) != 1 || link.Err() != nil {
			t.Errorf("%q, %v", lines, link.Err())
		}
	})
}
