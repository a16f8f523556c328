package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestCompress(t *testing.T) {
	for _, n := range []int{MinCompress, 16 << 10, 1 << 20} {
		var c Compressor
		plain := []byte(strings.Repeat("all work and no play ", n/20+1))[:n]
		b := bytes.Clone(plain)
		out, ok := c.Compress(b)
		if !ok || len(out) > n/2 || &out[0] != &b[0] {
			t.Fatalf("%d bytes became %d, %v", n, len(out), ok)
		}
		back, err := Decompress(nil, out, n)
		if err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("%d bytes came back as %d, %v", n, len(back), err)
		}
		dst := make([]byte, 5, n)
		if back, err = Decompress(dst, out, n); err != nil || &back[0] != &dst[0] {
			t.Errorf("%d bytes: not where there was room, %v", n, err)
		}
		if _, err = Decompress(nil, out, n-1); !errors.As(err, new(*CorruptError)) {
			t.Errorf("more than allowed: %v", err)
		}
	}
	var c Compressor
	small := make([]byte, MinCompress-1)
	if out, ok := c.Compress(small); ok || len(out) != len(small) {
		t.Errorf("%d bytes were compressed", len(small))
	}
}

// What does not shrink is left as it is, and tried again less and less often; what does
// shrink ends that.
func TestCompressWhilePays(t *testing.T) {
	var c Compressor
	random := noise(4096)
	var tries []int
	for i := range 100 {
		b := bytes.Clone(random)
		if out, ok := c.Compress(b); ok || !bytes.Equal(out, random) {
			t.Fatal("noise was compressed")
		}
		if c.small.leave == c.small.next {
			tries = append(tries, i)
		}
	}
	if want := []int{0, 2, 5, 10, 19, 36, 53, 70, 87}; !slices.Equal(tries, want) {
		t.Fatalf("tried at %v, want %v", tries, want)
	}
	// What is large says nothing about frames. Of it a sample is tried while it is left alone.
	before := c.small
	for _, b := range []struct {
		bytes []byte
		pays  bool
	}{{make([]byte, large), true}, {noise(large), false}, {noise(large), false}, {make([]byte, 2*large), true}, {noise(large), false}, {halfNoise(), false}, {halfNoise(), true}} {
		if _, ok := c.Compress(b.bytes); ok != b.pays || c.small != before {
			t.Fatalf("%d bytes: compressed: %t, want %t; of frames %+v, before it %+v", len(b.bytes), ok, b.pays, c.small, before)
		}
	}
	for range maxLeave {
		if _, ok := c.Compress(make([]byte, 4096)); ok {
			break
		}
	}
	for range 100 {
		if _, ok := c.Compress(make([]byte, 4096)); !ok {
			t.Fatal("zeros were not compressed")
		}
	}
	// An eighth must be saved.
	almost := append(noise(9*512), make([]byte, 512)...)
	if _, ok := c.Compress(bytes.Clone(almost)); ok {
		t.Error("a tenth was saved, and taken")
	}
	c = Compressor{}
	if _, ok := c.Compress(append(noise(5*512), make([]byte, 512)...)); !ok {
		t.Error("a sixth would have been saved")
	}
}

// halfNoise is large and has nothing to be saved where the sample is.
func halfNoise() []byte { return append(make([]byte, large), noise(2*large)...) }

// A few bytes that announce many: nothing is allocated for them.
func TestDecompressBombs(t *testing.T) {
	zeros := s2.Encode(nil, make([]byte, 1<<26))
	if len(zeros) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(zeros))
	}
	lies := append([]byte{0xFF, 0xFF, 0x03}, 0, 'x')
	for name, c := range map[string]struct {
		block []byte
		most  int
	}{
		"64 MiB of zeros":       {zeros, 16 << 10},
		"4 GiB announced":       {[]byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0}, 16 << 20},
		"length of 11 bytes":    {bytes.Repeat([]byte{0xFF}, 11), 16 << 20},
		"no length":             {nil, 16 << 20},
		"more than there comes": {lies, 64 << 10},
		"copy before the start": {[]byte{10, 0x0D, 0xFF}, 100},
	} {
		var err error
		n := allocated(func() { _, err = Decompress(nil, c.block, c.most) })
		if !errors.As(err, new(*CorruptError)) || n > 128<<10 {
			t.Errorf("%s: %v, %d bytes allocated", name, err, n)
		}
	}
}

func TestCompressAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	var c Compressor
	plain := []byte(strings.Repeat("all work and no play ", 700))
	b, dst := make([]byte, len(plain)), make([]byte, len(plain))
	n := testing.AllocsPerRun(100, func() {
		copy(b, plain)
		out, _ := c.Compress(b)
		if _, err := Decompress(dst, out, len(plain)); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCompress(b *testing.B) {
	text := []byte(strings.Repeat(`{"id":12345,"name":"a job like others","tags":["red","blue"],"at":"2024-02-29"},`, 1))
	var all []byte
	for i := 0; len(all) < 16<<10; i++ {
		all = append(all, text...)
		copy(all[len(all)-20:], noise(6))
	}
	for name, plain := range map[string][]byte{"text": all[:16<<10], "noise": noise(16 << 10), "zeros": make([]byte, 16<<10)} {
		work := make([]byte, len(plain))
		b.Run(name+"/compress", func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			var n int
			for b.Loop() {
				var c Compressor
				copy(work, plain)
				out, _ := c.Compress(work)
				n = len(out)
			}
			b.ReportMetric(float64(n)/float64(len(plain)), "size")
		})
		b.Run(name+"/decompress", func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			var c Compressor
			block, ok := c.Compress(bytes.Clone(plain))
			if !ok {
				b.Skip("does not shrink")
			}
			for b.Loop() {
				if _, err := Decompress(work, block, len(plain)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// compressedGoldens are blocks of versions that were, or of other encoders: what they
// hold is 1,024 bytes of "netchan ", and 70,000 zeros.
var compressedGoldens = map[string]string{
	"text, S2":     "80 08 1c 6e 65 74 63 68 61 6e 20 11 08 19 00 ec 02",
	"text, Snappy": "80 08 1c 6e 65 74 63 68 61 6e 20" + strings.Repeat(" ee 08 00", 16) + " de 08 00",
	"zeros, S2":    "f0 a2 04 00 00 11 01 1d 00 63 11 00",
}

func TestCompressedGoldens(t *testing.T) {
	want := map[string][]byte{"text": bytes.Repeat([]byte("netchan "), 128), "zeros": make([]byte, 70000)}
	for name, text := range compressedGoldens {
		block, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ = strings.Cut(name, ",")
		if got, err := Decompress(nil, block, 70000); err != nil || !bytes.Equal(got, want[name]) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
