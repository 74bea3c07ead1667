package host

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/processors/stage"
	"kairos/schemas"
)

// batch is what goes into one transaction.
type batch struct {
	shares   []*share
	messages map[int32][]*sarama.ConsumerMessage
	count    int
}

// each does something with all shares, at once if they are large: partitions have
// nothing in common.
func (b *batch) each(do func(*share)) {
	const large = 256 // messages
	if len(b.shares) == 1 || b.count < large {
		for _, s := range b.shares {
			do(s)
		}
		return
	}
	var working sync.WaitGroup
	for _, s := range b.shares {
		working.Go(func() { do(s) })
	}
	working.Wait()
}

// take puts what was polled into the inboxes.
func (r *run) take(fetches kgo.Fetches) {
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if p := r.owned[f.Partition]; p != nil {
			p.letIn() // nobody else may come to say so
			if len(p.state.Behind) > 0 && slices.Contains(r.doors, f.Topic) {
				p.held = append(p.held, f.Records...)
			} else {
				p.inbox = append(p.inbox, f.Records...)
			}
			p.ends[f.Topic] = max(p.ends[f.Topic], f.HighWatermark)
		}
	})
}

// letIn lets the door's records in once loops are read as far as they must be.
// What was on its way to a partition through its loop when a growth made it come
// home was said before them.
func (p *partition) letIn() (opened bool) {
	if len(p.state.Behind) == 0 || slices.ContainsFunc(p.state.Behind, func(b schemas.Position) bool { return p.next[b.Topic] < b.Offset }) {
		return false
	}
	p.state.Behind = nil
	p.inbox, p.held = append(p.inbox, p.held...), nil
	return true
}

func (r *run) countWaiting() (n int) {
	for _, p := range r.owned {
		n += len(p.inbox)
	}
	return n
}

// anyUrgent reports whether there is something to do at once, without new
// records.
func (r *run) anyUrgent() bool {
	for _, p := range r.owned {
		if len(p.inbox) > 0 || p.timers.anyDue(r.timeOf(p)) || r.mustSpeak(p) || r.mustTell(p) {
			return true
		}
	}
	return false
}

// collect makes the next batch: live records first, then due wakes, then a
// chunk of a sweep. It returns nil if there is nothing to do.
func (r *run) collect() *batch {
	b := &batch{messages: map[int32][]*sarama.ConsumerMessage{}}
	records, bytes := r.allowances()
	left := r.config.BatchBytes
	wakes := r.room(r.config.WakeChunk*len(r.owned), r.config.WakeShare)
	sweeps := r.room(r.config.SweepChunk*len(r.owned), r.config.SweepShare)
	for _, number := range r.inTurn() {
		p := r.owned[number]
		if r.idle(p) && (sweeps == 0 || r.toSweep(p) < 0) {
			continue
		}
		s := p.open()
		b.shares = append(b.shares, s)
		messages := r.collectRecords(p, records, bytes, &left)
		s.errands = -len(messages)
		messages = append(messages, r.collectWakes(p, max(1, wakes/len(r.owned)))...)
		messages = append(messages, r.collectSweep(p, &sweeps)...)
		s.messages = len(messages)
		s.errands += len(messages)
		b.messages[number] = messages
		b.count += len(messages)
	}
	if len(b.shares) == 0 {
		return nil
	}
	return b
}

// idle reports whether nothing but a sweep is to be done for p. Records that only move the
// place in an input, markers, are taken without a transaction.
func (r *run) idle(p *partition) bool {
	for len(p.inbox) > 0 && p.inbox[0].Attrs.IsControl() {
		p.next[p.inbox[0].Topic] = p.inbox[0].Offset + 1
		p.inbox = p.inbox[1:]
		p.letIn()
	}
	now := r.timeOf(p)
	return len(p.inbox) == 0 && !p.timers.anyDue(now) &&
		!r.mustTell(p) && !r.mustSpeak(p) && r.wall.now <= r.wallOf(p)
}

