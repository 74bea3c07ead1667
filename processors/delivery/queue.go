package delivery

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// queue decides what is told next. Activations and what came of requests go in,
// each with the time; requests and verdicts come out. It has no clock and no
// goroutine, so a test can live a year with it.
//
// People do not wait for each other: each has a line of their own, of which one
// request at a time has something. Whose message fails rests alone, longer each
// time. A message that fails while others are taken is broken itself; one that
// fails with all others is not, their destination is down.
type queue struct {
	hook   Webhook // with its defaults
	random func() float64

	lines   map[string]*line // by person, of those of whom anything is in hand
	fresh   []*line          // that may go, and whose first message has not failed
	failed  []*line          // that may go again
	resting resting          // until they may
	waiting []*line          // until what others have in hand is settled: see leavings
	held    int              // messages in all lines
	out     int              // requests on their way
	again   int              // of them, requests for lines that have failed

	came     int64 // messages, ever
	leavings leavings

	alive   int64 // requests that were taken or refused, ever: the destination was well
	breaker breaker
	paced   time.Time // no request sets out before
}

// line is what is in hand about one person, in order.
type line struct {
	person   string
	items    []item
	away     bool          // a request has some of it
	gone     bool          // its partition is another process's now
	tries    int           // how often the first message was not taken
	last     time.Time     // when it failed the last time; zero if since then it was asked to wait
	alive    int64         // the queue's count then
	broken   time.Duration // for how long it has failed while others were taken
	together int           // the most messages in a request with it
	due      time.Time     // until then it rests
}

// request is messages to tell at once.
type request struct {
	items []item
	lines []*line
	of    []int // how many items of each line
	probe bool  // finds out how the destination is while the breaker is open
	again bool
}

// verdict is a message that will not be told any more.
type verdict struct {
	item
	result outcome // refused, expired or broken
	status string  // the last answer
}

func newQueue(hook Webhook, random func() float64) *queue {
	return &queue{hook: hook, random: random, lines: map[string]*line{}, leavings: leavings{}}
}

// add takes a message in hand.
func (q *queue) add(i item) {
	q.held++
	q.came++
	i.came = q.came
	q.expect(i)
	l := q.lines[i.Person]
	if l == nil {
		l = &line{person: i.Person, together: q.hook.Batch}
		q.lines[i.Person] = l
		q.fresh = append(q.fresh, l)
	}
	l.items = append(l.items, i)
}

// next is the request that sets out now, nil if there is none.
func (q *queue) next(now time.Time) *request {
	for len(q.resting) > 0 && !q.resting[0].due.After(now) {
		q.failed = append(q.failed, heap.Pop(&q.resting).(*line))
	}
	ready := q.pick()
	if ready == nil || q.out >= q.hook.Lanes || now.Before(q.paced) || !q.breaker.lets(now) {
		return nil
	}
	r := q.gather(ready)
	if r.again = ready == &q.failed; r.again {
		q.again++
	}
	r.probe = q.breaker.enter()
	q.out++
	if q.hook.PerSecond > 0 {
		q.paced = now.Add(time.Duration(float64(time.Second) / q.hook.PerSecond))
	}
	return r
}

// pick says from which lines the next request comes. What has failed gets a
// quarter of the lanes while others wait, and half if none does: it may hang.
func (q *queue) pick() *[]*line {
	q.fresh, q.failed = q.filled(q.fresh), q.filled(q.failed)
	share := q.hook.Lanes / 4
	if len(q.fresh) == 0 {
		share = q.hook.Lanes / 2
	}
	switch {
	case q.breaker.open && len(q.fresh) > 0: // says more about the destination than what may be broken
		return &q.fresh
	case len(q.failed) > 0 && (q.breaker.open || q.again < max(share, 1)):
		return &q.failed
	case len(q.fresh) > 0:
		return &q.fresh
	}
	return nil
}

// filled is lines from the first on that holds anything and waits for nobody.
func (q *queue) filled(lines []*line) []*line {
	for ; len(lines) > 0; lines = lines[1:] {
		switch l := lines[0]; {
		case len(l.items) == 0:
		case q.waits(l.items[0]):
			q.waiting = append(q.waiting, l)
		default:
			return lines
		}
	}
	return lines
}

// gather makes a request of the first of ready, and of those that may go with it.
func (q *queue) gather(ready *[]*line) *request {
	r := &request{}
	room := q.hook.Batch
	take := func(l *line) bool {
		if len(l.items) == 0 {
			return true
		}
		most := min(room, l.together)
		if len(r.items) >= most || len(r.items) > 0 && l.items[0].group != r.items[0].group || q.waits(l.items[0]) {
			return false
		}
		room = most
		n := 0
		for n < len(l.items) && len(r.items) < room && l.items[n].group == l.items[0].group && !q.waits(l.items[n]) {
			r.items = append(r.items, l.items[n])
			n++
		}
		l.away = true
		r.lines, r.of = append(r.lines, l), append(r.of, n)
		return true
	}
	take((*ready)[0])
	*ready = (*ready)[1:]
	if len(r.items) < room {
		*ready = slices.DeleteFunc(*ready, take)
	}
	return r
}

// wake is when next may have what it has not now, if nothing else happens until
// then; never, if only something else can help.
func (q *queue) wake() (at time.Time, ever bool) {
	ready := q.pick()
	if q.out >= q.hook.Lanes || q.breaker.waits() || ready == nil && (len(q.failed) > 0 || len(q.resting) == 0) {
		return at, false
	}
	if ready == nil {
		at = q.resting[0].due
	}
	for _, gate := range []time.Time{q.paced, q.breaker.until, q.breaker.asked} {
		if gate.After(at) {
			at = gate
		}
	}
	return at, true
}

