package peer

import (
	"errors"
	"testing"
)

func TestSlotTable(t *testing.T) {
	x, y, z := linkID{1}, linkID{2}, linkID{3}
	lower := slot{lower: true, offer: x}
	pending := slot{lower: true, state: slotPending, link: x, carrier: 7, offer: x}
	live := slot{lower: true, state: slotLive, link: x, carrier: 7, horizon: 50, offer: y}
	for _, c := range []struct {
		name  string
		s     slot
		h     hello
		want  answer
		ended uint64
		after slotState
	}{
		{"first", lower, hello{number: 1}, answer{kind: answerNew, link: x, number: 9}, 0, slotPending},
		{"holds what is gone", lower, hello{number: 1, held: z}, answer{kind: answerGone, link: z}, 0, slotEmpty},
		{"crossing, undecided", pending, hello{number: 1}, answer{kind: answerStale}, 0, slotPending},
		{"crossing, decided", live, hello{number: 50}, answer{kind: answerStale}, 0, slotLive},
		{"second connection of the same link", live, hello{number: 51, held: x}, answer{kind: answerStale}, 0, slotLive},
		{"peer gave the link up", live, hello{number: 51}, answer{kind: answerNew, link: y, number: 9}, 7, slotPending},
		{"peer holds another link", live, hello{number: 51, held: z}, answer{kind: answerGone, link: z}, 7, slotEmpty},
	} {
		a, ended := c.s.decide(8, &c.h, 9, z)
		if a != c.want || ended != c.ended || c.s.state != c.after {
			t.Errorf("%s: %+v, ended %d, state %d", c.name, a, ended, c.s.state)
		}
		if (c.s.offer == z) != (a.kind == answerNew) {
			t.Errorf("%s: next link is %x", c.name, c.s.offer)
		}
	}
	yes := answer{kind: answerNew, link: x, number: 60}
	for _, c := range []struct {
		name    string
		s       slot
		carrier uint64
		a       answer
		ok      bool
	}{
		{"confirmed", pending, 7, yes, true},
		{"other connection", pending, 8, yes, false},
		{"other link", pending, 7, answer{kind: answerNew, link: y, number: 60}, false},
		{"other answer", pending, 7, answer{kind: answerResume, link: x}, false},
		{"not pending", live, 7, yes, false},
	} {
		err := c.s.confirm(c.carrier, c.a)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.ok && (c.s.state != slotLive || c.s.horizon != 60) {
			t.Errorf("%s: %+v", c.name, c.s)
		}
	}
	higher := slot{state: slotLive, link: x, carrier: 7, news: 20}
	if _, err := higher.accept(8, answer{kind: answerNew, link: y, number: 20}); !errors.Is(err, errStale) {
		t.Errorf("an old NEW was taken: %v", err)
	}
	if ended, err := higher.accept(8, answer{kind: answerNew, link: y, number: 21}); err != nil || ended != 7 || higher.link != y {
		t.Errorf("a newer NEW was not taken: %v, ended %d", err, ended)
	}
	higher.leave(7)
	if higher.state != slotLive {
		t.Error("the end of a former connection ended the link")
	}
	higher.leave(8)
	if higher.state != slotEmpty {
		t.Error("the end of its connection did not end the link")
	}
}

func TestGreet(t *testing.T) {
	x, y := linkID{1}, linkID{2}
	for _, c := range []struct {
		s             slot
		held, offered linkID
	}{
		{slot{lower: true, offer: y}, linkID{}, y},
		{slot{lower: true, offer: y, state: slotPending, link: y}, linkID{}, y},
		{slot{lower: true, offer: y, state: slotLive, link: x}, x, linkID{}},
		{slot{offer: y}, linkID{}, linkID{}},
		{slot{offer: y, state: slotLive, link: x}, x, linkID{}},
	} {
		var h hello
		c.s.greet(&h)
		if h.held != c.held || h.offered != c.offered {
			t.Errorf("%+v: held %x, offered %x", c.s, h.held, h.offered)
		}
	}
}
