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
	if r.KeptSeconds, err = w.restart(ctx, func() error { return nil }); err != nil {
		return r, fmt.Errorf("with its rows: %w", err)
	}
	r.LostSeconds, err = w.restart(ctx, func() error { return os.RemoveAll(filepath.Join(w.dir, "state")) })
	return r, err
}

// restart is how long it takes from the start of the processes until they are
// ready; something is done while they are down.
func (w *World) restart(ctx context.Context, down func() error) (float64, error) {
	if err := w.Stop(); err != nil {
		return 0, err
	}
	if err := down(); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := w.Start(); err != nil {
		return 0, err
	}
	err := w.AwaitReady(ctx)
	return time.Since(begun).Seconds(), err
}