// inTurn lists the owned partitions in order, from another one each time: where
// records are large, nothing may be left of a batch's bytes for the last.
func (r *run) inTurn() []int32 {
	numbers := r.numbers()
	if len(numbers) == 0 {
		return nil
	}
	r.turns++
	first := r.turns % len(numbers)
	return append(numbers[first:], numbers[:first]...)
}

// allowances are how many records, and about how many bytes, each partition may
// give to the next batch, so that all of it is in as equal parts as what waits
// allows: partitions are worked on at once, and the largest is waited for.
func (r *run) allowances() (records, bytes int) {
	var waiting []int
	for _, p := range r.owned {
		if len(p.inbox) > 0 {
			waiting = append(waiting, len(p.inbox))
		}
	}
	slices.Sort(waiting)
	left := r.mostRecords()
	for i, n := range waiting {
		records = left / (len(waiting) - i)
		if n > records {
			break
		}
		left -= n
	}
	return max(1, records), max(1, r.config.BatchBytes/max(1, len(waiting)))
}

// mostRecords is how many records the next batch may have: as many as the time of
// a batch allows, by what a message has cost of late.
func (r *run) mostRecords() int {
	most := 1_000 // whatever they cost: it is not known yet, or of small batches, where each seems to cost more
	if r.cost > 0 {
		most = max(most, int(r.config.BatchTime/r.cost))
	}
	return min(most, r.config.BatchRecords)
}

// collectRecords takes p's next records, as many as its allowances and what is left
// of the batch's bytes permit; the last one may be larger.
func (r *run) collectRecords(p *partition, records, bytes int, left *int) []*sarama.ConsumerMessage {
	most := min(records, len(p.inbox)+len(p.held))
	p.messages = slices.Grow(p.messages[:0], most)[:most] // the last batch has been worked on
	memory, messages := p.messages, make([]*sarama.ConsumerMessage, 0, most)
	s := p.share
	for len(p.inbox) > 0 && records > 0 && bytes > 0 && *left > 0 {
		record := p.inbox[0]
		p.inbox[0] = nil
		p.inbox = p.inbox[1:]
		p.next[record.Topic] = record.Offset + 1
		s.in[record.Topic] = record.Offset + 1
		s.stateful = p.letIn() || s.stateful
		records--
		size := len(record.Key) + len(record.Value)
		bytes, *left = bytes-size, *left-size
		switch {
		case record.Attrs.IsControl():
		case string(record.Key) == schemas.TickKey:
			s.stateful = r.observeTick(p, record) || s.stateful
		default:
			s.read[record.Topic]++
			if s.layer.oldest.IsZero() {
				s.layer.oldest = record.Timestamp
			}
			s.stateful = r.hearRecords(p, record.Topic, record.Timestamp) || s.stateful
			if reason, dropped := dropOf(record); dropped {
				s.drops = append(s.drops, stage.Drop{Stage: r.config.Group.Stages[0].Word, Reason: reason})
				continue
			}
			if len(record.Headers) > 0 {
				r.follow(s, record)
			}
			m := &memory[len(messages)]
			*m = sarama.ConsumerMessage{}
			m.Topic, m.Partition, m.Offset, m.Timestamp = record.Topic, p.number, record.Offset, record.Timestamp
			m.Key, m.Value = r.keyAt(p, record), record.Value
			messages = append(messages, m)
		}
	}
	// After the records: a partition whose inbox is never empty must hear the clock too.
	if r.wall.now > r.wallOf(p) {
		for _, door := range r.doors {
			if r.wall.reaches(p, door) && p.observe(door, schemas.Tick{Source: "door", Time: r.wall.now}) {
				s.stateful = true
			}
		}
	}
	if len(p.inbox) == 0 {
		p.inbox = nil
	}
	return messages
}

// collectWakes makes errands of the first due timers, at most limit. Those that
// a record before them in the batch makes void do nothing.
func (r *run) collectWakes(p *partition, limit int) []*sarama.ConsumerMessage {
	var messages []*sarama.ConsumerMessage
	for i, due := range p.timers.due(r.timeOf(p), limit) {
		messages = append(messages, r.errandFor(p, i, due.key, errand{time: due.at}))
	}
	return messages
}

