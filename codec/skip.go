package codec

// skip returns what follows the value of type n at the start of b. Every type that has
// bytes at all takes at least one, and the others are not looked into, so that this takes
// no longer than b is long, times MaxDepth.
func skip(n *node, b []byte, depth int) ([]byte, error) {
	var err error
	switch n.kind {
	case kindBool:
		if len(b) == 0 || b[0] > 1 {
			return nil, errBool(b)
		}
		return b[1:], nil
	case kindInt8, kindUint8, kindFloat32, kindFloat64, kindComplex64, kindComplex128:
		return skipBytes(b, uint64(n.kind.minSize()))
	case kindTime:
		for range 3 {
			var ok bool
			if _, b, ok = uvarint(b); !ok {
				return nil, errShort()
			}
		}
		return b, nil
	case kindString, kindBinary, kindText, kindFunc:
		x, rest, ok := uvarint(b)
		if !ok {
			return nil, errShort()
		}
		if n.kind != kindString && x > 0 {
			x-- // 0: a zero value
		}
		return skipBytes(rest, x)
	case kindStruct:
		for _, f := range n.solid {
			if b, err = skip(f.node, b, depth); err != nil {
				return nil, err
			}
		}
		return b, nil
	case kindNamed:
		if n.min == 0 {
			return b, nil
		}
		return skip(n.elem, b, depth)
	case kindArray:
		if n.min == 0 {
			return b, nil
		}
		return skipElems(b, n.length, depth, n.elem)
	}
	if n.kind.basic() || n.kind.channel() { // the integers that are varints
		_, rest, ok := uvarint(b)
		if !ok {
			return nil, errShort()
		}
		return rest, nil
	}
	if n.kind == kindPtr && len(b) > 0 && b[0] == 0 {
		return b[1:], nil
	}
	if depth++; depth > MaxDepth {
		return nil, corrupt("value nested deeper than %d", MaxDepth)
	}
	switch n.kind {
	case kindPtr:
		if len(b) == 0 || b[0] > 1 {
			return nil, errBool(b)
		}
		return skip(n.elem, b[1:], depth)
	case kindList:
		count, _, rest, err := count(b, n.elem.min)
		if err != nil {
			return nil, err
		}
		return skipElems(rest, uint64(count), depth, n.elem)
	case kindMap:
		count, _, rest, err := count(b, n.key.min+n.elem.min)
		if err != nil {
			return nil, err
		}
		return skipElems(rest, uint64(count), depth, n.key, n.elem)
	default:
		return skipAny(b, depth)
	}
}

func skipBytes(b []byte, n uint64) ([]byte, error) {
	if n > uint64(len(b)) {
		return nil, errShort()
	}
	return b[n:], nil
}

// skipElems skips count times the types given.
func skipElems(b []byte, count uint64, depth int, types ...*node) ([]byte, error) {
	least := 0
	for _, n := range types {
		least += n.min
	}
	if least == 0 {
		return b, nil
	}
	if count > uint64(len(b)/least) {
		return nil, errShort()
	}
	if len(types) == 1 && (types[0].kind == kindUint8 || types[0].kind == kindInt8) {
		return b[count:], nil
	}
	var err error
	for range count {
		for _, n := range types {
			if n.min == 0 {
				continue
			}
			if b, err = skip(n, b, depth); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}
