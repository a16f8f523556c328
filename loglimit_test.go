package netchan

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogLines: however often others bring a line about, so many are written a second, and the next one
// says how many were not; other lines are written all the same.
func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := calmLogger(slog.New(slog.NewTextHandler(&out, nil)))
		if calmLogger(l) != l {
			t.Error("bounded twice")
		}
		written := func(part string) int {
			n := strings.Count(out.String(), part)
			out.Reset()
			return n
		}
		for i := range 1000 {
			l.With("a", 1).WithGroup("g").Warn("the same", "i", i)
		}
		l.Info("another")
		if n := written("the same"); n != logLines {
			t.Errorf("%d lines", n)
		}
		l.Info("another")
		if n := written("another"); n != 1 {
			t.Errorf("%d lines of another", n)
		}
		time.Sleep(time.Second)
		l.Warn("the same")
		if n := written(fmt.Sprint("linesLeftOut=", 1000-logLines)); n != 1 {
			t.Error("what was left out is not told")
		}
		for i := range 100000 {
			l.Warn(fmt.Sprint("text ", i))
		}
		if n := written("text"); n > maxLogTexts+logLines {
			t.Errorf("%d lines of different texts", n)
		}
		for range 5 {
			time.Sleep(time.Second)
			l.Warn("the same")
		}
		if n := len(l.Handler().(logLimit).lines.lines); n > maxLogTexts+1 {
			t.Errorf("%d texts are remembered", n)
		}
	})
}
