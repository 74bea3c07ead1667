package host

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kairos/processors/stage"
	"kairos/schemas"
)

// wakingRow is as much of a row as says when it wants to be woken; 0: never.
func wakingRow(at schemas.Instant) []byte {
	return binary.AppendVarint(make([]byte, 10), int64(at))
}

func (t *timers) all() (text string) {
	for _, one := range t.due(1<<60, 1<<20) {
		text += fmt.Sprint(one.at, " ", one.key, "\n")
	}
	return text
}

// DESIGN, non-obvious 32.
func TestTimersGoBackToWhatIsCommittedWithoutLookingAtAllRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPartition(0, diskTables)
		p.timers = timersOf(p.rows)
		batch := func() {
			p.open()
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				key, table := fmt.Sprint("k", rapid.IntRange(0, 6).Draw(t, "key")), rapid.IntRange(0, 1).Draw(t, "table")
				var row []byte
				if rapid.IntRange(0, 3).Draw(t, "is there") > 0 {
					row = wakingRow(schemas.Instant(rapid.IntRange(0, 5).Draw(t, "wake")))
				}
				p.at(key)
				p.put([]stage.RowChange{{Table: diskTables[table], Key: key, Value: row}})
			}
			p.retime()
		}
		for range rapid.IntRange(0, 5).Draw(t, "committed") {
			batch()
			p.commit()
		}
		for range rapid.IntRange(0, 3).Draw(t, "open") {
			batch()
		}
		p.strange = false
		if err := p.ready(); err != nil {
			t.Fatal(err)
		}
		if got, want := p.timers.all(), timersOf(p.rows).all(); got != want {
			t.Fatalf("timers\n%swant\n%s", got, want)
		}
	})
}
