package history

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A report says where something is left out, and how much: no gap looks like quiet.
func TestReportSaysWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	var now time.Duration
	h := New(func() time.Duration { now += time.Second; return now }, io.EOF)
	s := h.NewSender(h.Node("a"), "x", Options{})
	const far = 1000
	for range far {
		h.Sends(s, false)
	}
	h.Fault(ErrLost, "something")
	for range far {
		h.Sends(s, false)
	}
	for range reported {
		h.Say("nothing")
	}
	_, text, _ := strings.Cut(h.Report(h.Check(false)), "\n\n")
	told, out, gaps := 0, 0, 0
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "… %d left out", &n); err == nil {
			out += n
			gaps++
		} else {
			told++
		}
	}
	// far from the fault values are left out, and at the end what is too much
	if all := 1 + far + 1 + far + reported; gaps != 3 || told != reported || told+out != all {
		t.Errorf("of %d lines %d are told, and %d left out in %d gaps:\n%s", all, told, out, gaps, text)
	}
}
