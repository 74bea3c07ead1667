package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Memory that nobody may look at any more looks like it, in all tests of the host.
func TestMain(m *testing.M) {
	spoil = func(b []byte) {
		for i := range b {
			b[i] = 0xdb
		}
	}
	os.Exit(m.Run())
}

// A dumb map says the same, even where hashes meet.
func TestAShardIsAMapWhateverMeets(t *testing.T) {
	const tables = 3
	rapid.Check(t, func(t *rapid.T) {
		var s shard
		dumb := map[string]rowSet{}
		hashes := rapid.Uint64Range(1, 50).Draw(t, "hashes")
		hash := func(key string) uint64 { return hashOf(key) % hashes }
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				key, set := fmt.Sprint("k", rapid.IntRange(0, 60).Draw(t, "key")), make(rowSet, tables)
				for table := range set {
					set[table] = slices.Clone(rapid.SampledFrom([][]byte{nil, {}, []byte("short"), bytes.Repeat([]byte{7}, 300), bytes.Repeat([]byte{9}, 70_000)}).Draw(t, "row"))
				}
				which := uint16(rapid.IntRange(0, 1<<tables-1).Draw(t, "which"))
				if dumb[key] == nil {
					dumb[key] = make(rowSet, tables)
				}
				s.write(hash(key), s.headOf(hash(key), key, tables), set, which)
				set.onto(dumb[key], which)
			},
			"remove": func(t *rapid.T) {
				key := fmt.Sprint("k", rapid.IntRange(0, 60).Draw(t, "key"))
				s.remove(hash(key), key, tables)
				delete(dumb, key)
			},
			"": func(t *rapid.T) {
				seen := map[string]bool{}
				for key, set := range s.each(tables) {
					if want := dumb[string(key)]; want == nil || seen[string(key)] || !sameRows(set, want) {
						t.Fatalf("%s has %q, want %q", key, set, want)
					}
					seen[string(key)] = true
				}
				if len(seen) != len(dumb) {
					t.Fatalf("%d keys, want %d", len(seen), len(dumb))
				}
				if keys := s.after(""); len(keys) != len(dumb) || !slices.IsSortedFunc(keys, bytes.Compare) {
					t.Fatalf("keys %q", keys)
				}
				if s.rows.used > 3*s.rows.live/2+slack || s.heads.used > 2*s.heads.live+slack {
					t.Fatalf("too much is written that does not count: %d of %d bytes of rows do, %d of %d of heads", s.rows.live, s.rows.used, s.heads.live, s.heads.used)
				}
			},
		})
	})
}

func sameRows(a, b rowSet) bool {
	return slices.EqualFunc(a, b, func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })
}

// put writes all rows of a key.
func (s *shard) put(key string, set ...[]byte) {
	s.write(hashOf(key), s.headOf(hashOf(key), key, len(set)), set, 1<<len(set)-1)
}

// What is taken for rows stays in proportion to them, however often they change.
func TestAShardTakesNoMoreThanItHolds(t *testing.T) {
	var s shard
	held, row := 0, bytes.Repeat([]byte{1}, 700)
	for n := range 20_000 {
		key := fmt.Sprint("k", n%1_000)
		s.put(key, row[:n%len(row)], row[:n%7])
	}
	for _, b := range s.heads.list {
		held += cap(b)
	}
	for _, b := range s.rows.list {
		held += cap(b.bytes)
	}
	if live := s.rows.live + s.heads.live; held > 2*live {
		t.Errorf("%d bytes for rows of %d", held, live)
	}
	for n := range 1_000 {
		key := fmt.Sprint("k", n)
		s.remove(hashOf(key), key, 2)
	}
	if left := len(s.rows.list) + len(s.heads.list); left != 0 || s.rows.live != 0 || s.heads.live != 0 || len(s.index) != 0 {
		t.Errorf("of nothing, %d blocks are left, %d bytes and %d keys", left, s.rows.live+s.heads.live, len(s.index))
	}
}

func TestRowsThatChangeTouchNoFreshMemory(t *testing.T) {
	var s shard
	row := bytes.Repeat([]byte{1}, 700)
	change := func() {
		for n := range 2_000 {
			s.put(fmt.Sprint("k", n%500), row[:300+n%400], row[:n%7])
		}
	}
	for range 20 {
		change()
	}
	blocks := func() map[*byte]bool {
		all := map[*byte]bool{}
		for i := range s.rows.list {
			if b := s.rows.list[i].bytes[:cap(s.rows.list[i].bytes)]; len(b) > 0 {
				all[&b[0]] = true
			}
		}
		return all
	}
	before := blocks()
	for range 50 {
		change()
	}
	fresh := 0
	for b := range blocks() {
		if !before[b] {
			fresh++
		}
	}
	if fresh > len(before)/4 {
		t.Errorf("of %d blocks %d are others after 100,000 writes", len(before), fresh)
	}
}

// Large rows of few people are those that blocks fit worst.
func TestAShardOfFewLargeRowsTakesNoMuchMoreThanItHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ keys, size int }{{5, 4_500}, {20, 2_500}, {50, 1_300}, {1_000, 2_000}} {
		var s shard
		row, most := make([]byte, 2*c.size), 0.0
		for n := range 30 * c.keys {
			key := fmt.Sprint("k", random.IntN(c.keys))
			s.put(key, row[:c.size*9/10+random.IntN(c.size/5)], row[:200+random.IntN(200)])
			held := 0
			for _, b := range s.rows.list {
				held += cap(b.bytes)
			}
			if n > 10*c.keys {
				most = max(most, float64(held)/float64(s.rows.live))
			}
		}
		if most > 2.5 {
			t.Errorf("%d people with %d bytes: it takes %.1f times what it holds", c.keys, c.size, most)
		}
	}
}

func BenchmarkShardWrite(b *testing.B) {
	var s shard
	row, keys := bytes.Repeat([]byte{1}, 300), make([]string, 4_000)
	for n := range keys {
		keys[n] = fmt.Sprintf("customer:%09d", n)
	}
	set := rowSet{row, row[:100], row[:50], row[:80]}
	for n := 0; b.Loop(); n++ {
		s.put(keys[n%len(keys)], set...)
	}
}

func BenchmarkShardRead(b *testing.B) {
	var s shard
	row, keys := bytes.Repeat([]byte{1}, 300), make([]string, 4_000)
	set := rowSet{row, row[:100], row[:50], row[:80]}
	for n := range keys {
		keys[n] = fmt.Sprintf("customer:%09d", n)
		s.put(keys[n], set...)
	}
	for n := 0; b.Loop(); n++ {
		key := keys[n%len(keys)]
		if at, found := s.find(hashOf(key), key); found {
			s.read(at, set)
		}
	}
}
