package codec

import (
	"fmt"
	"reflect"
	"strings"
)

// field is one field of a struct that travels; those of embedded structs are among the
// fields of the outer one.
type field struct {
	name string
	typ  reflect.Type // with the direction of its channels, where a tag gives one
	off  uintptr
}

// candidate is a field before it is clear which of several with one name counts.
type candidate struct {
	field
	depth int
	path  string
}

// structFields returns the fields of t that travel, in the order of their declaration.
// As in Go, the least nested field of a name hides the others. If there are two, that is
// an error.
func structFields(t reflect.Type, path string) ([]field, error) {
	var all []candidate
	left, err := gather(&all, t, 0, 0, path)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 && t.NumField() > 0 && !left {
		return nil, &UnsendableError{path, fmt.Sprintf("%v has fields, but none of them is exported%s", t, leaveOut(path))}
	}
	best := make(map[string]candidate, len(all))
	clash := make(map[string]string)
	for _, c := range all {
		b, ok := best[c.name]
		switch {
		case !ok, c.depth < b.depth:
			best[c.name] = c
			delete(clash, c.name)
		case c.depth == b.depth:
			clash[c.name] = b.path
		}
	}
	fields := make([]field, 0, len(best))
	for _, c := range all {
		if best[c.name].path != c.path {
			continue
		}
		if _, ok := clash[c.name]; ok {
			return nil, &UnsendableError{path, fmt.Sprintf("has more than one field %q: give one of them another name with a netchan tag", c.name)}
		}
		fields = append(fields, c.field)
	}
	return fields, nil
}

// gather collects the fields of t and of what it embeds; left reports whether one was
// left out by its tag.
func gather(all *[]candidate, t reflect.Type, off uintptr, depth int, path string) (left bool, err error) {
	for i := range t.NumField() {
		f := t.Field(i)
		path := path + "." + f.Name
		tag := f.Tag.Get("netchan")
		if tag == "-" {
			left = true
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		dir, err := chanOption(option, path)
		if err != nil {
			return false, err
		}
		if name != "" && !validName([]byte(name)) {
			return false, &UnsendableError{path, "the name in its netchan tag is too long or not printable"}
		}
		if f.Anonymous && name == "" && dir == 0 && f.Type.Kind() == reflect.Struct && !isWhole(f.Type) {
			l, err := gather(all, f.Type, off+f.Offset, depth+1, path)
			if err != nil {
				return false, err
			}
			left = left || l
			continue
		}
		if !f.IsExported() && !embeddedStruct(f) {
			if name != "" || dir != 0 {
				return false, &UnsendableError{path, "has a netchan tag but is not exported"}
			}
			continue
		}
		c := candidate{field: field{name: f.Name, typ: f.Type, off: off + f.Offset}, depth: depth, path: path}
		if name != "" {
			c.name = name
		}
		if !validName([]byte(c.name)) {
			return false, &UnsendableError{path, "its name is too long: give it a netchan tag"}
		}
		if dir != 0 {
			if c.typ, err = directed(f.Type, dir, path); err != nil {
				return false, err
			}
		}
		*all = append(*all, c)
	}
	return left, nil
}

// embeddedStruct reports whether f embeds a struct or a pointer to one: its type's
// exported fields are reachable whatever the type's own name is.
func embeddedStruct(f reflect.StructField) bool {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return f.Anonymous && t.Kind() == reflect.Struct
}
