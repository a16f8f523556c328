package codec

import (
	"reflect"
	"sync"
	"unsafe"
)

// Reader turns bytes of one schema into values of type T. It is made by NewReader, holds
// nothing of what it read, and may be used by any number of goroutines.
type Reader[T any] struct {
	plan *readPlan
	op   op // what to do for a T that is one basic value, else opProg
}

// ReadEnv is what surrounds one or more calls of Read. A nil *ReadEnv is the zero one.
type ReadEnv struct {
	// Schema finds a schema that the writing side has announced for a type inside an any,
	// or nil. nil: none is known.
	Schema func(Hash) *Schema
	// MaxBytes bounds the memory that one value is decoded to; 0 means DefaultMaxRead.
	MaxBytes int
	// Owned says that src is the value's from now on: a []byte in it that makes up most of src
	// may point into it.
	Owned bool
	// Chan makes or finds the channel that number stands for: one of type t, which is a
	// directed channel type without a name, or of chan T with the same element. It is called
	// for each channel in a value that is not nil, in the order in which they stand, but not
	// for those in fields that are not known here, and may have been called where Read fails
	// later on. An error is the Err of the value's *ValueError; what is nil, or no such
	// channel, is an error of the value, too. number comes from the peer and is not checked.
	// nil: a channel is an error of its value.
	Chan func(number uint64, t reflect.Type) (reflect.Value, error)
}

// NewReader matches what from describes with T. The error is a *MismatchError if they
// don't fit, an *UnsendableError if T can't travel at all. Matches are kept and found
// again, within bounds.
func NewReader[T any](from *Schema) (*Reader[T], error) {
	plan, err := readPlanOf(from, reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	r := &Reader[T]{plan: plan, op: opProg}
	if s := plan.prog.steps; len(s) == 1 && s[0].op < opProg && s[0].off == 0 {
		r.op = s[0].op
	}
	return r, nil
}

// Read decodes one value from the start of src into *v and returns what follows it. What
// *v held before is gone; *v does not point into src. A *ValueError says that this value
// can't be had: *v is zero, and the next value is at the start of rest. A *CorruptError
// says that src is no encoding of the schema: *v is zero, rest is nil, and nothing more can
// be read there.
func (r *Reader[T]) Read(src []byte, v *T, env *ReadEnv) (rest []byte, err error) {
	p := unsafe.Pointer(v)
	switch r.op {
	case opInt64:
		x, rest, ok := uvarint(src)
		*(*int64)(p) = unzigzag(x)
		if !ok {
			return nil, errShort()
		}
		return rest, nil
	case opUint64:
		x, rest, ok := uvarint(src)
		*(*uint64)(p) = x
		if !ok {
			return nil, errShort()
		}
		return rest, nil
	}
	var zero T
	*v = zero
	rest, err = r.plan.read(src, p, env)
	if err != nil {
		*v = zero
	}
	return rest, err
}

// readPlan is what reading a schema as a type takes; it never changes.
type readPlan struct {
	prog  *readProg
	root  *node
	name  string
	steps int // of matching
	cost  int // what it counts against maxCacheCost
}

func (r *readPlan) read(src []byte, p unsafe.Pointer, env *ReadEnv) ([]byte, error) {
	size := DefaultMaxRead
	if env != nil && env.MaxBytes > 0 {
		size = env.MaxBytes
	}
	d := decoder{env: env, left: size} // stays on the stack
	if env != nil && env.Owned {
		d.owned = len(src)
	}
	rest, err := d.read(r.prog, src, p)
	if err == nil {
		return rest, nil
	}
	if _, ok := err.(*ValueError); !ok {
		return nil, err
	}
	rest, bad := skip(r.root, src, 0) // from the start: where decoding stopped can't be gone on from
	if bad != nil {
		return nil, bad
	}
	return rest, at(withLimit(err, " in memory", size), r.name)
}

// readPlans keeps what was matched. Peers decide how many schemas there are, so it is
// emptied when it has grown large: those in use have their plan at hand.
var readPlans = struct {
	sync.RWMutex
	plans map[planKey]*readPlan
	cost  int
}{plans: make(map[planKey]*readPlan)}

type planKey struct {
	hash Hash
	typ  reflect.Type
}

func readPlanOf(from *Schema, t reflect.Type) (*readPlan, error) {
	key := planKey{from.hash, t}
	readPlans.RLock()
	plan := readPlans.plans[key]
	readPlans.RUnlock()
	if plan != nil {
		return plan, nil
	}
	if _, err := writePlanOf(t); err != nil { // what can't be sent can't be received
		return nil, err
	}
	m := matcher{known: make(map[pair]*readProg)}
	prog, err := m.prog(from.root, t, "")
	if err != nil {
		return nil, &MismatchError{Sent: from.String(), Local: describeType(t), Why: err.Error()}
	}
	plan = &readPlan{prog: prog, root: from.root, name: typeName(t), steps: m.cost, cost: m.cost + len(from.bytes)}
	readPlans.Lock()
	defer readPlans.Unlock()
	if readPlans.cost+plan.cost > maxCacheCost {
		clear(readPlans.plans)
		readPlans.cost = 0
	}
	if _, ok := readPlans.plans[key]; !ok {
		readPlans.plans[key] = plan
		readPlans.cost += plan.cost
	}
	return plan, nil
}
