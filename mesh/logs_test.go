package mesh

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		l := newLogWriter(ctx, slog.New(slog.NewTextHandler(&out, nil))).logger()
		l.Printf("[DEBUG] memberlist: %d", 1)
		l.Printf("[ERR] memberlist: Push/Pull with x failed")
		if out.Len() != 0 {
			t.Errorf("logged: %s", &out)
		}
		for i := range 12 {
			l.Printf("[WARN] memberlist: network may be misconfigured, %d", i)
		}
		if n := strings.Count(out.String(), "level=WARN msg=\"netchan: gossip: network may"); n != logLines {
			t.Errorf("%d lines: %s", n, &out)
		}
		<-time.After(logPeriod)
		out.Reset()
		l.Printf("[WARN] memberlist: network may be misconfigured")
		if want := fmt.Sprintf("\"lines left out before\"=%d", 12-logLines); !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
		out.Reset()
		cancel()
		<-time.After(logPeriod)
		l.Printf("[WARN] memberlist: network may be misconfigured")
		if out.Len() != 0 {
			t.Errorf("logged after Close: %s", &out)
		}
	})
}
