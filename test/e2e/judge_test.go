//go:build linux

package e2e

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/matveynator/netchan/test/e2e/script"
	"github.com/matveynator/netchan/test/history"
)

// errClosed stands for netchan.ErrClosed, which a line has as a word.
var errClosed = errors.New(script.Closed)

// A judge writes the lines of all nodes down in one history, in the order of their times.
type judge struct {
	*history.History
	at   time.Duration // of the line in hand
	base int64

	nodes map[string]int            // present lives, by name
	ids   map[string]int            // all lives, by ID
	ends  map[int]time.Duration     // when lives ended that did not in good order
	sends map[int64]*history.Sender // by end
	takes map[int64]*history.Receiver
	calls map[int64]func(error) // Flushes, and Delivers, that have not returned; one of each sender at a time
	took  map[[2]int64]int      // how often, by the sender's end and number
	sent  map[int64][]int       // numbers accepted, by end
	begun map[[2]int64]time.Duration
	plain map[int64]bool   // each of its values goes to one receiver and none may be dropped
	flush map[int64]string // what the last Flush said, by end
}

// A verdict is what was wrong, and what was counted.
type verdict struct {
	wrong                                       []history.Violation
	report                                      string
	values, lost, doubled, redelivered, dropped int // values: also requests that were answered
}

// died marks the end of a life that has said nothing of it, or not all. Text says why, as ended or
// killed.
const (
	died     = "died"
	killed   = "killed"
	byItself = "ended by itself"
)

// judge looks at everything that has happened.
func (c *cluster) judge() verdict {
	var lines []script.Line
	for _, h := range c.hosts {
		lines = append(lines, h.deaths()...)
	}
	return judged(lines, c.slack)
}

// judged looks at the lines of all hosts.
func judged(lines []script.Line, slack time.Duration) verdict {
	slices.SortStableFunc(lines, func(a, b script.Line) int { return cmp.Compare(a.At, b.At) })
	j := &judge{
		nodes: make(map[string]int), ids: make(map[string]int), sends: make(map[int64]*history.Sender),
		takes: make(map[int64]*history.Receiver), calls: make(map[int64]func(error)), took: make(map[[2]int64]int),
		sent: make(map[int64][]int), begun: make(map[[2]int64]time.Duration), ends: make(map[int]time.Duration), plain: make(map[int64]bool), flush: make(map[int64]string),
	}
	j.History = history.New(func() time.Duration { return j.at }, errClosed)
	j.Slack, j.Both = slack, true
	if len(lines) > 0 {
		j.base = lines[0].At
	}
	for _, line := range lines {
		if line.Is == script.Joined { // others may speak of it before it does
			j.ids[line.ID] = j.Node(line.Node)
		}
	}
	for _, line := range lines {
		j.at = time.Duration(line.At - j.base)
		j.line(line)
	}
	v := verdict{wrong: j.Check(true)}
	for _, line := range lines {
		if line.Is == script.Answered && line.Err == "" {
			v.values++
		}
	}
	if len(v.wrong) > 0 {
		v.report = j.Report(v.wrong)
	}
	j.count(&v)
	return v
}

// deaths is what a host has written, with a line where a life ended that did not say so: it was
// killed, or should not have.
func (h *host) deaths() (lines []script.Line) {
	over := true // the last one said that it left, and all it had was delivered
	leaves := -1
	began := int64(0)
	for _, line := range h.history {
		switch line.Is {
		case script.Began:
			if !over {
				lines = append(lines, h.death(lines, began, line.At))
			}
			over, leaves, began = true, -1, line.At
		case script.Joined:
			over = false
		case script.Leaves:
			leaves = len(lines)
		case script.Left:
			over = true
			if line.Err != "" { // what was left is no promise
				lines = slices.Insert(lines, leaves, script.Line{At: lines[leaves].At, Node: h.name, Is: died, Text: line.Err})
			}
		}
		lines = append(lines, line)
	}
	if !over {
		lines = append(lines, h.death(lines, began, math.MaxInt64))
	}
	return lines
}

// death is the line for who was killed between when its life began and when the next one did: that
// was when it was, or had its last word.
func (h *host) death(lines []script.Line, began, next int64) script.Line {
	d := script.Line{At: lines[len(lines)-1].At, Node: h.name, Is: died, Text: byItself}
	for _, k := range h.killed {
		if at := k.UnixNano(); at >= began && at < next {
			d.At, d.Text = max(d.At, at), killed
		}
	}
	return d
}

