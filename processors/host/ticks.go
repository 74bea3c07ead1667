package host

import (
	"cmp"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// heard is what follows from a partition's watermarks. With many partitions
// they are many, and are asked for all the time.
type heard struct {
	known bool
	time  schemas.Instant // see inputTime
	round int64           // the newest one of the loops in which a word was heard
}

// observe keeps a tick, of its source and of the others that say the same, and
// reports whether it was news.
func (p *partition) observe(topic string, tick schemas.Tick) bool {
	sources := append([]string{tick.Source}, tick.Others...)
	tick.Others = nil
	news := false
	for _, tick.Source = range sources {
		news = p.observeOne(topic, tick) || news
	}
	if news {
		p.heard.known = false
		p.heard.round = max(p.heard.round, tick.Round)
	}
	return news
}

func (p *partition) observeOne(topic string, tick schemas.Tick) bool {
	i, ok := p.find(source{topic, tick.Source})
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

func (p *partition) find(s source) (int, bool) {
	return slices.BinarySearchFunc(p.state.Watermarks, s, func(w schemas.Watermark, s source) int {
		return cmp.Or(cmp.Compare(w.Topic, s.topic), cmp.Compare(w.Tick.Source, s.name))
	})
}

// watermark is the newest tick of a source; its zero value if there was none.
func (p *partition) watermark(s source) schemas.Tick {
	if i, ok := p.find(s); ok {
		return p.state.Watermarks[i].Tick
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
	if !p.heard.known {
		p.heard.known, p.heard.time = true, r.earliest(p)
	}
	return p.heard.time
}

func (r *run) earliest(p *partition) schemas.Instant {
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
func (r *run) tell(s *share, w *words) {
	p := s.partition
	if !r.mustTell(p) {
		return
	}
	p.state.Told = r.tellable(p)
	s.stateful = true
	for _, topic := range r.tellTopics {
		w.add(topic, p.number, schemas.Tick{Time: p.state.Told})
	}
}

// words are the ticks of a batch. Of partitions that say the same a topic's
// partition gets one record: a record for each of them would make as many as
// the square of the partitions.
type words struct {
	said   []word
	places map[saying]int
}

type word struct {
	topic topologies.Topic
	tick  schemas.Tick
}

// add lets a partition tick in all partitions of a topic, behind all that the
// batch has to say.
func (w *words) add(topic topologies.Topic, number int32, tick schemas.Tick) {
	name, what := tickSource(topic, number), sayingOf(topic.Name, tick)
	if place, ok := w.places[what]; ok {
		w.said[place].tick.Others = append(w.said[place].tick.Others, name)
		return
	}
	if w.places == nil {
		w.places = map[saying]int{}
	}
	w.places[what] = len(w.said)
	tick.Source = name
	w.said = append(w.said, word{topic, tick})
}

// outputs are the records of the ticks.
func (r *run) outputs(w *words) []output {
	var all []output
	for _, said := range w.said {
		value, err := schemas.TickCodec.Append(nil, &said.tick)
		if err != nil {
			panic(err) // a record of plain fields
		}
		for number := range r.partitionsOf[said.topic.Name] {
			record := &kgo.Record{Topic: said.topic.Name, Partition: number, Key: []byte(schemas.TickKey), Value: value}
			all = append(all, output{record, -1})
		}
	}
	return all
}
