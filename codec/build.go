package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// schemaOf makes the schema of t. inAny: of t as it stands in an any, where named types
// go by the names they are registered under.
func schemaOf(t reflect.Type, inAny bool) (*Schema, error) {
	b := builder{known: make(map[reflect.Type]*draft)}
	var root *draft
	var err error
	if inAny {
		root, err = b.dynamic(t, 0)
	} else {
		root, err = b.draft(t, typeName(t))
	}
	if err != nil {
		return nil, err
	}
	b.merge()
	form := b.form(root)
	if len(form) > MaxSchema {
		return nil, &UnsendableError{typeName(t), fmt.Sprintf("its description takes %d bytes, at most %d are allowed", len(form), MaxSchema)}
	}
	// One way only leads to a Schema, so that ours obey what we ask of others.
	s, err := ParseSchema(form)
	if err != nil {
		var c *CorruptError
		errors.As(err, &c)
		return nil, &UnsendableError{typeName(t), c.Why}
	}
	s.text = describeType(t)
	return s, nil
}

// draft is a type on its way into a schema. Equal shapes are still more than one draft.
type draft struct {
	head  string   // kind, names, lengths: all but the children
	names []string // kindStruct
	kids  []*draft
	class int
}

type builder struct {
	all   []*draft
	known map[reflect.Type]*draft
}

func (b *builder) add(head ...byte) *draft {
	d := &draft{head: string(head)}
	b.all = append(b.all, d)
	return d
}

// draft describes t, which is at path, or says why t can't travel.
func (b *builder) draft(t reflect.Type, path string) (*draft, error) {
	if d, ok := b.known[t]; ok {
		return d, nil
	}
	d := b.add()
	b.known[t] = d
	if t == timeType {
		d.head = string([]byte{byte(kindTime)})
		return d, nil
	}
	if c := coderOf(t); c != nil {
		if !validName([]byte(c.name)) {
			return nil, &UnsendableError{path, "the name of its type is too long"}
		}
		d.head = nameHead(c.kind, c.name)
		return d, nil
	}
	child := func(t reflect.Type, path string) error {
		c, err := b.draft(t, path)
		d.kids = append(d.kids, c)
		return err
	}
	switch t.Kind() {
	case reflect.Interface:
		d.head = string([]byte{byte(kindAny)})
	case reflect.Slice:
		d.head = string([]byte{byte(kindList)})
		return d, child(t.Elem(), path+"[]")
	case reflect.Array:
		d.head = string(binary.AppendUvarint([]byte{byte(kindArray)}, uint64(t.Len())))
		return d, child(t.Elem(), path+"[]")
	case reflect.Map:
		d.head = string([]byte{byte(kindMap)})
		if err := child(t.Key(), path+"[key]"); err != nil {
			return nil, err
		}
		return d, child(t.Elem(), path+"[]")
	case reflect.Pointer:
		for e, i := t.Elem(), 0; e.Kind() == reflect.Pointer; e, i = e.Elem(), i+1 {
			if i+2 > MaxDepth {
				return nil, &UnsendableError{path, "a pointer to nothing but itself can't be sent"}
			}
		}
		d.head = string([]byte{byte(kindPtr)})
		return d, child(t.Elem(), path)
	case reflect.Chan:
		if t.ChanDir() == reflect.BothDir {
			return nil, &UnsendableError{path, whichWay}
		}
		d.head = string([]byte{byte(chanKind(t))})
		return d, child(t.Elem(), path+"<-")
	case reflect.Struct:
		d.head = string([]byte{byte(kindStruct)})
		fields, err := structFields(t, path)
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			d.names = append(d.names, f.name)
			if err := child(f.typ, path+"."+f.name); err != nil {
				return nil, err
			}
		}
	default:
		k := basicKind(t.Kind())
		if k == 0 {
			return nil, &UnsendableError{path, fmt.Sprintf("%v can't be sent%s", t.Kind(), leaveOut(path))}
		}
		d.head = string([]byte{byte(k)})
	}
	return d, nil
}

