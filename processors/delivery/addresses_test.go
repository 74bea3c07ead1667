package delivery

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"kairos/schemas"
)

// drawMoves makes a history of addresses that people get and lose, as it is
// written: who loses one is told before whoever gets it. It says who has which in
// the end.
func drawMoves(t *rapid.T) (history []item, owners map[string]string) {
	owners = map[string]string{}
	say := func(person, address string, entered bool) {
		history = append(history, item{
			record: &kgo.Record{Offset: int64(len(history))}, group: fmt.Sprint("vip ", entered),
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
			if come < len(history) && rapid.Bool().Draw(t, "one comes") {
				history[come].since = now
				q.add(history[come])
				come++
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
