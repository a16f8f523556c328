package chanref

import (
	"bytes"
	"strings"
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
				in, src := newSource[string](w, 64, c.plain)
				d, sink := newSink[string](w, 64)
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
		c, src := newSource[string](w, 0)
		d, sink := newSink[string](w, 1)
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
	for name, f := range map[string]func(*mux.Batch){
		"a frame of more than a frame":  frame(squeeze(large), 1, 0, flagCompressed),
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
				d, sink := newSink[[]byte](w, 4)
				hostile[[]byte](t, w.link("evil"), sink, f)
				if len(d) > 0 {
					t.Error("a value came")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d, sink := newSink[[]byte](w, 4)
		link := w.link("good")
		bring[[]byte](t, link, sink, frame(squeeze(large), 1, len(large), flagCompressed))
		if v := receive(t, d); len(v) != 64<<10 || link.Err() != nil {
			t.Errorf("%d bytes, session: %v", len(v), link.Err())
		}
	})
}