// done says what came of a request; after is how long the receiver asks to be
// left alone. It returns what is told, and what will not be any more.
func (q *queue) done(r *request, a answer, now time.Time) (told []item, ended []verdict) {
	q.out--
	if r.again {
		q.again--
	}
	if a.result == taken || a.result == refused {
		q.alive++
		if q.breaker.well(r.probe) {
			q.revive()
		}
	}
	switch {
	case a.result == taken:
		told = r.items
		for i, l := range r.lines {
			q.drop(l, r.of[i])
		}
	case a.result == refused && len(r.items) == 1:
		ended = []verdict{{r.items[0], refused, a.status}}
		q.drop(r.lines[0], 1)
	case a.result == refused: // perhaps only one of them is wrong
		for _, l := range r.lines {
			l.together = 1
		}
	default:
		ended = q.fail(r, a, now)
	}
	for _, l := range r.lines {
		q.back(l, now)
	}
	return told, ended
}

// fail lets the lines of a request rest, and gives up what is broken or too old.
func (q *queue) fail(r *request, a answer, now time.Time) (ended []verdict) {
	tries := r.lines[0].tries
	if len(r.items) > 1 && a.result == failed {
		tries = 0 // half of them again, soon: if one is broken, waiting does not help the others
	}
	pause := max(a.after, backoff(tries, q.random()))
	blamed := false // for this, rather than the destination
	for _, l := range r.lines {
		if a.result == failed && !l.last.IsZero() && q.alive > l.alive {
			l.broken += now.Sub(l.last)
		}
		blamed = blamed || l.broken > 0
		if len(r.items) > 1 && a.result == failed {
			l.together = len(r.items) / 2
		}
		if l.last = now; a.result == busy {
			l.last = time.Time{}
		}
		l.tries, l.alive, l.due = l.tries+1, q.alive, now.Add(pause)
	}
	if l := r.lines[0]; len(r.items) == 1 && a.result == failed && l.broken > q.hook.PoisonAfter {
		ended = append(ended, verdict{r.items[0], broken, a.status})
		q.drop(l, 1)
	}
	asked := a.after
	if a.result == busy {
		asked = pause
	}
	q.breaker.ill(r, blamed, asked, now, q.random())
	for _, l := range r.lines {
		ended = append(ended, q.expire(l, a.status, now)...)
	}
	if !q.breaker.open {
		return ended
	}
	q.release()                 // the first message of some may end here
	for _, l := range q.lines { // it is down for them as well
		if !l.away {
			ended = append(ended, q.expire(l, a.status, now)...)
			q.forget(l)
		}
	}
	slices.SortStableFunc(ended, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(a.record.Partition, b.record.Partition), cmp.Compare(a.record.Offset, b.record.Offset))
	})
	return ended
}

// expire gives up what has been in hand for too long.
func (q *queue) expire(l *line, status string, now time.Time) (ended []verdict) {
	for len(l.items) > 0 && now.Sub(l.items[0].since) > q.hook.GiveUpAfter {
		ended = append(ended, verdict{l.items[0], expired, status})
		q.drop(l, 1)
	}
	return ended
}

// drop ends the first n messages of a line; the next one has not failed yet.
func (q *queue) drop(l *line, n int) {
	q.ended(l.items[:n])
	l.items = l.items[n:]
	if !l.gone {
		q.held -= n
	}
	l.forgive(q.hook.Batch)
}

func (l *line) forgive(batch int) {
	l.tries, l.broken, l.together, l.last, l.due = 0, 0, batch, time.Time{}, time.Time{}
}

// back puts a line where it belongs after a request.
func (q *queue) back(l *line, now time.Time) {
	l.away = false
	switch {
	case l.gone || len(l.items) == 0:
		q.ended(l.items)
		l.items = nil
		q.forget(l)
	case l.tries == 0:
		q.fresh = append(q.fresh, l)
	case l.due.After(now):
		heap.Push(&q.resting, l)
	default:
		q.failed = append(q.failed, l)
	}
}

// forget drops an empty line; should more come, it has a new one.
func (q *queue) forget(l *line) {
	if len(l.items) == 0 && q.lines[l.person] == l {
		delete(q.lines, l.person)
	}
}

// revive lets those go at once who have failed only because the destination did.
func (q *queue) revive() {
	still := q.resting[:0]
	for _, l := range q.resting {
		if l.broken > 0 {
			still = append(still, l)
			continue
		}
		l.forgive(q.hook.Batch)
		q.fresh = append(q.fresh, l)
	}
	q.resting = still
	heap.Init(&q.resting)
	slices.SortStableFunc(q.fresh, func(a, b *line) int { return cmp.Compare(a.oldest(), b.oldest()) })
}

func (l *line) oldest() int64 {
	if len(l.items) == 0 {
		return 0
	}
	return l.items[0].record.Offset
}

// leave drops what is in hand of partitions, save what is on its way.
func (q *queue) leave(partitions []int32) {
	for person, l := range q.lines {
		if len(l.items) == 0 || !slices.Contains(partitions, l.items[0].record.Partition) {
			continue
		}
		q.held -= len(l.items)
		if l.gone = true; !l.away {
			q.ended(l.items)
			l.items = nil
		}
		delete(q.lines, person)
	}
}

// resting is a heap of lines by when they may go again.
type resting []*line

func (r resting) Len() int           { return len(r) }
func (r resting) Less(i, j int) bool { return r[i].due.Before(r[j].due) }
func (r resting) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *resting) Push(l any)        { *r = append(*r, l.(*line)) }

func (r *resting) Pop() any {
	last := len(*r) - 1
	l := (*r)[last]
	*r = (*r)[:last]
	return l
}
