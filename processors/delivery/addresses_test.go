package delivery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"kairos/schemas"
)

// drawMoves makes a history of addresses that people get and lose, as it is
// written, each person to a partition: who loses one is told before whoever gets it.
// It says who has which in the end.
func drawMoves(t *rapid.T) (history []item, owners map[string]string) {
	owners = map[string]string{}
	partitions := rapid.Int32Range(1, 3).Draw(t, "partitions")
	say := func(person, address string, entered bool) {
		history = append(history, item{
			record: &kgo.Record{
				Offset: int64(len(history)), Partition: int32(person[0]) % partitions, Timestamp: time.UnixMilli(int64(len(history))),
			},
			group:      fmt.Sprint("vip ", entered),
			Activation: &schemas.Activation{Person: person, Audience: "vip", Entered: entered, Identifiers: []schemas.Identifier{{Namespace: "email", Value: address}}},
		})
	}
	for range rapid.IntRange(1, 25).Draw(t, "moves") {
		address := rapid.SampledFrom([]string{"a@x", "b@x"}).Draw(t, "address")
		next := rapid.SampledFrom([]string{"", "ann", "bob", "eve"}).Draw(t, "goes to")
		if before := owners[address]; before != "" {
			say(before, address, false)
			delete(owners, address)
		}
		if next != "" {
			say(next, address, true)
			owners[address] = next
		}
	}
	return history, owners
}

// sideBySide is what was written, as it is read: one partition after the other.
func sideBySide(items []item) (records []*kgo.Record) {
	for _, i := range items {
		records = append(records, i.record)
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return cmp.Compare(a.Partition, b.Partition) })
	return records
}

// Whatever brokers stamp, which clocks that go back make of it included.
func TestWhatIsPutInOrderKeepsTheOrderOfEachPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var records []*kgo.Record
		for n := range rapid.IntRange(0, 40).Draw(t, "records") {
			records = append(records, &kgo.Record{
				Offset: int64(n), Partition: rapid.Int32Range(0, 3).Draw(t, "partition"), Timestamp: time.UnixMilli(rapid.Int64Range(0, 20).Draw(t, "stamp")),
			})
		}
		last, honest := map[int32]int64{}, true
		put := written(slices.Clone(records))
		for _, r := range put {
			if before, any := last[r.Partition]; any && before > r.Offset {
				t.Fatalf("of partition %d comes %d behind %d", r.Partition, r.Offset, before)
			}
			last[r.Partition] = r.Offset
		}
		newest := map[int32]time.Time{}
		for _, r := range records {
			honest = honest && !r.Timestamp.Before(newest[r.Partition])
			newest[r.Partition] = r.Timestamp
		}
		if honest && !slices.IsSortedFunc(put, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) }) || len(put) != len(records) {
			t.Fatal("it is not in order")
		}
	})
}

// Whatever fails, and however many requests are on their way: the list ends as it
// is to be, though people's messages have no order between them otherwise. A
// request that fails may have been taken all the same.
func TestAListOfAddressesEndsAsItIsHoweverTheyMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hook := Webhook{Body: "{}", Needs: []string{"email"}, Lanes: rapid.IntRange(1, 8).Draw(t, "lanes"), Batch: rapid.IntRange(1, 4).Draw(t, "batch")}
		q := newQueue(hook.withDefaults(), func() float64 { return 0.5 })
		history, owners := drawMoves(t)
		listed := map[string]bool{}
		var away []*request
		now := time.Unix(1_700_000_000, 0)
		for come := 0; come < len(history) || q.held > 0 || len(away) > 0; {
			if come < len(history) && rapid.Bool().Draw(t, "some come") {
				many := rapid.IntRange(1, len(history)-come).Draw(t, "together")
				for _, r := range written(sideBySide(history[come : come+many])) {
					history[r.Offset].since = now
					q.add(history[r.Offset])
				}
				come += many
				continue
			}
			if r := q.next(now); r != nil {
				away = append(away, r)
				continue
			}
			if len(away) == 0 {
				at, ever := q.wake()
				switch {
				case ever:
					now = at
				case come == len(history):
					t.Fatalf("%d messages wait for ever", q.held)
				}
				continue
			}
			i := rapid.IntRange(0, len(away)-1).Draw(t, "comes back")
			r := away[i]
			away = append(away[:i], away[i+1:]...)
			a := answer{result: rapid.SampledFrom([]outcome{taken, taken, failed, busy}).Draw(t, "answer")}
			if a.result == taken || rapid.Bool().Draw(t, "taken all the same") {
				for _, i := range r.items {
					listed[i.Identifiers[0].Value] = i.Entered
				}
			}
			now = now.Add(time.Millisecond)
			q.done(r, a, now)
		}
		maps.DeleteFunc(listed, func(_ string, on bool) bool { return !on })
		for address := range listed {
			if owners[address] == "" {
				t.Fatalf("%s is on the list and nobody's", address)
			}
		}
		if len(listed) != len(owners) {
			t.Fatalf("on the list are %v, people have %v", listed, owners)
		}
		if len(q.leavings) > 0 || len(q.waiting) > 0 {
			t.Fatalf("%v and %v are left", q.leavings, q.waiting)
		}
	})
}