// dynamic describes t as it stands in an any: registered types by name, and slices,
// maps, pointers and channels of what may stand there.
func (b *builder) dynamic(t reflect.Type, depth int) (*draft, error) {
	if name, ok := registeredName(t); ok {
		d := b.add([]byte(nameHead(kindNamed, name))...)
		c, err := b.draft(t, typeName(t))
		d.kids = []*draft{c}
		return d, err
	}
	if t == anyType {
		return b.add(byte(kindAny)), nil
	}
	if k := kindOf(t); k != 0 && basicTypes[k] == t {
		return b.add(byte(k)), nil
	}
	if depth > maxTypeNest {
		return nil, errTooDeep()
	}
	if t.Name() == "" {
		var d *draft
		var kids []reflect.Type
		switch t.Kind() {
		case reflect.Slice:
			d, kids = b.add(byte(kindList)), []reflect.Type{t.Elem()}
		case reflect.Pointer:
			d, kids = b.add(byte(kindPtr)), []reflect.Type{t.Elem()}
		case reflect.Map:
			d, kids = b.add(byte(kindMap)), []reflect.Type{t.Key(), t.Elem()}
		case reflect.Chan:
			d, kids = b.add(byte(chanKind(t))), []reflect.Type{t.Elem()}
		}
		for _, k := range kids {
			c, err := b.dynamic(k, depth+1)
			if err != nil {
				return nil, err
			}
			d.kids = append(d.kids, c)
		}
		if t.Kind() == reflect.Chan { // what goes through it is in no any: it needs a Writer
			if _, err := b.draft(t.Elem(), typeName(t)+"<-"); err != nil {
				return nil, err
			}
		}
		if d != nil {
			return d, nil
		}
	}
	return nil, &ValueError{Path: "(" + typeName(t) + ")", Why: remedy(t), Err: ErrUnregistered}
}

// remedy is what to do about a type in an any that is not registered; empty: register it.
func remedy(t reflect.Type) string {
	switch bare := bare(t); {
	case reflect.PointerTo(bare).Implements(errorType) && (bare.PkgPath() == "errors" || bare.PkgPath() == "fmt"):
		return "what errors.New and fmt.Errorf make can't be sent, but error types of your own can"
	case kindOf(t) == 0 && (t.Kind() == reflect.Func || t.Kind() == reflect.UnsafePointer || t.Kind() == reflect.Uintptr):
		return t.Kind().String() + " can't be sent"
	case t.Kind() == reflect.Chan && t.ChanDir() == reflect.BothDir:
		return "a channel type with a name must say which way: chan<- T or <-chan T"
	case t.Kind() == reflect.Interface:
		return "interfaces have no name here: register what holds it with RegisterName"
	case bare.Name() == "":
		return "it has no name: use RegisterName"
	}
	return ""
}

var errorType = reflect.TypeFor[error]()

// leaveOut is what to do about a field that can't travel.
func leaveOut(path string) string {
	if !strings.Contains(path, ".") {
		return ""
	}
	return "; the tag `netchan:\"-\"` leaves a field out"
}

func nameHead(k kind, name string) string {
	b := append([]byte{byte(k)}, binary.AppendUvarint(nil, uint64(len(name)))...)
	return string(append(b, name...))
}

// merge finds which drafts are of the same shape: those that look the same from
// outside, until their children, and the children's children, tell them apart.
func (b *builder) merge() {
	for count := 0; ; {
		classes := make(map[string]int, len(b.all))
		next := make([]int, len(b.all))
		for i, d := range b.all {
			var s strings.Builder
			s.WriteString(strconv.Itoa(d.class) + "|" + d.head)
			for j, k := range d.kids {
				if d.names != nil {
					s.WriteString("|" + strconv.Quote(d.names[j]))
				}
				s.WriteString("|" + strconv.Itoa(k.class))
			}
			class, ok := classes[s.String()]
			if !ok {
				class = len(classes)
				classes[s.String()] = class
			}
			next[i] = class
		}
		for i, d := range b.all {
			d.class = next[i]
		}
		if len(classes) == count {
			return
		}
		count = len(classes)
	}
}

// form writes the drafts that can be reached from root, one of each class.
func (b *builder) form(root *draft) []byte {
	order := []*draft{root}
	number := map[int]int{root.class: 0}
	var out []byte
	for i := 0; i < len(order) && len(out) <= MaxSchema; i++ {
		d := order[i]
		out = append(out, d.head...)
		if d.head[0] == byte(kindStruct) {
			out = binary.AppendUvarint(out, uint64(len(d.kids)))
		}
		for j, k := range d.kids {
			if d.names != nil {
				out = binary.AppendUvarint(out, uint64(len(d.names[j])))
				out = append(out, d.names[j]...)
			}
			n, ok := number[k.class]
			if !ok {
				n = len(order)
				number[k.class] = n
				order = append(order, k)
			}
			out = binary.AppendUvarint(out, uint64(n))
		}
	}
	return out
}

// typeName is t's Go name, or what stands for one, for people.
func typeName(t reflect.Type) string {
	return cut(strings.ReplaceAll(t.String(), "interface {}", "any"))
}

// describeType is t for people: its name and, of a struct, its fields.
func describeType(t reflect.Type) string {
	stars := ""
	for ; t.Kind() == reflect.Pointer && t.Name() == ""; t = t.Elem() {
		stars += "*"
	}
	if t.Kind() != reflect.Struct || isWhole(t) {
		return cut(stars + typeName(t))
	}
	name := t.String()
	if t.Name() == "" {
		name = "struct"
	}
	fields, err := structFields(t, name)
	if err != nil {
		return cut(stars + name)
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.name + " " + typeName(f.typ)
	}
	return cut(stars + name + "{" + strings.Join(parts, ", ") + "}")
}
