package delivery

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"kairos/schemas"
)

func message(offset int, person string, revision int64) item {
	return item{
		record:     &kgo.Record{Offset: int64(offset)},
		Activation: &schemas.Activation{Destination: "crm", Person: person, Audience: "vip", Revision: revision},
	}
}

// arrival is a message of a play, and when it comes.
type arrival struct {
	at     time.Duration
	person string
}

// play is a destination's life in virtual time.
type play struct {
	hook     Webhook
	arrivals []arrival // by rising time
	answers  func(i *item, at time.Duration) (answer, time.Duration)

	requests int
	told     map[int]time.Duration // when, by number of arrival
	given    map[int]outcome       // up, likewise
}

type flight struct {
	*request
	answer
	back time.Duration
}

// run plays until nothing is left to happen, and holds the queue to its word on
// the way.
func (p *play) run(t interface {
	Helper()
	Fatalf(string, ...any)
}) *play {
	t.Helper()
	start := time.Unix(1_700_000_000, 0)
	q := newQueue(p.hook.withDefaults(), func() float64 { return 0.5 })
	p.told, p.given = map[int]time.Duration{}, map[int]outcome{}
	last := map[string]int{} // by person, the message that was settled last
	var away []flight
	var now, quiet, paced time.Duration
	settle := func(i item) {
		n := int(i.record.Offset)
		if before, any := last[i.Person]; any && before >= n {
			t.Fatalf("message %d of %s is settled after %d", n, i.Person, before)
		}
		last[i.Person] = n
	}
	for come := 0; ; {
		for come < len(p.arrivals) && p.arrivals[come].at <= now {
			i := message(come, p.arrivals[come].person, int64(come))
			i.since = start.Add(now)
			q.add(i)
			come++
		}
		for r := q.next(start.Add(now)); r != nil; r = q.next(start.Add(now)) {
			p.requests++
			if now < quiet {
				t.Fatalf("at %v a request sets out, and the receiver asked for quiet until %v", now, quiet)
			}
			if now < paced {
				t.Fatalf("at %v a request sets out, the next at this pace is due at %v", now, paced)
			}
			if p.hook.PerSecond > 0 {
				paced = now + time.Duration(float64(time.Second)/p.hook.PerSecond)
			}
			for _, f := range away {
				for _, l := range r.lines {
					if slices.ContainsFunc(f.items, func(i item) bool { return i.Person == l.person }) {
						t.Fatalf("two requests at once are about %s", l.person)
					}
				}
			}
			a, latency := p.answers(&r.items[0], now)
			for i := range r.items[1:] { // a batch fails as a whole
				if b, _ := p.answers(&r.items[i+1], now); b.result != taken {
					a = b
				}
			}
			away = append(away, flight{r, a, now + latency})
			if len(away) > q.hook.Lanes {
				t.Fatalf("%d requests at once", len(away))
			}
		}
		next := time.Duration(1<<63 - 1)
		if come < len(p.arrivals) {
			next = p.arrivals[come].at
		}
		for _, f := range away {
			next = min(next, f.back)
		}
		if at, ever := q.wake(); ever {
			if !at.After(start.Add(now)) {
				t.Fatalf("at %v there is something to do now, and nothing goes", now)
			}
			next = min(next, at.Sub(start))
		}
		if next == 1<<63-1 {
			break
		}
		now = next
		away = slices.DeleteFunc(away, func(f flight) bool {
			if f.back > now {
				return false
			}
			if f.after > 0 {
				quiet = max(quiet, now+f.after)
			}
			told, ended := q.done(f.request, f.answer, start.Add(now))
			for _, i := range told {
				settle(i)
				p.told[int(i.record.Offset)] = now
			}
			for _, v := range ended {
				settle(v.item)
				p.given[int(v.record.Offset)] = v.result
			}
			return true
		})
	}
	if q.held != 0 || q.out != 0 || q.again != 0 || len(q.lines) != 0 {
		t.Fatalf("in the end %d are held, %d away, %d again, %d lines", q.held, q.out, q.again, len(q.lines))
	}
	if len(p.told)+len(p.given) != len(p.arrivals) {
		t.Fatalf("of %d messages %d are told and %d given up", len(p.arrivals), len(p.told), len(p.given))
	}
	return p
}

const latency = 50 * time.Millisecond

func takes(*item, time.Duration) (answer, time.Duration) { return answer{taken, "", 0}, latency }