func (r *run) errandFor(p *partition, i int, key string, e errand) *sarama.ConsumerMessage {
	return &sarama.ConsumerMessage{
		Topic: r.loopName(), Partition: p.number, Offset: int64(-1 - i), Key: []byte(key), Value: e.encode(),
	}
}

// work lets Goka process a batch, then has it committed behind the next one.
func (r *run) work(b *batch) error {
	began := time.Now()
	r.worked = began
	if err := r.process(b); err != nil {
		return err
	}
	took := time.Since(began)
	r.metrics.steps.Observe(took.Seconds())
	if b.count > 0 {
		r.cost += (took/time.Duration(b.count) - r.cost) / 8
	}
	return r.commit(b, r.complete(b))
}

// process hands the batch to Goka's claims and waits until all of it is marked.
func (r *run) process(b *batch) error {
	if b.count == 0 {
		return nil
	}
	r.session.expect(int64(b.count))
	for _, s := range b.shares {
		for _, m := range b.messages[s.partition.number] {
			r.session.claims[s.partition.number].messages <- m
		}
	}
	select {
	case <-r.session.through:
		return nil
	case <-r.session.broken:
		return errors.New("goka gave up a partition; what follows is its reason")
	}
}

// complete adds what the host itself has to say to what the steps said: ticks
// and its own rows. A transaction is never empty, since an empty one would not
// commit offsets.
func (r *run) complete(b *batch) []output {
	var w words
	outputs := r.spare
	r.spare = nil
	b.each(func(s *share) { s.partition.retime() })
	for _, s := range b.shares {
		r.speak(s, &w)
		r.tell(s, &w)
	}
	if !slices.ContainsFunc(b.shares, func(s *share) bool { return s.stateful || len(s.records)+len(s.layer.changes) > 0 }) {
		b.shares[0].stateful = true
	}
	for _, s := range b.shares {
		outputs = append(outputs, s.records...)
		outputs = r.appendRows(outputs, s)
		if s.stateful {
			outputs = append(outputs, r.hostRowOf(s))
		}
	}
	return append(outputs, r.outputs(&w)...) // behind all records
}

func (r *run) hostRowOf(s *share) output {
	value, err := encodeState(s.partition.state)
	if err != nil {
		panic(fmt.Sprintf("the host's own row cannot be encoded: %v", err)) // a record of plain fields
	}
	s.layer.host = value
	return output{&kgo.Record{Topic: r.tables[0], Partition: s.partition.number, Key: []byte(schemas.HostKey), Value: value}, 0}
}

// appendRows appends the records of all rows that a share has changed, each as the
// batch leaves it. They go to the partition at work, wherever the keys came from.
func (r *run) appendRows(outputs []output, s *share) []output {
	for i := range s.layer.changes {
		c := &s.layer.changes[i]
		for table, row := range c.rows {
			if c.set&(1<<table) != 0 {
				record := s.record(c.key)
				record.Topic, record.Partition, record.Value = r.tables[table], s.partition.number, row
				outputs = append(outputs, output{record, table})
			}
		}
	}
	return outputs
}

// recordFor makes a record of a stream.
func (r *run) recordFor(s *share, topic, key, partitionBy string, value []byte) (*kgo.Record, error) {
	n, ok := r.partitionsOf[topic]
	if !ok {
		return nil, fmt.Errorf("topic %s is not an output of group %s", topic, r.config.Group.Name)
	}
	record := s.record(key)
	record.Topic, record.Partition = topic, r.partitionFor([]byte(partitionBy), n)
	if len(value) > 0 { // else it erases the key: no record has no bytes
		record.Value = value
	}
	return record, nil
}

func (r *run) offsetsOf(b *batch) *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Group = r.config.Group.Name
	req.MemberID, req.Generation = r.client.GroupMetadata() // cannot change during a turn: see lose
	if r.config.InstanceID != "" {
		req.InstanceID = &r.config.InstanceID
	}
	for _, topic := range r.inputs {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, r.topicIDs[topic]
		for _, s := range b.shares {
			if next, ok := s.in[topic]; ok {
				p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch = s.partition.number, next, -1
				t.Partitions = append(t.Partitions, p)
			}
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
	}
	return req
}
