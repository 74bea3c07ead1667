package host

import (
	"cmp"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// observe keeps a tick and reports whether it was news.
func (p *partition) observe(topic string, tick schemas.Tick) bool {
	i, ok := slices.BinarySearchFunc(p.state.Watermarks, source{topic, tick.Source}, func(w schemas.Watermark, s source) int {
		return cmp.Or(cmp.Compare(w.Topic, s.topic), cmp.Compare(w.Tick.Source, s.name))
	})
	if !ok {
		p.state.Watermarks = slices.Insert(p.state.Watermarks, i, schemas.Watermark{Topic: topic, Tick: tick})
		return true
	}
	known := &p.state.Watermarks[i].Tick
	if known.Round >= tick.Round && known.Time >= tick.Time {
		return false
	}
	*known = tick
	return true
}

// watermark is the newest tick of a source; its zero value if there was none.
func (p *partition) watermark(s source) schemas.Tick {
	for _, w := range p.state.Watermarks {
		if w.Topic == s.topic && w.Tick.Source == s.name {
			return w.Tick
		}
	}
	return schemas.Tick{}
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
	news := p.observe(record.Topic, *tick)
	if news && r.looping[record.Topic] {
		r.hear(p)
	}
	return news
}

// inputTime is the time until which all records of all inputs have been read,
// loops aside; 0 while a source has not ticked yet.
func (r *run) inputTime(p *partition) schemas.Instant {
	if len(r.sources) == 0 {
		return 0
	}
	t := schemas.Instant(math.MaxInt64) // where the door has no such partition, the loop alone says what time it is
	for _, s := range r.sources {
		if r.has(s.topic, p.number) {
			t = min(t, p.watermark(s).Time)
		}
	}
	return t
}

// timeOf is the partition time, until which wakes may run: all that was
// accepted until then has been read, and what it caused at other keys has
// arrived.
func (r *run) timeOf(p *partition) schemas.Instant {
	t := r.inputTime(p)
	if len(r.loops) > 0 {
		t = min(t, p.state.Loop.Quiet)
	}
	return t
}

// doneOf is the time until which wakes have run, too; 0 while some are due.
func (r *run) doneOf(p *partition) schemas.Instant {
	t := r.timeOf(p)
	if p.timers.anyDue(t) {
		return 0
	}
	return t
}

// tellable is the time that the stages behind may know: nothing that was caused
// until then is still to come from this partition.
func (r *run) tellable(p *partition) schemas.Instant {
	t := r.doneOf(p)
	if len(r.loops) > 0 {
		t = min(t, p.state.Loop.Still)
	}
	return t
}

// mustTell reports whether the stages behind do not know the time yet.
func (r *run) mustTell(p *partition) bool {
	return len(r.tellTopics) > 0 && r.tellable(p) > p.state.Told
}

// tell ticks for the stages behind: after the last record that the partition's
// time has caused, to all partitions, since a record may go to any of them.
func (r *run) tell(s *share) {
	p := s.partition
	if !r.mustTell(p) {
		return
	}
	p.state.Told = r.tellable(p)
	s.stateful = true
	for _, topic := range r.tellTopics {
		r.tick(s, topic, schemas.Tick{Time: p.state.Told})
	}
}

// tick writes one tick of the share's partition to all partitions of a topic.
func (r *run) tick(s *share, topic topologies.Topic, tick schemas.Tick) {
	tick.Source = tickSource(topic, s.partition.number)
	value, err := schemas.TickCodec.Append(nil, &tick)
	if err != nil {
		panic(err) // a record of plain fields
	}
	for number := range r.partitionsOf[topic.Name] {
		record := &kgo.Record{Topic: topic.Name, Partition: number, Key: []byte(schemas.TickKey), Value: value}
		s.records = append(s.records, output{record, -1})
	}
}
