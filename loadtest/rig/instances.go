package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kairos/loadtest/binary"
	"kairos/topologies"
)

// Join starts one more process, which runs all stages, beside those of
// [World.Start]. Under the name of one that has gone it finds what that one
// has left on disk.
func (w *World) Join(name string) error {
	var stages []string
	for _, s := range w.topology.Stages() {
		stages = append(stages, s.Word)
	}
	return w.launch(name, stages)
}

// Leave ends a process in good order and returns when it is gone.
func (w *World) Leave(name string) error {
	return w.part(name, func(p *binary.Process) error { return p.Stop(patience) })
}

// Kill ends a process as a failing machine would.
func (w *World) Kill(name string) error { return w.part(name, (*binary.Process).Kill) }

// part ends a process that is not to run any more. What it uses while it ends
// nobody can ask it for.
func (w *World) part(name string, end func(*binary.Process) error) error {
	w.mu.Lock()
	i := slices.IndexFunc(w.running, func(r running) bool { return r.name == name })
	if i < 0 {
		w.mu.Unlock()
		return fmt.Errorf("no process %s is running", name)
	}
	gone := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	used, err := UsageOf(gone.PID)
	w.past = Usage{w.past.CPU + used.CPU, w.past.Written + used.Written}
	w.mu.Unlock()
	return errors.Join(err, end(gone.Process))
}

// used is what kairos' processes have used, those that have gone included.
func (w *World) used() (Usage, error) {
	now, err := UsageOf(w.pids()...)
	w.mu.Lock()
	defer w.mu.Unlock()
	return Usage{now.CPU + w.past.CPU, now.Written + w.past.Written}, err
}

// Holdings are who holds which partition.
type Holdings struct {
	Processes []string
	Held      map[Place]Holding
}

// Place is a partition of a group.
type Place struct {
	Group     string
	Partition int32
}

// Holding is a partition whose rows are recovered.
type Holding struct {
	Process string
	Rows    int // keys with rows
}

// holdings asks all processes what they hold. One that cannot answer, or two
// with the same partition, is an error: it may pass.
func (w *World) holdings(ctx context.Context) (Holdings, error) {
	h := Holdings{Held: map[Place]Holding{}}
	for _, r := range w.processes() {
		groups, err := binary.StatusAt(ctx, r.rim)
		if err != nil {
			return h, fmt.Errorf("%s: %w", r.name, err)
		}
		h.Processes = append(h.Processes, r.name)
		for _, g := range groups {
			for _, p := range g.Partitions {
				place := Place{g.Group, p.Number}
				if other, twice := h.Held[place]; twice {
					return h, fmt.Errorf("%s and %s hold partition %d of %s", other.Process, r.name, p.Number, g.Group)
				}
				h.Held[place] = Holding{r.name, p.Rows}
			}
		}
	}
	return h, nil
}

// AwaitBalance returns when all partitions of all groups are held, and no
// process holds two more of a group than another.
func (w *World) AwaitBalance(ctx context.Context) (Holdings, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	for {
		h, err := w.holdings(ctx)
		var why string
		if err == nil {
			if why = h.imbalance(w.topology.Groups, w.Partitions); why == "" {
				return h, nil
			}
		}
		if err2 := w.pause(ctx); err2 != nil {
			return h, fmt.Errorf("partitions are not in balance, %s: %w", why, errors.Join(err, err2))
		}
	}
}

// imbalance says what is not in balance yet; empty: nothing.
func (h Holdings) imbalance(groups []topologies.Group, partitions int) string {
	for _, g := range groups {
		shares, all := map[string]int{}, 0
		for place, held := range h.Held {
			if place.Group == g.Name {
				shares[held.Process]++
				all++
			}
		}
		least, most := partitions, 0
		for _, name := range h.Processes {
			least, most = min(least, shares[name]), max(most, shares[name])
		}
		if all != partitions || most-least > 1 {
			return fmt.Sprintf("%d of %d partitions of %s are held, %d to %d by each", all, partitions, g.Name, least, most)
		}
	}
	return ""
}

// Rows counts the keys with rows, of all groups.
func (h Holdings) Rows() int {
	n := 0
	for _, held := range h.Held {
		n += held.Rows
	}
	return n
}

// Moved counts the partitions, of all groups, that another process held before.
func (h Holdings) Moved(before Holdings) int {
	n := 0
	for place, held := range h.Held {
		if before.Held[place].Process != held.Process {
			n++
		}
	}
	return n
}
