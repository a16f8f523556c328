package main

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/matveynator/netchan"
)

// The program as people start it, with fewer messages.
func TestSeed(t *testing.T) {
	t.Setenv("NETCHAN_KEY", netchan.GenerateKey().Secret())
	var out bytes.Buffer
	if err := run(freeAddr(t), 50, 300, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if want := "OK: 300 messages went out to 50 clients, each came back once"; !strings.Contains(out.String(), want) {
		t.Errorf("the summary does not say %q:\n%s", want, &out)
	}
}

// freeAddr is an address on which nobody listens.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
