package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"sync"
	"unsafe"
)

// anyHead is what stands before the value in an any.
type anyHead struct {
	tag    byte
	hash   Hash    // tagHash
	schema *Schema // tagInline
	value  []byte  // tagHash: exactly the value; else what follows the head
	rest   []byte  // tagHash: what follows the any
}

func readAnyHead(b []byte) (h anyHead, err error) {
	if len(b) == 0 {
		return h, errShort()
	}
	h.tag, h.value = b[0], b[1:]
	switch {
	case h.tag == tagNil || kind(h.tag).basic():
		return h, nil
	case h.tag == tagHash:
		if len(h.value) < len(h.hash) {
			return h, errShort()
		}
		h.hash = Hash(h.value[:len(h.hash)])
		n, rest, ok := uvarint(h.value[len(h.hash):])
		if !ok || n > uint64(len(rest)) {
			return h, errShort()
		}
		h.value, h.rest = rest[:n:n], rest[n:]
		return h, nil
	case h.tag == tagInline:
		if len(h.value) == 0 || h.value[0] > maxInline || int(h.value[0]) > len(h.value)-1 {
			return h, corrupt("any with a bad schema")
		}
		n := int(h.value[0])
		h.schema, err = inlineSchema(h.value[1 : 1+n])
		h.value = h.value[1+n:]
		return h, err
	}
	return h, corrupt("any of unknown kind %d", h.tag)
}

// inlines keeps the schemas that were met inside anys; emptied when there are many.
var inlines = struct {
	sync.RWMutex
	schemas map[string]*Schema
}{schemas: make(map[string]*Schema)}

func inlineSchema(b []byte) (*Schema, error) {
	inlines.RLock()
	s := inlines.schemas[string(b)]
	inlines.RUnlock()
	if s != nil {
		return s, nil
	}
	s, err := ParseSchema(b)
	if err != nil {
		return nil, err
	}
	inlines.Lock()
	defer inlines.Unlock()
	if len(inlines.schemas) >= maxInlines {
		clear(inlines.schemas)
	}
	inlines.schemas[string(b)] = s
	return s, nil
}

func skipAny(b []byte, depth int) ([]byte, error) {
	h, err := readAnyHead(b)
	switch {
	case err != nil:
		return nil, err
	case h.tag == tagNil:
		return h.value, nil
	case h.tag == tagHash:
		return h.rest, nil
	case h.tag == tagInline:
		return skip(h.schema.root, h.value, depth)
	}
	return skip(&basicNodes[h.tag], h.value, depth)
}

// basicNodes and basicSchemas are those of the kinds that need no more than a tag.
var basicNodes = func() (nodes [len(basicTypes)]node) {
	for k := range nodes {
		if kind(k).basic() {
			nodes[k] = node{kind: kind(k), min: kind(k).minSize()}
		}
	}
	return nodes
}()

var basicSchemas = func() (schemas [len(basicTypes)]*Schema) {
	for k := range schemas {
		if kind(k).basic() {
			form := []byte{byte(k)}
			schemas[k] = &Schema{hash: hashOf(form), bytes: form, root: &basicNodes[k], text: basicTypes[k].String()}
		}
	}
	return schemas
}()

// any reads what an any holds into *p.
func (d *decoder) any(b []byte, p *any) ([]byte, error) {
	h, err := readAnyHead(b)
	if err != nil {
		return nil, err
	}
	switch h.tag {
	case tagNil:
		return h.value, nil
	case tagHash:
		var s *Schema
		if d.env != nil && d.env.Schema != nil {
			s = d.env.Schema(h.hash)
		}
		if s == nil {
			return nil, &ValueError{Why: "a type whose schema has not come", Err: ErrUnregistered}
		}
		left, err := d.typed(s, h.value, p)
		if err == nil && len(left) > 0 {
			err = corrupt("any with %d bytes too many", len(left))
		}
		return h.rest, err
	case tagInline:
		return d.typed(h.schema, h.value, p)
	}
	return d.basic(kind(h.tag), h.value, p)
}

// iface reads into the interface variable at p, which is of type t, and not any.
func (d *decoder) iface(t reflect.Type, b []byte, p unsafe.Pointer) ([]byte, error) {
	var x any
	b, err := d.any(b, &x)
	if err != nil || x == nil {
		return b, err
	}
	if is := reflect.TypeOf(x); !is.Implements(t) {
		return b, &ValueError{Why: fmt.Sprintf("%v doesn't implement %v", is, t)}
	}
	reflect.NewAt(t, p).Elem().Set(reflect.ValueOf(x))
	return b, nil
}

// basic reads a basic value; the most common kinds without detour.
func (d *decoder) basic(k kind, b []byte, p *any) ([]byte, error) {
	switch k {
	case kindInt64, kindUint64:
		x, rest, ok := uvarint(b)
		if !ok {
			return nil, errShort()
		}
		if k == kindUint64 {
			*p = x
		} else {
			*p = unzigzag(x)
		}
		return rest, d.take(1, 8)
	case kindFloat64:
		if len(b) < 8 {
			return nil, errShort()
		}
		*p = math.Float64frombits(binary.LittleEndian.Uint64(b))
		return b[8:], d.take(1, 8)
	case kindString:
		x, rest, ok := uvarint(b)
		if !ok || x > uint64(len(rest)) {
			return nil, errShort()
		}
		if err := d.take(int(x)+16, 1); err != nil {
			return nil, err
		}
		*p = string(rest[:x])
		return rest[x:], nil
	}
	return d.typed(basicSchemas[k], b, p)
}

