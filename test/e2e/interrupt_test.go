//go:build linux

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	signals "os/signal"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

// A run that is broken off, by a signal or because its time is over, removes what it has made,
// and keeps the logs of the cases that had begun.

// removal is how long that may take. It is less than the minute which go test waits beyond its
// -timeout.
const removal = 45 * time.Second

var (
	// brokenOff is over when the run is. Nodes that are processes end then.
	brokenOff, breakOff = context.WithCancel(context.Background())

	// running is held by who has started a program, to read, until that has ended. Who breaks the
	// run off takes it and keeps it: then nothing runs, and nothing is started any more.
	running sync.RWMutex

	// ending is held by who ends a case, and by who ends all of them, who keeps it.
	ending  sync.Mutex
	playing = make(map[*cluster]bool) // cases that are not over
)

// own has a program get no signal that a terminal sends to us: we end it. But it ends with us.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // also a paused one
}

// launch starts a program. Who has waited for it calls running.RUnlock.
func launch(cmd *exec.Cmd) error {
	own(cmd)
	running.RLock()
	err := cmd.Start()
	if err != nil {
		running.RUnlock()
	}
	return err
}

// run runs a program to its end.
func run(cmd *exec.Cmd) error {
	if err := launch(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	running.RUnlock()
	unlessBrokenOff()
	return err
}

// unlessBrokenOff does not return if the run is broken off: what comes now is of that.
func unlessBrokenOff() {
	if brokenOff.Err() != nil {
		select {}
	}
}

// watchForTheEnd has the run broken off by a signal, or when it has taken what -timeout says: the
// alarm of package testing, which would leave everything as it is, comes later.
func watchForTheEnd() (stop func()) {
	signals.Ignore(syscall.SIGPIPE) // go test may have ended before us: nobody reads what we say then
	told := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signals.Ignored(s) { // as nohup has it
			signals.Notify(told, s)
		}
	}
	var over <-chan time.Time
	limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	if limit > 0 {
		over = time.After(limit)
		if err := flag.Set("test.timeout", (limit + removal).String()); err != nil {
			panic(err)
		}
	}
	done := make(chan struct{})
	go func() {
		select {
		case s := <-told:
			endAll(s.String())
		case <-over:
			if f, err := os.Create(filepath.Join(folder(), "goroutines")); err == nil {
				_ = pprof.Lookup("goroutine").WriteTo(f, 2)
				_ = f.Close()
			}
			endAll(fmt.Sprintf("not over after %v", limit))
		case <-done:
		}
	}()
	return func() {
		signals.Stop(told)
		close(done)
	}
}

// endAll breaks the run off.
func endAll(why string) {
	fmt.Fprintf(os.Stderr, "%s: the run is broken off, and what it has made is removed\n", why)
	time.AfterFunc(removal, func() {
		fmt.Fprintln(os.Stderr, "not all could be removed; the next run does it")
		os.Exit(1)
	})
	breakOff()
	none := make(chan struct{})
	go func() {
		running.Lock()
		close(none)
	}()
	for ended := false; !ended; { // what was being started is there a moment later
		if *inDocker {
			removeStarted()
		}
		select {
		case <-none:
			ended = true
		case <-time.After(200 * time.Millisecond):
		}
	}
	clean(why)
	os.Exit(1)
}

// clean removes what this run has made, and says where logs are.
func clean(why string) {
	ending.Lock() // for good
	for c := range playing {
		fmt.Fprintf(os.Stderr, "not over: %s\n", c.result.name)
		c.end(why)
	}
	if *inDocker {
		removeAll()
	}
	if tidy(folder()) {
		fmt.Println("logs:", folder())
	}
}
