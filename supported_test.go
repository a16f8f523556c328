package netchan

import (
	"errors"
	"testing"
)

// Where channels are not what they must be, nothing begins.
func TestUnsupported(t *testing.T) {
	was, not := supported, errors.New("not supported")
	defer func() { supported = was }()
	supported = func() error { return not }
	if _, err := Join(t.Context(), Config{Key: GenerateKey()}); !errors.Is(err, not) {
		t.Fatal(err)
	}
	t.Setenv("NETCHAN_KEY", GenerateKey().Secret())
	if _, _, err := Listen("127.0.0.1:0"); !errors.Is(err, not) {
		t.Fatal(err)
	}
	if _, _, err := Dial("127.0.0.1:1"); !errors.Is(err, not) {
		t.Fatal(err)
	}
}
