package hostile

import "encoding/binary"

// Unread is the name of an end that takes []byte, which the attacks send to: whoever is
// attacked opens a Receiver of it that nobody reads.
const Unread = "bytes"

// An Attack is something that a peer does wrong, and that ends its link.
type Attack struct {
	Name   string
	Reason string // words of what the node logs then
	Do     func(a *Attacker)
}

// Attacks are all that we know of. Each needs an attacker of its own.
func Attacks() []Attack {
	schema := schemaOf[[]byte]()
	one := append(binary.AppendUvarint(nil, 3+1), "abc"...)
	return []Attack{
		{"data beyond the credit", "beyond its window", func(a *Attacker) {
			st := a.open(Unread, schema)
			a.say(st, dataFrame(schema, 1, one)) // it waits for the program
			for range 16 {
				a.say(st, make([]byte, 16<<10))
			}
		}},
		{"values beyond the limit", "values more than allowed", func(a *Attacker) {
			a.say(a.open(Unread, schema), dataFrame(schema, 9, append([]byte(nil), make([]byte, 9)...)))
		}},
		{"window that overflows", "too large", func(a *Attacker) { a.head(yWindow, 0, control, 1<<32-1) }},
		{"window of nothing", "flags 0, length 0", func(a *Attacker) { a.head(yWindow, 0, control, 0) }},
		{"an acknowledgement of a use that never was", "never was", func(a *Attacker) {
			a.say(control, frame(frameAck, []byte{0xff, 0xff, 3, 1, 1, 1, 0}))
		}},
		{"a header that claims 4 GiB", "in one frame", func(a *Attacker) { a.head(yData, 0, control, 1<<32-1) }},
		{"a frame that claims 2 MiB", "bytes long", func(a *Attacker) { a.say(control, []byte{frameAttach, 0xff, 0xff, 0x7f}) }},
		{"a length of 11 bytes", "length too long", func(a *Attacker) {
			a.say(control, []byte{frameAttach, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
		}},
		{"frames of nothing", "length 0", func(a *Attacker) { a.head(yData, 0, control, 0) }},
		{"a value that claims 16 EiB", "", func(a *Attacker) {
			hash := schema.Hash()
			b := append(hash[:], 0)
			b = binary.AppendUvarint(b, 1<<63)
			a.say(a.open(Unread, schema), frame(frameBig, binary.AppendUvarint(b, 1<<63)))
		}},
		{"a bomb", "", func(a *Attacker) { // S2 that claims 4 GiB
			hash := schema.Hash()
			b := append(hash[:], 1, 1) // compressed, one value
			a.say(a.open(Unread, schema), frame(frameData, append(b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0)))
		}},
		{"garbage for a value", "", func(a *Attacker) { a.say(a.open(Unread, schema), dataFrame(schema, 1, []byte{0xff, 0xff, 3})) }},
		{"guesses of channels", "named a channel that it does not hold", func(a *Attacker) {
			for range 100 {
				a.stream += 2
				a.head(yWindow, ySYN, a.stream, 0)
				a.say(a.stream, a.openFrame("", randomID(), schema))
			}
		}},
		{"questions for channels", "named a channel that it does not hold", func(a *Attacker) {
			for range 100 {
				a.say(control, frame(frameHold, append(random(16), 1, 0)))
			}
		}},
		{"a release of what it does not hold", "released more often", func(a *Attacker) {
			a.say(control, frame(frameRelease, append(append([]byte{1}, random(16)...), 1, 1)))
		}},
		{"a single value of no schema", "never sent", func(a *Attacker) {
			a.say(control, frame(frameSingle, append(append([]byte{1}, random(32)...), append([]byte{1, 0}, random(17)...)...)))
		}},
		{"an answer to nothing", "", func(a *Attacker) { a.say(control, frame(frameHeld, append(random(16), 1, 1))) }},
		{"a stream of our numbers", "by the wrong side", func(a *Attacker) { a.head(yWindow, ySYN, 2, 0) }},
		{"a ping", "type 2", func(a *Attacker) { a.head(yPing, ySYN, 0, 1) }},
		{"a reset", "flags 8", func(a *Attacker) { a.head(yWindow, yRST, control, 0) }},
		{"go away", "type 3", func(a *Attacker) { a.head(yGoAway, 0, 0, 0) }},
		{"the end of the control stream", "", func(a *Attacker) { a.head(yWindow, yFIN, control, 0) }},
		{"more streams than there may be", "more than 16384 streams", func(a *Attacker) {
			for range maxStreams {
				a.stream += 2
				a.head(yWindow, ySYN, a.stream, 0)
			}
		}},
		{"use upon use", "", func(a *Attacker) {
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
	}
}

func randomID() (id [16]byte) {
	copy(id[:], random(16))
	return id
}