// line writes one line down.
func (j *judge) line(l script.Line) {
	node, lives := j.nodes[l.Node]
	s, r := j.sends[l.End], j.takes[l.End]
	var err error
	switch l.Err {
	case "":
	case script.Closed:
		err = errClosed
	default:
		err = errors.New(l.Err)
	}
	switch l.Is {
	case script.Began: // what it says before it has joined is not of the life before
		delete(j.nodes, l.Node)
	case script.Joined:
		j.nodes[l.Node] = j.ids[l.ID]
	case script.Sender:
		o := *l.Options
		j.sends[l.End] = j.NewSender(node, l.Channel, o)
		j.plain[l.End] = !o.Broadcast && !o.Lossy && !o.AtMostOnce
	case script.Receiver:
		j.takes[l.End] = j.NewReceiver(node, l.Channel, *l.Options)
	case script.Sends:
		j.begun[[2]int64{l.End, int64(l.N)}] = j.at
		if n := j.Sends(s, false); n != l.N {
			j.Fault(history.ErrInvented, "%s: value %d of its sender is the %dth", l.Node, l.N, n)
		}
	case script.Sent:
		j.Accepted(s, l.N)
		j.sent[l.End] = append(j.sent[l.End], l.N)
	case script.Took:
		from := -1
		if s := j.sends[l.From]; s != nil {
			from = s.ID
		}
		j.Took(r, from, l.N, !l.Bad)
		j.took[[2]int64{l.From, int64(l.N)}]++
	case script.Delivers:
		j.calls[l.End] = j.Call(s, "Deliver", l.N)
	case script.Flushes:
		j.calls[l.End] = j.Call(s, "Flush", 0)
	case script.Delivered, script.Flushed:
		j.calls[l.End](err)
		if l.Is == script.Delivered && err == nil {
			j.sent[l.End] = append(j.sent[l.End], l.N)
		}
		j.flush[l.End] = l.Err
	case script.ClosesC: // as told, while all nodes live that are to take values
		if said := j.flush[l.End]; said != "" {
			j.Fault(history.ErrLate, "%s: Flush of s%d: %s", l.Node, s.ID, said)
		}
		j.ClosesC(s)
	case script.Detaches:
		j.Detaches(s)
	case script.Done:
		j.SenderEnded(s, err)
	case script.Closes:
		j.Closes(r)
	case script.Closed:
		j.ReceiverEnded(r, err)
	case script.Counts:
		s.Stats = *l.Stats
	case script.Link:
		if to, known := j.ids[l.Peer]; l.Text == script.LinkEnded && known && lives {
			j.LinkEnded(node, to)
		}
	case script.Left: // no case lets a node leave while it can't deliver what it has
		if l.Err != "" {
			j.Fault(history.ErrLate, "%s has left: %s", l.Node, l.Err)
		}
	case died:
		switch l.Text {
		case byItself:
			j.Fault(history.ErrLate, "%s has ended, has not said that it left, and nobody has killed it", l.Node)
			fallthrough
		case killed:
			j.Killed(node, l.Text)
			j.ends[node] = j.at
		default:
			j.Dies(node, l.Text)
			j.ends[node] = j.at
		}
	}
	if l.Is != script.Took && l.Is != script.Sends && l.Is != script.Sent {
		j.Say("%s %s %d %s %s %s", l.Node, l.Is, l.End, l.Channel, l.Text, l.Err)
	}
}

// count counts what people want to know, apart from what is wrong with it. A receiver that was
// killed may have taken one value, sent before, that it did not write down: so many are not counted
// as lost.
func (j *judge) count(v *verdict) {
	spare := make(map[string][]time.Duration)
	for _, r := range j.takes {
		if at, dead := j.ends[r.Node]; dead {
			spare[r.Channel] = append(spare[r.Channel], at)
		}
	}
	for _, at := range spare {
		slices.Sort(at)
	}
	for end, numbers := range j.sent {
		v.values += len(numbers)
		s := j.sends[end]
		for _, n := range numbers {
			value := [2]int64{end, int64(n)}
			if !j.plain[end] || j.took[value] > 0 || !j.Alive(s.Node) {
				continue
			}
			of := spare[s.Channel]
			if i := slices.IndexFunc(of, func(at time.Duration) bool { return j.begun[value] <= at+j.Slack }); i >= 0 {
				spare[s.Channel] = slices.Delete(of, i, i+1)
			} else {
				v.lost++
			}
		}
	}
	for value, times := range j.took {
		if s := j.sends[value[0]]; s != nil && !s.Broadcast {
			v.doubled += times - 1
		}
	}
	for _, s := range j.sends {
		v.redelivered += int(s.Stats.Redelivered)
		v.dropped += int(s.Stats.Dropped)
	}
}
