package goka

import (
	"bytes"
	"container/heap"
	"maps"
	"slices"
	"sync"

	"github.com/lovoo/goka/storage"

	"kairos/schemas"
)

// stores are those of the partitions that are owned.
type stores struct {
	mu          sync.Mutex
	byPartition map[int32]*store
}

func (s *stores) build(_ string, partition int32) (storage.Storage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPartition == nil {
		s.byPartition = map[int32]*store{}
	}
	s.byPartition[partition] = &store{rows: map[string][]byte{}, offset: -1}
	return s.byPartition[partition], nil
}

func (s *stores) due(partition int32, now schemas.Instant) []string {
	s.mu.Lock()
	one := s.byPartition[partition]
	s.mu.Unlock()
	if one == nil {
		return nil
	}
	return one.due(now)
}

// now is the newest tick of a partition: a row that is woken may have fallen due
// again while its wake was in the loop, and perhaps no other tick comes.
func (s *stores) now(partition int32) schemas.Instant {
	s.mu.Lock()
	one := s.byPartition[partition]
	s.mu.Unlock()
	if one == nil {
		return 0
	}
	one.mu.RLock()
	defer one.mu.RUnlock()
	return one.now
}

// store holds the rows of a partition in memory, and who is to be woken when:
// Goka's own sorts all its keys at each new one, and knows no wakes. What
// recovery sets is in the index like everything else.
type store struct {
	mu     sync.RWMutex
	rows   map[string][]byte
	wakes  wakes
	now    schemas.Instant // of the newest tick
	offset int64           // negative: none
}

// due takes out who is to be woken by a time. An entry whose row has another
// wake by now is left over from before.
func (s *store) due(now schemas.Instant) (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, now)
	for len(s.wakes) > 0 && s.wakes[0].at <= now {
		w := heap.Pop(&s.wakes).(wake)
		if row := s.rows[w.key]; len(row) >= 16 && instantAt(row[wakeAt:]) == w.at {
			keys = append(keys, w.key)
		}
	}
	return keys
}

func (s *store) Set(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := instantAt(value[wakeAt:]); at != 0 {
		if old := s.rows[key]; old == nil || instantAt(old[wakeAt:]) != at {
			heap.Push(&s.wakes, wake{at, key})
		}
	}
	s.rows[key] = value
	return nil
}

func (s *store) Get(key string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rows[key], nil
}

func (s *store) Has(key string) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.rows[key]
	return ok, nil
}

func (s *store) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, key)
	return nil
}

func (s *store) GetOffset(otherwise int64) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.offset < 0 {
		return otherwise, nil
	}
	return s.offset, nil
}

func (s *store) SetOffset(offset int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = max(s.offset, offset)
	return nil
}

func (s *store) Open() error          { return nil }
func (s *store) Close() error         { return nil }
func (s *store) MarkRecovered() error { return nil }

func (s *store) Iterator() (storage.Iterator, error) { return s.IteratorWithRange(nil, nil) }

func (s *store) IteratorWithRange(start, limit []byte) (storage.Iterator, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := &iterator{rows: maps.Clone(s.rows), place: -1}
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		if bytes.Compare([]byte(key), start) >= 0 && (limit == nil || bytes.Compare([]byte(key), limit) < 0) {
			i.keys = append(i.keys, key)
		}
	}
	return i, nil
}

// iterator walks over a snapshot.
type iterator struct {
	rows  map[string][]byte
	keys  []string
	place int
}

func (i *iterator) Next() bool             { i.place++; return i.place < len(i.keys) }
func (i *iterator) Err() error             { return nil }
func (i *iterator) Key() []byte            { return []byte(i.keys[i.place]) }
func (i *iterator) Value() ([]byte, error) { return i.rows[i.keys[i.place]], nil }
func (i *iterator) Release()               {}

func (i *iterator) Seek(key []byte) bool {
	i.place, _ = slices.BinarySearch(i.keys, string(key))
	return i.place < len(i.keys)
}

// wake is who is to be woken when.
type wake struct {
	at  schemas.Instant
	key string
}

// wakes is a heap, the earliest first.
type wakes []wake

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].at < w[j].at }
func (w wakes) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *wakes) Push(x any)        { *w = append(*w, x.(wake)) }

func (w *wakes) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
