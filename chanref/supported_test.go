package chanref

import (
	"strings"
	"testing"
	"time"
)

// The Go that runs this is supported; one that is not is named, and no panic comes through.
func TestSupported(t *testing.T) {
	start := time.Now()
	if what := lookAtChan(); what != "" {
		t.Fatal(what)
	}
	if d := time.Since(start); d > 100*time.Millisecond {
		t.Errorf("looking takes %v", d)
	}
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
	for _, look := range []func() string{
		func() string { return "they are round" },
		func() string { panic("they are round") },
	} {
		if err := supported(look); err == nil || !strings.Contains(err.Error(), "this Go version is not supported") || !strings.Contains(err.Error(), "they are round") {
			t.Fatal(err)
		}
	}
}

func BenchmarkSupported(b *testing.B) {
	for b.Loop() {
		lookAtChan()
	}
}
