package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Recovery is how long kairos takes to be ready, with the rows on its disk and
// without any.
type Recovery struct {
	People      int     `json:"people"`
	TableBytes  int64   `json:"table_bytes"` // of all tables on the broker, compressed
	KeptSeconds float64 `json:"seconds_with_rows_kept"`
	LostSeconds float64 `json:"seconds_with_rows_lost"`
	KeptCPU     float64 `json:"cpu_seconds_with_rows_kept"` // of kairos: says more than seconds on a busy machine
	LostCPU     float64 `json:"cpu_seconds_with_rows_lost"`
}

// Recover stops kairos and starts it again, and once more after its disk was lost.
func (w *World) Recover(ctx context.Context) (r Recovery, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	r.People = w.Config.People
	topics, err := TopicBytes(ctx, w.admin)
	if err != nil {
		return r, err
	}
	for topic, bytes := range topics {
		if strings.HasSuffix(topic, "-table") {
			r.TableBytes += bytes
		}
	}
	if r.KeptSeconds, r.KeptCPU, err = w.restart(ctx, func() error { return nil }); err != nil {
		return r, fmt.Errorf("with its rows: %w", err)
	}
	r.LostSeconds, r.LostCPU, err = w.restart(ctx, func() error { return os.RemoveAll(filepath.Join(w.dir, "state")) })
	return r, err
}

// restart is how long it takes from the start of the processes until they are
// ready, and their CPU time; something is done while they are down.
func (w *World) restart(ctx context.Context, down func() error) (seconds, cpu float64, err error) {
	if err := w.Stop(); err != nil {
		return 0, 0, err
	}
	if err := down(); err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	if err := w.Start(); err != nil {
		return 0, 0, err
	}
	if err := w.AwaitReady(ctx); err != nil {
		return 0, 0, err
	}
	used, err := UsageOf(w.pids()...)
	return time.Since(begun).Seconds(), used.CPU.Seconds(), err
}
