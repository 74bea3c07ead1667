package delivery

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// leavings are the messages in hand that take addresses off a list: by audience
// and address, when each came, rising.
//
// An address that moves from one person to another is taken off by a message about
// the first and put on by one about the second, which was written later. Nobody's
// order holds between the two but this one: what puts on waits for what takes off
// and came before it. Waiting for nothing but what came before, none waits for ever.
type leavings map[string][]int64

// written puts what was read together, one partition after the other, in the order
// in which brokers took it, as their stamps say. Within a partition the order stays.
func written(records []*kgo.Record) []*kgo.Record {
	newest, at := map[int32]time.Time{}, make(map[*kgo.Record]time.Time, len(records))
	for _, r := range records {
		if r.Timestamp.After(newest[r.Partition]) {
			newest[r.Partition] = r.Timestamp
		}
		at[r] = newest[r.Partition]
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return at[a].Compare(at[b]) })
	return records
}

func addressesOf(i item) []string {
	var all []string
	for _, id := range i.Identifiers {
		all = append(all, i.Audience+" "+id.String())
	}
	return all
}

// lists says whether the receiver lists people by address, in a form of its own.
func (w Webhook) lists() bool { return len(w.Needs) > 0 && w.grouped() }

// expect notes what i takes off.
func (q *queue) expect(i item) {
	if i.Entered || !q.hook.lists() {
		return
	}
	for _, address := range addressesOf(i) {
		q.leavings[address] = append(q.leavings[address], i.came)
	}
}

// ended forgets what messages were to take off, and lets go who waited for it.
func (q *queue) ended(items []item) {
	for _, i := range items {
		if i.Entered || !q.hook.lists() {
			continue
		}
		for _, address := range addressesOf(i) {
			left := slices.DeleteFunc(q.leavings[address], func(came int64) bool { return came == i.came })
			if q.leavings[address] = left; len(left) == 0 {
				delete(q.leavings, address)
			}
		}
		q.release()
	}
}

// release lets all who wait be looked at again.
func (q *queue) release() {
	for _, l := range q.waiting {
		if l.tries == 0 {
			q.fresh = append(q.fresh, l)
		} else {
			q.failed = append(q.failed, l)
		}
	}
	q.waiting = nil
}

// waits says whether i puts on an address that is still to be taken off.
func (q *queue) waits(i item) bool {
	if !i.Entered || len(q.leavings) == 0 {
		return false
	}
	return slices.ContainsFunc(addressesOf(i), func(address string) bool {
		came := q.leavings[address]
		return len(came) > 0 && came[0] < i.came
	})
}