// dumb says when each message would be told if nobody ever waited for anybody
// else: at once, or when the same person's message before is told.
func dumb(arrivals []arrival) map[int]time.Duration {
	free, told := map[string]time.Duration{}, map[int]time.Duration{}
	for n, a := range arrivals {
		told[n] = max(a.at, free[a.person]) + latency
		free[a.person] = told[n]
	}
	return told
}

func TestAMessageThatBreaksItsReceiverCostsNobodyElseAMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.IntRange(2, 30).Draw(t, "people")
		poisoned := rapid.IntRange(1, opensAt-1).Draw(t, "poisoned")
		hangs := rapid.Bool().Draw(t, "hangs")
		p := &play{hook: Webhook{Lanes: 64, PoisonAfter: 10 * time.Minute}}
		for range rapid.IntRange(1, 200).Draw(t, "messages") {
			at := time.Duration(rapid.IntRange(0, 7200_000).Draw(t, "at")) * time.Millisecond
			p.arrivals = append(p.arrivals, arrival{at, fmt.Sprint("p", rapid.IntRange(0, people-1).Draw(t, "person"))})
		}
		slices.SortStableFunc(p.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
		bad := map[string]bool{}
		for n := range poisoned {
			bad[fmt.Sprint("p", n)] = true
		}
		p.answers = func(i *item, at time.Duration) (answer, time.Duration) {
			switch {
			case !bad[i.Person]:
				return takes(i, at)
			case hangs:
				return answer{failed, "nothing", 0}, 10 * time.Second
			}
			return answer{failed, "500", 0}, latency
		}
		p.run(t)
		for n, want := range dumb(p.arrivals) {
			if got := p.told[n]; !bad[p.arrivals[n].person] && got != want {
				t.Fatalf("message %d of %s is told at %v, alone it would be at %v", n, p.arrivals[n].person, got, want)
			}
		}
		for n, result := range p.given {
			if !bad[p.arrivals[n].person] || result != broken && result != expired {
				t.Fatalf("message %d of %s is given up: %s", n, p.arrivals[n].person, result.reason())
			}
		}
	})
}

func TestWhateverTheReceiverAnswersNothingIsLostAndEachPersonsOrderHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &play{hook: Webhook{
			Lanes: rapid.IntRange(1, 8).Draw(t, "lanes"), Batch: rapid.IntRange(1, 10).Draw(t, "batch"),
			PerSecond: rapid.SampledFrom([]float64{0, 0.5, 20}).Draw(t, "per second"), PoisonAfter: 10 * time.Minute, GiveUpAfter: 24 * time.Hour,
		}}
		for range rapid.IntRange(1, 120).Draw(t, "messages") {
			at := time.Duration(rapid.IntRange(0, 3600).Draw(t, "at")) * time.Second
			p.arrivals = append(p.arrivals, arrival{at, fmt.Sprint("p", rapid.IntRange(0, 20).Draw(t, "person"))})
		}
		slices.SortStableFunc(p.arrivals, func(a, b arrival) int { return int(a.at - b.at) })
		down := time.Duration(rapid.IntRange(0, 7200).Draw(t, "down until")) * time.Second
		sulks := rapid.IntRange(0, 3).Draw(t, "whom it is busy for")
		p.answers = func(i *item, at time.Duration) (answer, time.Duration) {
			n := int(i.record.Offset)
			switch {
			case i.Person == "p0":
				return answer{failed, "500", 0}, 10 * time.Second
			case n%11 == 3 && at >= down:
				return answer{refused, "400", 0}, latency
			case i.Person == fmt.Sprint("p", sulks) && at < 2*time.Hour:
				return answer{busy, "429", time.Duration(n%3) * time.Minute}, latency
			case at < down:
				return answer{failed, "503", time.Duration(n%2) * time.Minute}, latency
			}
			return takes(i, at)
		}
		p.run(t)
		for n, result := range p.given {
			person := p.arrivals[n].person
			if result == refused && n%11 != 3 || result == broken && person != "p0" || result == expired && person != "p0" {
				t.Fatalf("message %d of %s is given up: %s", n, person, result.reason())
			}
		}
	})
}

