package hostile

import (
	"encoding/binary"
	"testing"

	"github.com/matveynator/netchan"
)

// TestAttacks: what a peer does wrong ends its link, with the reason in the log; nothing of it reaches the
// program, and the values of a healthy node come on.
func TestAttacks(t *testing.T) {
	schema := schemaOf[[]byte](t)
	one := append(binary.AppendUvarint(nil, 3+1), "abc"...)
	stranger := func() (id [16]byte) { copy(id[:], random(16)); return id }
	for _, c := range []struct {
		name, reason string
		attack       func(a *attacker)
	}{
		{"data beyond the credit", "beyond its window", func(a *attacker) {
			st := a.open("bytes", schema)
			a.say(st, dataFrame(schema, 1, one)) // it waits for the program
			for range 16 {
				a.say(st, make([]byte, 16<<10))
			}
		}},
		{"values beyond the limit", "values more than allowed", func(a *attacker) {
			a.say(a.open("bytes", schema), dataFrame(schema, 9, append([]byte(nil), make([]byte, 9)...)))
		}},
		{"window that overflows", "too large", func(a *attacker) { a.head(yWindow, 0, control, 1<<32-1) }},
		{"window of nothing", "flags 0, length 0", func(a *attacker) { a.head(yWindow, 0, control, 0) }},
		{"an acknowledgement of a use that never was", "never was", func(a *attacker) {
			a.say(control, frame(frameAck, []byte{0xff, 0xff, 3, 1, 1, 1, 0}))
		}},
		{"a header that claims 4 GiB", "in one frame", func(a *attacker) { a.head(yData, 0, control, 1<<32-1) }},
		{"a frame that claims 2 MiB", "bytes long", func(a *attacker) { a.say(control, []byte{frameAttach, 0xff, 0xff, 0x7f}) }},
		{"a length of 11 bytes", "length too long", func(a *attacker) {
			a.say(control, []byte{frameAttach, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
		}},
		{"frames of nothing", "length 0", func(a *attacker) { a.head(yData, 0, control, 0) }},
		{"a value that claims 16 EiB", "", func(a *attacker) {
			hash := schema.Hash()
			b := append(hash[:], 0)
			b = binary.AppendUvarint(b, 1<<63)
			a.say(a.open("bytes", schema), frame(frameBig, binary.AppendUvarint(b, 1<<63)))
		}},
		{"a bomb", "", func(a *attacker) { // S2 that claims 4 GiB
			hash := schema.Hash()
			b := append(hash[:], 1, 1) // compressed, one value
			a.say(a.open("bytes", schema), frame(frameData, append(b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0)))
		}},
		{"garbage for a value", "", func(a *attacker) { a.say(a.open("bytes", schema), dataFrame(schema, 1, []byte{0xff, 0xff, 3})) }},
		{"guesses of channels", "named a channel that it does not hold", func(a *attacker) {
			for range 100 {
				a.stream += 2
				a.head(yWindow, ySYN, a.stream, 0)
				a.say(a.stream, a.openFrame("", stranger(), schema))
			}
		}},
		{"questions for channels", "named a channel that it does not hold", func(a *attacker) {
			for range 100 {
				a.say(control, frame(frameHold, append(random(16), 1, 0)))
			}
		}},
		{"a release of what it does not hold", "released more often", func(a *attacker) {
			a.say(control, frame(frameRelease, append(append([]byte{1}, random(16)...), 1, 1)))
		}},
		{"a single value of no schema", "never sent", func(a *attacker) {
			a.say(control, frame(frameSingle, append(append([]byte{1}, random(32)...), append([]byte{1, 0}, random(17)...)...)))
		}},
		{"an answer to nothing", "", func(a *attacker) { a.say(control, frame(frameHeld, append(random(16), 1, 1))) }},
		{"a stream of our numbers", "by the wrong side", func(a *attacker) { a.head(yWindow, ySYN, 2, 0) }},
		{"a ping", "type 2", func(a *attacker) { a.head(yPing, ySYN, 0, 1) }},
		{"a reset", "flags 8", func(a *attacker) { a.head(yWindow, yRST, control, 0) }},
		{"go away", "type 3", func(a *attacker) { a.head(yGoAway, 0, 0, 0) }},
		{"the end of the control stream", "", func(a *attacker) { a.head(yWindow, yFIN, control, 0) }},
		{"more streams than there may be", "more than 16384 streams", func(a *attacker) {
			for range maxStreams {
				a.stream += 2
				a.head(yWindow, ySYN, a.stream, 0)
			}
		}},
		{"use upon use", "", func(a *attacker) {
			// Whether the second one comes too early hangs on how fast the answer is: it is tried until it
			// does, or until there are more bytes than may be.
			st := a.open("nobody", schema)
			for a.link.Err() == nil {
				b := frame(frameClose, []byte{0})
				for range 50 {
					b = append(append(b, a.openFrame("nobody", [16]byte{}, schema)...), frame(frameClose, []byte{0})...)
				}
				a.say(st, append(b, a.openFrame("nobody", [16]byte{}, schema)...))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)                                           // each its own: a node does not log the same line without end
			bytes, err := netchan.NewReceiver[[]byte](s.node, "bytes") // nobody reads it, for now
			if err != nil {
				t.Fatal(err)
			}
			a := attack(t, s.node, s.key)
			before := heap()
			c.attack(a)
			a.ends()
			until(t, "the reason is logged: "+c.reason, func() bool { return s.log.has("the other side broke the protocol", c.reason) })
			s.healthy(100)
			until(t, "nothing of it is kept", func() bool { return heap()-before < 12*mib }) // the runtime keeps what describes a goroutine
			select {
			case v := <-bytes.C:
				if string(v) != "abc" && string(v) != "" { // what was in order
					t.Errorf("%q has come", v)
				}
			default:
			}
		})
	}
}
