package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests' binary is its own child, as the program is.
func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		childMain()
	}
	os.Exit(m.Run())
}

// tiny is a spec that takes no longer than the processes take to start.
func tiny() spec {
	return spec{Warm: 5 * time.Millisecond, Time: 10 * time.Millisecond, Channels: 20}
}

// Every system does every workload that it says it can.
func TestEverySystem(t *testing.T) {
	pairs := 0
	for _, w := range append(workloads(), turnsWorkload()) {
		for _, s := range systems() {
			if !s.does(w) {
				continue
			}
			pairs++
			sp := tiny()
			switch {
			case s.name == cutSystem:
				sp.Time = 3 * cutEvery
			case w.name == "W8":
				sp.Time = 100 * time.Millisecond
			}
			m, err := measure(s, w, sp)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, f := range w.figures {
				v, ok := m[f.key]
				if !ok || f == w.figures[0] && v <= 0 {
					t.Errorf("%s, %s: %s is %v", w.name, s.name, f.title, v)
				}
			}
			for _, f := range []string{"lost", "doubled", "reordered"} {
				if m[f] != 0 {
					t.Errorf("%s, %s: %v %s", w.name, s.name, m[f], f)
				}
			}
		}
	}
	if pairs < 80 {
		t.Errorf("only %d measurements", pairs)
	}
}

// A measurement says what went wrong in its processes, and leaves none of them.
func TestMeasureFails(t *testing.T) {
	nowhere := &system{name: "nowhere"}
	if _, err := measure(nowhere, workloadNamed("W1"), tiny()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
}

// In each round each system has its turn, and another one begins.
func TestOrder(t *testing.T) {
	o, err := parse([]string{"-rounds", "3", "-only", "W5", "-systems", "netchan,ideal-tls,raw-tls"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, task := range o.tasks() {
		names = append(names, task.s.name)
	}
	want := list("netchan,ideal-tls,raw-tls ideal-tls,raw-tls,netchan raw-tls,netchan,ideal-tls")
	if !slices.Equal(names, want) {
		t.Error(names)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range []string{"-only W99", "-systems nobody", "-rounds 0", "-time 1ms"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
	o, err := parse([]string{"-only", "W9", "-quick"})
	if err != nil || len(o.tasks()) != 2 || o.rounds != 1 {
		t.Error(o, err)
	}
}

// A run prints its progress and its tables, and keeps each measurement.
func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "raw.json")
	o, err := parse([]string{"-quick", "-time", "20ms", "-only", "W1", "-systems", "ideal-tls,native", "-out", out})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := o.run(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"round 1 of 1, 2 of 2", "### W1", "| ideal-tls | ", "| native | "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&r); err != nil || r.Workload != "W1" || r.Metrics["rate"] <= 0 {
		t.Error(r, err)
	}
}
