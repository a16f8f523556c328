package netchan_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/matveynator/netchan"
)

var millionJobs = flag.Bool("million", false, "have TestKilledReceivers bring a million jobs without a buffer too, and the tests of requests as many as they are meant for")

// jobWorker takes jobs and writes each to a file before it takes the next one. Its
// argument: the file, the receiver's buffer, and a seed. On its standard input it is
// told to stop taking, and to go on.
func jobWorker(arg string) error {
	var file, seed string
	var buffer int
	if _, err := fmt.Sscan(arg, &file, &buffer, &seed); err != nil {
		return err
	}
	log, err := os.Create(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	node, err := netchan.Join(ctx, netchan.Config{Name: filepath.Base(file), Seeds: []string{seed}, Logger: quiet()})
	if err != nil {
		return err
	}
	jobs, err := netchan.NewReceiver[uint32](node, "jobs", netchan.Buffer(buffer))
	if err != nil {
		return err
	}
	fmt.Println("there", node.Name())
	told := make(chan string)
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			told <- s.Text()
		}
		os.Exit(1) // the test is no more
	}()
	for c := jobs.C; c != nil; {
		select {
		case job, ok := <-c:
			if !ok {
				c = nil
				break
			}
			// Written to the system: there it is safe from our being killed.
			if _, err := log.Write(binary.LittleEndian.AppendUint32(nil, job)); err != nil {
				return err
			}
		case word := <-told: // "stop"
			fmt.Println("said", word)
			fmt.Println("said", <-told)
		}
	}
	if err := node.Shutdown(context.Background()); err != nil {
		return err
	}
	fmt.Println("shut", "down")
	return nil
}

// jobLog is a worker, and what it has written.
type jobLog struct {
	*process
	file string
}

func startJobWorker(t *testing.T, name string, buffer int, seed string) *jobLog {
	file := filepath.Join(t.TempDir(), name)
	return &jobLog{startProcess(t, "job worker", fmt.Sprintf("%s %d %s", file, buffer, seed)), file}
}

func (l *jobLog) say(word string) {
	l.t.Helper()
	if _, err := fmt.Fprintln(l.stdin, word); err != nil {
		l.t.Fatal(err)
	}
	l.want("said")
}

// kill is kill -9.
func (l *jobLog) kill() {
	if err := l.cmd.Process.Kill(); err != nil {
		l.t.Error(err)
	}
}

func (l *jobLog) read() (jobs []uint32) {
	b, err := os.ReadFile(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	for ; len(b) >= 4; b = b[4:] {
		jobs = append(jobs, binary.LittleEndian.Uint32(b))
	}
	return jobs
}

// Four processes share a million jobs. One of them is killed while it works, and another
// takes its place; a second one is killed when it holds as much as it can. Every job is
// done, but for the one that a killed worker may have had in its hand; none is done twice
// but some of those that were with a killed one, and these are counted.
//
// Without a buffer each job is a round trip: 50,000 must do there, unless -million is
// given; that takes a minute. -short brings 20,000 each.
func TestKilledReceivers(t *testing.T) {
	for _, c := range []struct{ buffer, jobs int }{{16, 1_000_000}, {0, 50_000}} {
		if *millionJobs {
			c.jobs = 1_000_000
		}
		if testing.Short() {
			c.jobs = 20_000
		}
		t.Run(fmt.Sprint("Buffer ", c.buffer), func(t *testing.T) { killReceivers(t, c.buffer, c.jobs) })
	}
}

func killReceivers(t *testing.T, buffer, jobs int) {
	node := joinWith(t, netchan.Config{Name: "boss", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	s := sender[uint32](t, node, "jobs", netchan.Buffer(64))
	defer func() {
		if t.Failed() {
			t.Logf("%+v, %d wait in C", s.Stats(), len(s.C))
		}
	}()
	var workers []*jobLog
	hire := func(name string) {
		w := startJobWorker(t, name, buffer, node.Addr())
		w.want("there")
		workers = append(workers, w)
	}
	for i := range 4 {
		hire(fmt.Sprint("worker-", i))
	}
	connected(t, s, 4)
	late := time.NewTimer(5 * testTime)
	defer late.Stop()
	sent := 0
	send := func(upTo int) {
		for ; sent < upTo; sent++ {
			select {
			case s.C <- uint32(sent):
			case <-late.C:
				t.Errorf("job %d waits: %+v", sent, s.Stats())
				return
			}
		}
	}
	start := time.Now()
	send(jobs / 3)
	workers[0].kill()
	hire("worker-4")
	send(2 * jobs / 3)

	// Now so that the second one has all that it can hold, and the others nothing.
	full := max(1, buffer) + buffer
	waitFor(t, "the first death to be noticed, and the new one to be there", func() bool {
		st := s.Stats()
		return st.Receivers == 4 && st.Waiting == 0 && st.InFlight == 0 && len(s.C) == 0
	})
	for _, w := range workers[1:] {
		w.say("stop")
	}
	first := s.Stats().Redelivered
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		send(sent + 4*full)
	}()
	waitFor(t, "all to be full", func() bool { return s.Stats().InFlight == uint64(4*full) })
	for _, w := range workers[2:] {
		w.say("go")
	}
	<-filled
	waitFor(t, "the others to be free", func() bool { return s.Stats().InFlight == uint64(full) && len(s.C) == 0 })
	workers[1].kill()
	send(jobs)
	if err := s.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	close(s.C)
	for _, w := range workers[2:] {
		w.want("shut")
	}
	st := s.Stats()
	if st.Sent != uint64(jobs) || st.Acknowledged != uint64(jobs) || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	if first > uint64(full) || st.Redelivered != first+uint64(full) {
		t.Errorf("%d redelivered after the first death, %d after the second; each worker may have %d", first, st.Redelivered, full)
	}
	checkLogs(t, jobs, workers, st.Redelivered)
	t.Logf("%d jobs in %v, %d redelivered", jobs, took, st.Redelivered)
}

// checkLogs checks what the workers did: the first two of them were killed.
func checkLogs(t *testing.T, jobs int, workers []*jobLog, redelivered uint64) {
	t.Helper()
	done := make([]int, jobs)
	killed := map[uint32]bool{} // done by who was killed
	for i, w := range workers {
		descents := 0
		log := w.read()
		for k, job := range log {
			if int(job) >= jobs {
				t.Fatalf("job %d was never sent", job)
			}
			if done[job]++; i < 2 {
				killed[job] = true
			}
			if k > 0 && job <= log[k-1] {
				descents++ // what is delivered again comes behind newer ones
			}
		}
		if len(log) == 0 {
			t.Errorf("%s did nothing", filepath.Base(w.file))
		}
		if descents > 2 {
			t.Errorf("%s got jobs out of order, %d times", filepath.Base(w.file), descents)
		}
	}
	lost, twice := 0, 0
	for job, n := range done {
		switch {
		case n == 0:
			lost++
		case n == 2 && killed[uint32(job)]:
			twice++
		case n > 1:
			t.Errorf("job %d was done %d times", job, n)
		}
	}
	if lost > 1 { // the second one had stopped, and so nothing in its hand
		t.Errorf("%d jobs were lost", lost)
	}
	if uint64(twice) > redelivered {
		t.Errorf("%d jobs were done twice, %d redelivered", twice, redelivered)
	}
	t.Logf("%d lost, %d twice", lost, twice)
}
