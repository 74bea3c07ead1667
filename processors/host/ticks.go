package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
)

// observe takes a tick and reports whether it was news.
func (p *partition) observe(topic, name string, t schemas.Instant) bool {
	i, ok := slices.BinarySearchFunc(p.state.Watermarks, source{topic, name}, func(w schemas.Watermark, s source) int {
		return cmp.Or(cmp.Compare(w.Topic, s.topic), cmp.Compare(w.Source, s.name))
	})
	if !ok {
		p.state.Watermarks = slices.Insert(p.state.Watermarks, i, schemas.Watermark{Topic: topic, Source: name, Time: t})
		return true
	}
	if p.state.Watermarks[i].Time >= t {
		return false
	}
	p.state.Watermarks[i].Time = t
	return true
}

func (p *partition) watermark(s source) schemas.Instant {
	for _, w := range p.state.Watermarks {
		if w.Topic == s.topic && w.Source == s.name {
			return w.Time
		}
	}
	return 0
}

// observeTick takes a tick out of an input. One that cannot be read is logged
// and passed over: it carries nothing but time, and the next one will do.
func (r *run) observeTick(p *partition, record *kgo.Record) bool {
	tick, err := schemas.TickCodec.Decode(record.Value)
	if err != nil {
		r.config.Logger.Error("a tick that cannot be read", "topic", record.Topic, "partition", record.Partition,
			"offset", record.Offset, "error", err)
		return false
	}
	return p.observe(record.Topic, tick.Source, tick.Time)
}

// timeOf is the partition time: everything accepted until then has been read
// from all sources. 0 while a source has not ticked yet.
func (r *run) timeOf(p *partition) schemas.Instant {
	if len(r.sources) == 0 {
		return 0
	}
	t := p.watermark(r.sources[0])
	for _, s := range r.sources[1:] {
		t = min(t, p.watermark(s))
	}
	return t
}

// mustTell reports whether the stages behind do not know p's time yet although
// all wakes until then have run.
func (r *run) mustTell(p *partition) bool {
	now := r.timeOf(p)
	return len(r.tellTopics) > 0 && now > p.state.Told && !p.timers.anyDue(now)
}

// tell ticks for the stages behind: after the last record that the partition's
// time has caused, to all partitions, since a record may go to any of them.
func (r *run) tell(s *share) {
	p := s.partition
	if !r.mustTell(p) {
		return
	}
	now := r.timeOf(p)
	for _, topic := range r.tellTopics {
		value, err := schemas.TickCodec.Append(nil, &schemas.Tick{Source: tickSource(topic, p.number), Time: now})
		if err != nil {
			panic(err) // a record of plain fields
		}
		for number := range r.partitionsOf[topic.Name] {
			record := &kgo.Record{Topic: topic.Name, Partition: number, Key: []byte(schemas.TickKey), Value: value}
			s.records = append(s.records, output{record, -1})
		}
	}
	p.state.Told = now
	s.stateful = true
}

// wallClock ticks for the door. It asks Kafka where the door's topics end, and
// when the host has read until there, everything accepted before the question
// (less the grace) has been read. Asking goes on beside the work.
type wallClock struct {
	now     schemas.Instant // as of the last answer; 0: none
	ends    kadm.ListedOffsets
	asked   time.Time
	answers chan wallClock
}

// tick takes an answer and asks again when it is time.
func (w *wallClock) tick(r *run) {
	if r.config.Clock != Wall || len(r.doors) == 0 || len(r.owned) == 0 {
		return
	}
	if w.answers == nil {
		w.answers = make(chan wallClock, 1)
	}
	select {
	case answer := <-w.answers:
		w.now, w.ends = answer.now, answer.ends
	default:
	}
	if now := r.config.Now(); now.Sub(w.asked) >= r.config.TickEvery {
		w.asked = now
		go r.ask(now, w.answers)
	}
}

func (r *run) ask(now time.Time, answers chan<- wallClock) {
	ctx, cancel := context.WithTimeout(r.ctx, 10*r.config.TickEvery)
	defer cancel()
	listed, err := r.admin.ListEndOffsets(ctx, r.doors...)
	if err = errors.Join(err, listed.Error()); err != nil {
		if r.ctx.Err() == nil {
			r.config.Logger.Warn("the clock does not tick: no ends of the door's topics", "error", err)
		}
		return
	}
	answer := wallClock{now: schemas.InstantOf(now.Add(-r.config.TickGrace)), ends: listed}
	select {
	case answers <- answer:
		r.wakeUp()
	default:
	}
}

// reaches reports whether p has read the door's topic up to where it ended when
// the clock was asked.
func (w *wallClock) reaches(p *partition, door string) bool {
	end, ok := w.ends.Lookup(door, p.number)
	return ok && p.next[door] >= end.Offset && len(p.inbox) == 0
}

// wallOf is the newest time that p knows from its doors; the clock's own if it
// cannot use the clock now.
func (r *run) wallOf(p *partition) schemas.Instant {
	t := r.wall.now
	for _, door := range r.doors {
		if r.wall.reaches(p, door) {
			t = min(t, p.watermark(source{door, "door"}))
		}
	}
	return t
}