// typed reads a value of the Go type that s names.
func (d *decoder) typed(s *Schema, b []byte, p *any) ([]byte, error) {
	plan, err := s.dynamic()
	if err != nil {
		return nil, err
	}
	if err := d.take(1, plan.typ.Size()+1); err != nil {
		return nil, err
	}
	box := plan.boxes.Get().(*reflect.Value)
	rest, err := d.read(plan.prog, b, box.Addr().UnsafePointer())
	if err == nil {
		*p = box.Interface()
	}
	box.SetZero()
	plan.boxes.Put(box)
	return rest, at(err, plan.name)
}

// dynamicPlan is how to read what one schema describes when it is in an any; or, until
// another type is registered, why that can't be.
type dynamicPlan struct {
	*readPlan
	typ   reflect.Type
	name  string
	boxes *sync.Pool // of *reflect.Value
	err   error
	turn  uint64 // of the registry, for err
}

// steps is what finding p has cost.
func (p *dynamicPlan) steps() int {
	if p.err != nil {
		return 1
	}
	return p.readPlan.steps
}

// dynamic is the plan for s inside an any. A peer decides how often it is asked for and of
// how many schemas, so each is made once, and what all of one peer's cost is bounded.
func (s *Schema) dynamic() (*dynamicPlan, error) {
	p := s.plan.Load()
	if p != nil && p.err == nil {
		return p, nil
	}
	turn := registryTurn()
	if p == nil || p.turn != turn {
		if s.budget != nil && s.budget.Load() <= 0 {
			return nil, &ValueError{Why: "the types that its sender puts into anys take too long to match", Err: ErrTooLarge}
		}
		plan, err := dynamicPlanOf(s)
		if err != nil {
			plan = &dynamicPlan{err: err, turn: turn}
		}
		if s.budget != nil {
			s.budget.Add(-int64(plan.steps()))
		}
		s.plan.Store(plan)
		p = plan
	}
	if e, ok := p.err.(*ValueError); ok { // who gets it adds a path
		copied := *e
		return nil, &copied
	}
	return p, p.err
}

// dynamicPlans is emptied when it has grown large, as readPlans is.
var dynamicPlans = struct {
	sync.RWMutex
	plans map[Hash]*dynamicPlan
	cost  int
}{plans: make(map[Hash]*dynamicPlan)}

func dynamicPlanOf(s *Schema) (*dynamicPlan, error) {
	dynamicPlans.RLock()
	plan := dynamicPlans.plans[s.hash]
	dynamicPlans.RUnlock()
	if plan != nil {
		return plan, nil
	}
	t, err := goType(s.root, 0)
	if err != nil {
		return nil, err // not kept: the type may be registered later
	}
	read, err := readPlanOf(s, t)
	if err != nil {
		return nil, &ValueError{Err: err}
	}
	plan = &dynamicPlan{readPlan: read, typ: t, name: "(" + typeName(t) + ")", boxes: newBoxes(t)}
	dynamicPlans.Lock()
	defer dynamicPlans.Unlock()
	if dynamicPlans.cost+read.cost > maxCacheCost {
		clear(dynamicPlans.plans)
		dynamicPlans.cost = 0
	}
	if _, ok := dynamicPlans.plans[s.hash]; !ok {
		dynamicPlans.plans[s.hash] = plan
		dynamicPlans.cost += read.cost
	}
	return plan, nil
}

// goType is the Go type of what n describes in an any.
func goType(n *node, depth int) (reflect.Type, error) {
	if depth > maxTypeNest+1 {
		return nil, errTooDeep()
	}
	var elem, key reflect.Type
	var err error
	switch n.kind {
	case kindAny:
		return anyType, nil
	case kindNamed:
		if t, ok := registeredType(n.name); ok {
			return t, nil
		}
		return nil, &ValueError{Why: fmt.Sprintf("no type is registered as %q where it was to be read", n.name), Err: ErrUnregistered}
	case kindMap:
		if key, err = goType(n.key, depth+1); err != nil {
			return nil, err
		}
		if !key.Comparable() {
			return nil, &ValueError{Why: fmt.Sprintf("%v can't be the key of a map", key)}
		}
		fallthrough
	case kindList, kindPtr, kindSend, kindRecv:
		if elem, err = goType(n.elem, depth+1); err != nil {
			return nil, err
		}
		if n.kind.channel() && elem.Size() > maxChanElem {
			return nil, &ValueError{Why: fmt.Sprintf("a %v takes more than %d bytes, too many for a channel", elem, maxChanElem)}
		}
		return builtType(n.kind, key, elem)
	}
	if n.kind.basic() {
		return basicTypes[n.kind], nil
	}
	return nil, &ValueError{Why: fmt.Sprintf("%v has no name", n), Err: ErrUnregistered}
}

// built counts the types that were made because a peer named them: reflect keeps each
// for ever, so there must be an end.
var built = struct {
	sync.Mutex
	types map[builtKey]reflect.Type
}{types: make(map[builtKey]reflect.Type)}

type builtKey struct {
	kind      kind
	key, elem reflect.Type
}

func builtType(k kind, key, elem reflect.Type) (reflect.Type, error) {
	built.Lock()
	defer built.Unlock()
	id := builtKey{k, key, elem}
	t, ok := built.types[id]
	if ok {
		return t, nil
	}
	if len(built.types) >= maxBuiltTypes {
		return nil, &ValueError{Why: fmt.Sprintf("more than %d slice, map, pointer and channel types inside anys", maxBuiltTypes), Err: ErrUnregistered}
	}
	switch k {
	case kindList:
		t = reflect.SliceOf(elem)
	case kindMap:
		t = reflect.MapOf(key, elem)
	case kindSend, kindRecv:
		t = reflect.ChanOf(k.chanDir(), elem)
	default:
		t = reflect.PointerTo(elem)
	}
	built.types[id] = t
	return t, nil
}
