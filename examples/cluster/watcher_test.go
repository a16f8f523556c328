package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matveynator/netchan"
)

// A watcher that joins through a client shows the members, the channels, the work,
// who comes and who goes; and Ctrl-C ends a server that has no -time.
func TestWatcher(t *testing.T) {
	t.Setenv("NETCHAN_KEY", netchan.GenerateKey().Secret())
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := func(args ...string) (out io.Reader, end func(), ended chan error) {
		ctx, end := context.WithCancel(ctx)
		out, w := io.Pipe()
		ended = make(chan error, 1)
		go func() {
			ended <- run(ctx, args, w)
			w.Close()
		}()
		return out, end, ended
	}
	finish := func(what string, out io.Reader, end func(), ended chan error) {
		t.Helper()
		end()
		rest, _ := io.ReadAll(out)
		if err := <-ended; err != nil {
			t.Errorf("the %s: %v\n%s", what, err, rest)
		}
	}
	server, endServer, served := start("-role", "server", "-listen", "127.0.0.1:0", "-time", "0")
	seeds := readUntil(t, server, regexp.MustCompile(`-seeds (\S+)\n`))
	watcher, endWatcher, watched := start("-role", "watcher", "-seeds", seeds)
	readUntil(t, watcher, regexp.MustCompile(`(2) members: server, watcher`))
	client, _, worked := start("-role", "client", "-seeds", seeds)

	go io.Copy(io.Discard, server)
	readUntil(t, watcher, regexp.MustCompile(`\+ (\S+-\d+-1) at 127\.0\.0\.1`))
	readUntil(t, watcher, regexp.MustCompile(`channels: answers \((1) send, 1 receive\), news \(1 send, 1 receive\), tasks \(1 send, 1 receive\)`))
	readUntil(t, watcher, regexp.MustCompile(`([1-9]\d*) tasks done, \d+ unanswered; [1-9]\d*/s: \S+-\d+-1 [1-9]`))
	finish("server", strings.NewReader(""), endServer, served)
	finish("client", client, func() {}, worked) // it ends with the server
	readUntil(t, watcher, regexp.MustCompile(`(?s)- \S+-\d+-1 at 127\.0\.0\.1.*(1) members: watcher`))
	finish("watcher", watcher, endWatcher, watched)
}

// What the watcher shows, line by line.
func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := view{out: &out, heard: time.Now()}
		shows := func(want ...string) {
			t.Helper()
			var got []string
			for line := range strings.Lines(out.String()) {
				_, text, _ := strings.Cut(strings.TrimSpace(line), " ") // after the time
				got = append(got, text)
			}
			out.Reset()
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("it shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		a := netchan.Member{ID: netchan.NodeID{1}, Name: "a", Addr: "10.0.0.1:1"}
		b := netchan.Member{ID: netchan.NodeID{2}, Name: "b", Addr: "10.0.0.2:1"}
		again := netchan.Member{ID: netchan.NodeID{3}, Name: "b", Addr: "10.0.0.2:1"}
		channels := []netchan.ChannelInfo{{Name: "tasks", Node: a, Receive: true}, {Name: "answers", Node: a}, {Name: "tasks", Node: b, Receive: true}}

		v.look([]netchan.Member{a, b}, channels, []netchan.LinkStats{{Node: a}})
		shows("+ a at 10.0.0.1:1", "+ b at 10.0.0.2:1", "2 members: a, b", "channels: answers (1 send, 0 receive), tasks (0 send, 2 receive)")
		v.look([]netchan.Member{a, b}, channels, []netchan.LinkStats{{Node: a}})
		shows()
		v.look([]netchan.Member{a, again}, channels, []netchan.LinkStats{{Node: a, Broken: true}})
		shows("+ b at 10.0.0.2:1", "- b at 10.0.0.2:1", "2 members: a, b", "links from here: the one with a is broken")
		v.look([]netchan.Member{a}, channels[:2], nil)
		shows("- b at 10.0.0.2:1", "1 members: a", "channels: answers (1 send, 0 receive), tasks (0 send, 1 receive)", "links from here: none is broken now")

		first := time.Date(2030, 1, 1, 12, 0, 0, 0, time.Local)
		v.hear(News{Start: first, Time: 2 * time.Second, Answered: 20, Open: 3, PerClient: map[string]int{"a": 12, "gone": 8}})
		shows("a server that began at 12:00:00:", "20 tasks done, 3 unanswered; 10/s: a 6")
		v.hear(News{Start: first, Time: 4 * time.Second, Answered: 26, Open: 1, PerClient: map[string]int{"a": 12, "gone": 14}})
		shows("26 tasks done, 1 unanswered; 3/s: a 0")
		time.Sleep(silence - time.Millisecond)
		v.quiet()
		shows()
		time.Sleep(time.Millisecond)
		v.quiet()
		shows("no news from a server for 3 s")
		// Another server is told from the first, also where it is told of later in its life.
		v.hear(News{Start: first.Add(9 * time.Second), Time: 5 * time.Second, Answered: 50, PerClient: map[string]int{"a": 25}})
		shows("a server that began at 12:00:09:", "50 tasks done, 0 unanswered; 10/s: a 5")
		v.quiet()
		shows()
	})
}
