package main

import (
	"io"
	"testing"
)

// The check of the program can fail.
func TestVerdict(t *testing.T) {
	task := Task{ID: 1, Number: 15}
	right := Answer{ID: 1, Client: "a", Factors: []uint64{3, 5}}
	for _, c := range []struct {
		what    string
		handed  []Task
		answers []Answer
		ok      bool
	}{
		{"all is well", []Task{task}, []Answer{right}, true},
		{"nothing was done", nil, nil, false},
		{"an answer is missing", []Task{task}, nil, false},
		{"an answer came twice", []Task{task}, []Answer{right, right}, false},
		{"an answer is to no task", []Task{task}, []Answer{right, {ID: 2}}, false},
		{"the product is wrong", []Task{task}, []Answer{{ID: 1, Factors: []uint64{3, 7}}}, false},
		{"a factor is not prime", []Task{task}, []Answer{{ID: 1, Factors: []uint64{15}}}, false},
		{"there are no factors", []Task{task}, []Answer{{ID: 1}}, false},
	} {
		l := newLedger()
		for _, task := range c.handed {
			l.handOut(task)
		}
		for _, a := range c.answers {
			l.take(a)
		}
		if err := l.report(io.Discard); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestSolve(t *testing.T) {
	for _, n := range []uint64{2, 3, 4, 97, 1024, 3 * 3 * 5 * 101, 524309 * 524309} {
		task := Task{ID: 1, Number: n}
		if err := check(task, solve(task, "")); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		task := newTask(1)
		if err := check(task, solve(task, "")); err != nil {
			t.Error(err)
		}
	}
}

// A client that has not answered yet counts as one that gave none.
func TestSpread(t *testing.T) {
	l := newLedger()
	l.clients = 2
	l.handed = 10
	l.perClient["a"] = 4
	if fewest, most := l.spread(); fewest != 0 || most != 4 {
		t.Errorf("0 to 4, not %d to %d", fewest, most)
	}
	l.perClient["b"] = 3
	if fewest, most := l.spread(); fewest != 3 || most != 4 {
		t.Errorf("3 to 4, not %d to %d", fewest, most)
	}
}
