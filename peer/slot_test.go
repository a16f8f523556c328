package peer

import (
	"errors"
	"testing"
)

func TestDecide(t *testing.T) {
	x, y, z := linkID{1}, linkID{2}, linkID{3}
	first := slot{lower: true, offer: x}
	making := slot{lower: true, pending: 7, making: x, offer: y, horizon: 50}
	resuming := slot{lower: true, link: x, pending: 7, making: x, asked: 51, offer: y, horizon: 50}
	live := slot{lower: true, link: x, carrier: 7, horizon: 50, offer: y}
	broken := slot{lower: true, link: x, horizon: 50, offer: y}
	fresh := func(held linkID) hello { return hello{number: 51, held: held} }
	for _, c := range []struct {
		name  string
		s     slot
		ours  bool
		h     hello
		want  answerKind
		link  linkID
		ended linkID
	}{
		{"first", first, false, hello{number: 1}, answerNew, x, linkID{}},
		{"holds what is gone", first, false, hello{number: 1, held: z}, answerGone, z, linkID{}},
		{"crossing, undecided", making, false, fresh(linkID{}), answerStale, linkID{}, linkID{}},
		{"crossing, resuming", resuming, false, fresh(x), answerStale, linkID{}, linkID{}},
		{"asks again, resuming", resuming, false, hello{number: 52, held: x}, answerResume, x, linkID{}},
		{"asks again, we dialled", resuming, true, hello{number: 52, held: x}, answerResume, x, linkID{}},
		{"another one, resuming", resuming, false, hello{number: 52, held: z}, answerStale, linkID{}, linkID{}},
		{"none, resuming", resuming, false, hello{number: 52}, answerStale, linkID{}, linkID{}},
		{"asks again, making", making, false, hello{number: 52}, answerStale, linkID{}, linkID{}},
		{"crossing, decided", live, false, hello{number: 50}, answerStale, linkID{}, linkID{}},
		{"late, broken", broken, false, hello{number: 50, held: x}, answerStale, linkID{}, linkID{}},
		{"back", broken, false, fresh(x), answerResume, x, linkID{}},
		{"back, we dialled", broken, true, fresh(x), answerResume, x, linkID{}},
		{"the peer saw it break first", live, false, fresh(x), answerResume, x, linkID{}},
		{"we dialled, and it is back already", live, true, fresh(x), answerStale, linkID{}, linkID{}},
		{"peer gave it up", live, false, fresh(linkID{}), answerNew, y, x},
		{"peer gave it up, broken", broken, true, fresh(linkID{}), answerNew, y, x},
		{"peer holds another one", broken, false, fresh(z), answerGone, z, x},
	} {
		s := c.s
		a, ended := s.decide(8, c.ours, &c.h, 9, z)
		want := answer{kind: c.want, link: c.link}
		answered := c.want == answerNew || c.want == answerResume
		if answered {
			want.number = 9
		}
		if a != want || ended != c.ended {
			t.Errorf("%s: %+v, ended %x", c.name, a, ended)
		}
		if answered && (s.pending != 8 || s.making != c.link || s.carrier != 0) {
			t.Errorf("%s: %+v", c.name, s)
		}
		if (s.offer == z) != (c.want == answerNew) {
			t.Errorf("%s: next link is %x", c.name, s.offer)
		}
	}
}

func TestConfirm(t *testing.T) {
	x, y := linkID{1}, linkID{2}
	making := slot{lower: true, pending: 7, making: x, offer: y}
	resuming := slot{lower: true, link: x, pending: 7, making: x, offer: y}
	for _, c := range []struct {
		name    string
		s       slot
		carrier uint64
		a       answer
		ok      bool
	}{
		{"new", making, 7, answer{kind: answerNew, link: x, number: 60}, true},
		{"resume", resuming, 7, answer{kind: answerResume, link: x, number: 60}, true},
		{"other connection", making, 8, answer{kind: answerNew, link: x, number: 60}, false},
		{"other link", making, 7, answer{kind: answerNew, link: y, number: 60}, false},
		{"resume for new", making, 7, answer{kind: answerResume, link: x, number: 60}, false},
		{"new for resume", resuming, 7, answer{kind: answerNew, link: x, number: 60}, false},
		{"not pending", slot{lower: true}, 7, answer{kind: answerNew, link: x, number: 60}, false},
	} {
		s := c.s
		if err := s.confirm(c.carrier, c.a); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.ok && (s != slot{lower: true, link: x, carrier: 7, offer: y, horizon: 60}) {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestAccept(t *testing.T) {
	x, y := linkID{1}, linkID{2}
	held := slot{link: x, carrier: 7, news: 20}
	for _, c := range []struct {
		name  string
		a     answer
		ok    bool
		ended linkID
	}{
		{"new", answer{kind: answerNew, link: y, number: 21}, true, x},
		{"old new", answer{kind: answerNew, link: y, number: 20}, false, linkID{}},
		{"resume", answer{kind: answerResume, link: x, number: 21}, true, linkID{}},
		{"old resume", answer{kind: answerResume, link: x, number: 20}, false, linkID{}},
		{"resume of what is given up", answer{kind: answerResume, link: y, number: 21}, false, linkID{}},
	} {
		s := held
		ended, err := s.accept(8, c.a)
		if (err == nil) != c.ok || ended != c.ended || (err != nil && !errors.Is(err, errStale)) {
			t.Errorf("%s: ended %x, %v", c.name, ended, err)
		}
		if c.ok && (s != slot{link: c.a.link, carrier: 8, news: 21}) || !c.ok && s != held {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

func TestLeaveAndDrop(t *testing.T) {
	x, y := linkID{1}, linkID{2}
	s := slot{lower: true, link: x, carrier: 7}
	s.leave(8)
	if s.carrier != 7 {
		t.Error("another connection's end broke the link")
	}
	s.leave(7)
	if s.carrier != 0 || s.link != x {
		t.Errorf("broken: %+v", s)
	}
	s.pending, s.making = 9, x
	s.drop(y)
	if s.link != x || s.empty() {
		t.Error("another link's end ended it")
	}
	s.drop(x)
	if s != (slot{lower: true}) || !s.empty() {
		t.Errorf("given up: %+v", s)
	}
	s.pending, s.making = 9, y
	s.leave(9)
	if s != (slot{lower: true}) {
		t.Errorf("the connection has failed: %+v", s)
	}
}

func TestGreet(t *testing.T) {
	x, y := linkID{1}, linkID{2}
	for _, c := range []struct {
		s             slot
		held, offered linkID
	}{
		{slot{lower: true, offer: y}, linkID{}, y},
		{slot{lower: true, offer: y, pending: 7, making: x}, linkID{}, y},
		{slot{lower: true, offer: y, link: x}, x, linkID{}},
		{slot{offer: y}, linkID{}, linkID{}},
		{slot{offer: y, link: x}, x, linkID{}},
	} {
		var h hello
		c.s.greet(&h)
		if h.held != c.held || h.offered != c.offered {
			t.Errorf("%+v: held %x, offered %x", c.s, h.held, h.offered)
		}
	}
}
