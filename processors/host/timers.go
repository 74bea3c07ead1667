package host

import (
	"cmp"

	"github.com/RaduBerinde/btreemap"

	"kairos/schemas"
)

// timer is one entry of a partition's time index: a key and when the first of
// its rows wants to be woken.
type timer struct {
	at  schemas.Instant
	key string
}

func compareTimers(a, b timer) int {
	if a.at != b.at {
		return cmp.Compare(a.at, b.at)
	}
	return cmp.Compare(a.key, b.key) // seldom: each key lies somewhere else in memory
}

// timers is a partition's time index, ordered by time, then key. It says what
// the rows say as the newest open batch left them.
type timers struct {
	tree *btreemap.BTreeMap[timer, struct{}]
}

func newTimers() *timers {
	return &timers{btreemap.New[timer, struct{}](32, compareTimers)}
}

// timersOf builds the index from committed rows.
func timersOf(r *rows) *timers {
	t := newTimers()
	for i := range r.shards {
		for key, set := range r.shards[i].each(len(r.tables)) {
			if wake := set.wake(); wake != 0 {
				t.move(string(key), 0, wake)
			}
		}
	}
	return t
}

// move changes the wake of key; 0 is none.
func (t *timers) move(key string, from, to schemas.Instant) {
	if from == to {
		return
	}
	if from != 0 {
		t.tree.Delete(timer{from, key})
	}
	if to != 0 {
		t.tree.ReplaceOrInsert(timer{to, key}, struct{}{})
	}
}

// due lists the first timers at or before now, at most limit.
func (t *timers) due(now schemas.Instant, limit int) []timer {
	var due []timer
	for next := range t.tree.Ascend(btreemap.Min[timer](), btreemap.Max[timer]()) {
		if next.at > now || len(due) == limit {
			break
		}
		due = append(due, next)
	}
	return due
}

// anyDue reports whether there is a timer at or before now.
func (t *timers) anyDue(now schemas.Instant) bool {
	first, _, ok := t.tree.Min()
	return ok && first.at <= now
}

// countDue counts the timers at or before now, at most limit.
func (t *timers) countDue(now schemas.Instant, limit int) int { return len(t.due(now, limit)) }