// Found by the law above: who was asked to wait, and then failed beside somebody's
// broken message, was blamed for all of the wait, and given up when asked again.
func TestWhoIsAskedToWaitIsNotBlamedForWaiting(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	q := newQueue(Webhook{Batch: 2, Lanes: 8, PoisonAfter: 10 * time.Minute}.withDefaults(), func() float64 { return 0.5 })
	away := map[string]*request{}
	for offset, person := range []string{"well", "broken", "patient"} {
		i := message(offset, person, 1)
		i.since = start
		q.add(i)
		away[person] = q.next(start)
	}
	fails := answer{failed, "500", 0}
	q.done(away["broken"], fails, start)
	q.done(away["patient"], answer{busy, "429", 20 * time.Minute}, start)
	q.done(away["well"], answer{taken, "200", 0}, start.Add(time.Second)) // so it is not the destination
	both := q.next(start.Add(21 * time.Minute))
	if len(both.items) != 2 {
		t.Fatalf("a request of %d messages, want those of two who wait", len(both.items))
	}
	q.done(both, fails, start.Add(21*time.Minute))
	for range 2 {
		alone := q.next(start.Add(22 * time.Minute))
		a := fails
		if alone.items[0].Person == "patient" {
			a = answer{busy, "429", 0}
		}
		for _, v := range second(q.done(alone, a, start.Add(22*time.Minute))) {
			if v.Person == "patient" {
				t.Errorf("the patient is given up: %s", v.result.reason())
			}
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// traffic is messages of many people at an even pace.
func traffic(people int, every, length time.Duration) (all []arrival) {
	for at := time.Duration(0); at < length; at += every {
		all = append(all, arrival{at, fmt.Sprint("p", len(all)*7919%people)})
	}
	return all
}

// waits lists how long messages of people waited, sorted.
func (p *play) waits(of func(person string) bool) (all []time.Duration) {
	for n, at := range p.told {
		if of(p.arrivals[n].person) {
			all = append(all, at-p.arrivals[n].at)
		}
	}
	slices.Sort(all)
	return all
}

func TestPeopleWhoseMessagesHangLeaveTheOthersTheirLanes(t *testing.T) {
	well := func(person string) bool { return person != "p1" && person != "p2" && person != "p3" }
	p := &play{hook: Webhook{Lanes: 8}, arrivals: traffic(500, 20*time.Millisecond, 2*time.Hour)}
	p.answers = func(i *item, at time.Duration) (answer, time.Duration) {
		if !well(i.Person) {
			return answer{failed, "nothing", 0}, 10 * time.Second
		}
		return takes(i, at)
	}
	waits := p.run(t).waits(well)
	if p99 := waits[len(waits)*99/100]; p99 != latency || waits[len(waits)-1] != latency {
		t.Errorf("p99 is %v, the longest %v", p99, waits[len(waits)-1])
	}
	if given := slices.Collect(maps.Values(p.given)); !slices.Contains(given, broken) || slices.Contains(given, refused) {
		t.Errorf("of the three people is given up: %v", given)
	}
}

func TestAnHourOf500sLosesNothingAndIsAskedSeldom(t *testing.T) {
	p := &play{hook: Webhook{Lanes: 8}, arrivals: traffic(200, time.Second, 2*time.Hour)}
	asked := 0
	p.answers = func(i *item, at time.Duration) (answer, time.Duration) {
		if at < time.Hour {
			asked++
			return answer{failed, "500", 0}, latency
		}
		return takes(i, at)
	}
	p.run(t)
	if len(p.given) > 0 || asked > 60 {
		t.Errorf("%d are given up, it is asked %d times while it is down", len(p.given), asked)
	}
	for n, at := range p.told {
		if p.arrivals[n].at < time.Hour && at > time.Hour+6*time.Minute {
			t.Errorf("message %d is told at %v only", n, at)
		}
	}
}

func TestAnOutageOfThreeDaysEndsInDeadLettersNotInPoison(t *testing.T) {
	p := &play{hook: Webhook{Lanes: 8}, arrivals: traffic(200, time.Minute, 3*time.Hour)}
	p.answers = func(*item, time.Duration) (answer, time.Duration) { return answer{failed, "502", 0}, latency }
	p.run(t)
	for n, result := range p.given {
		if result != expired {
			t.Errorf("message %d: %s", n, result.reason())
		}
	}
	if len(p.told) > 0 {
		t.Errorf("%d are told", len(p.told))
	}
}

func TestABrokenMessageInABatchIsFoundWithinSeconds(t *testing.T) {
	p := &play{hook: Webhook{Lanes: 4, Batch: 100}, arrivals: traffic(400, 0+time.Millisecond, 400*time.Millisecond)}
	p.answers = func(i *item, at time.Duration) (answer, time.Duration) {
		if i.Person == "p7" {
			return answer{failed, "500", 0}, latency
		}
		return takes(i, at)
	}
	waits := p.run(t).waits(func(person string) bool { return person != "p7" })
	if len(waits) != 399 || waits[len(waits)-1] > 15*time.Second {
		t.Errorf("of %d others the last waits %v", len(waits), waits[len(waits)-1])
	}
}
