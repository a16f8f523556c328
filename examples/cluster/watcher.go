package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/matveynator/netchan"
)

// News is what the server tells all who watch, about once a second.
type News struct {
	Start     time.Time     // when the server began: who tells
	Time      time.Duration // how long it has been at it
	Answered  int           // tasks answered
	Open      int           // tasks handed out, not answered
	PerClient map[string]int
}

const (
	newsEvery = time.Second
	silence   = 3 * newsEvery // no news for so long is news
)

func (l *ledger) news() News {
	return News{Start: l.start, Time: time.Since(l.start), Answered: l.answered, Open: len(l.open), PerClient: maps.Clone(l.perClient)}
}

// tell broadcasts the news. Those that nobody is there to hear are withdrawn: a
// server ends without waiting for a watcher.
func tell(s *netchan.Sender[News], news <-chan News) {
	for n := range news {
		ctx, cancel := context.WithTimeout(context.Background(), newsEvery/2)
		_ = s.Deliver(ctx, n)
		cancel()
	}
}

// runWatcher is the program with -role watcher: a node that takes no part in the
// work. It shows who is there, which channels there are, and what the server
// tells, until Ctrl-C.
func runWatcher(ctx context.Context, opts options, out io.Writer) error {
	node, err := join(ctx, netchan.Config{Name: "watcher", Listen: opts.listen, Seeds: opts.seeds, Logger: opts.log})
	if err != nil {
		return err
	}
	// Lossy: the server never waits for who watches.
	news, err := netchan.NewReceiver[News](node, "news", netchan.KeepOpen(), netchan.Lossy())
	if err != nil {
		return errors.Join(err, part(node))
	}
	v := view{out: out, heard: time.Now()}
	look := func() { v.look(node.Members(), node.Channels(), node.Stats().Links) }
	look()
	for tick := time.Tick(time.Second); ; {
		select {
		case n := <-news.C: // closed by part only
			v.hear(n)
		case <-tick:
			look()
			v.quiet()
		case <-ctx.Done():
			return part(node)
		}
	}
}

// view is what the watcher has shown.
type view struct {
	out      io.Writer
	members  []netchan.Member
	channels string
	broken   string
	last     News
	heard    time.Time // when the last News came
}

// look shows what has changed since it was called last.
func (v *view) look(members []netchan.Member, channels []netchan.ChannelInfo, links []netchan.LinkStats) {
	changed := false
	for _, m := range members {
		if !slices.Contains(v.members, m) {
			v.line("+ %s at %s", m.Name, m.Addr)
			changed = true
		}
	}
	for _, m := range v.members {
		if !slices.Contains(members, m) {
			v.line("- %s at %s", m.Name, m.Addr)
			changed = true
		}
	}
	if v.members = members; changed {
		var names []string
		for _, m := range members {
			names = append(names, m.Name)
		}
		v.line("%d members: %s", len(members), strings.Join(names, ", "))
	}
	if text := channelText(channels); text != v.channels {
		v.channels = text
		v.line("channels: %s", text)
	}
	if text := brokenText(links); text != v.broken {
		if v.broken = text; text == "" {
			text = "none is broken now"
		}
		v.line("links from here: %s", text)
	}
}

// hear shows the news.
func (v *view) hear(n News) {
	if !n.Start.Equal(v.last.Start) {
		v.line("a server that began at %s:", n.Start.Local().Format(time.TimeOnly))
		v.last = News{}
	}
	rate := func(now, before int) float64 { return float64(now-before) / (n.Time - v.last.Time).Seconds() }
	var each []string
	for _, m := range v.members {
		if done, ok := n.PerClient[m.Name]; ok {
			each = append(each, fmt.Sprintf("%s %.0f", m.Name, rate(done, v.last.PerClient[m.Name])))
		}
	}
	v.line("%d tasks done, %d unanswered; %.0f/s: %s",
		n.Answered, n.Open, rate(n.Answered, v.last.Answered), strings.Join(each, ", "))
	v.last, v.heard = n, time.Now()
}

// quiet says how long there were no news, if that is long.
func (v *view) quiet() {
	if since := time.Since(v.heard); since >= silence {
		v.line("no news from a server for %.0f s", since.Seconds())
	}
}

func (v *view) line(format string, args ...any) {
	fmt.Fprintf(v.out, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// channelText is each channel's name and how many ends it has of either kind.
func channelText(channels []netchan.ChannelInfo) string {
	senders, receivers := make(map[string]int), make(map[string]int)
	names := make(map[string]bool)
	for _, c := range channels {
		names[c.Name] = true
		if c.Receive {
			receivers[c.Name]++
		} else {
			senders[c.Name]++
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, fmt.Sprintf("%s (%d send, %d receive)", name, senders[name], receivers[name]))
	}
	return strings.Join(all, ", ")
}

// brokenText says which links wait for a connection.
func brokenText(links []netchan.LinkStats) string {
	var all []string
	for _, l := range links {
		if l.Broken {
			all = append(all, fmt.Sprintf("the one with %s is broken", l.Node.Name))
		}
	}
	return strings.Join(all, ", ")
}
