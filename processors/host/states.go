package host

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/schemas"
	"kairos/topologies"
)

// moveStates writes the hosts' own rows of all partitions, and deletes those of
// partitions that do not count any more.
func (m *mover) moveStates(w *writing, g topologies.Group) error {
	loops := map[string]bool{}
	for _, in := range g.Inputs() {
		loops[in.Name] = isLoop(g, in.Name)
	}
	table := g.Stages[0].Table.Name
	for q := range m.Partitions {
		state := m.stateOf(g, q, loops)
		behind := m.behindOf(w, g, q, loops)
		if state == nil && behind == nil {
			continue // nobody has worked there
		}
		state = cmp.Or(state, &schemas.HostState{})
		state.Behind = behind
		value, err := encodeState(*state)
		if err != nil {
			return err
		}
		w.write(&kgo.Record{Topic: table, Partition: q, Key: []byte(schemas.HostKey), Value: value})
	}
	for p := m.Partitions; p < m.from; p++ {
		w.write(&kgo.Record{Topic: table, Partition: p, Key: []byte(schemas.HostKey)})
	}
	return w.err()
}

// behindOf is what must be read of loops before the door's records are: with
// fewer partitions an event that was sent on to its key's partition may find
// itself in the one that it came from, where the key's next events wait.
func (m *mover) behindOf(w *writing, g topologies.Group, q int32, loops map[string]bool) (behind []schemas.Position) {
	door := false
	for _, in := range g.Inputs() {
		door = door || q < m.doors[in.Name] && in.Writer == topologies.DoorRole
	}
	for _, in := range g.Inputs() {
		if end := w.end(in.Name, q); door && loops[in.Name] && end > 0 {
			behind = append(behind, schemas.Position{Topic: in.Name, Offset: end})
		}
	}
	return behind
}

// stateOf is what the host of partition q begins with; nil: nothing.
func (m *mover) stateOf(g topologies.Group, q int32, loops map[string]bool) *schemas.HostState {
	if m.Partitions > m.from {
		if parent := m.states[g.Name][q%m.from]; parent != nil {
			return m.inherit(parent, q, loops)
		}
		return nil
	}
	var parents []*schemas.HostState
	worked := false
	for p := q; p < m.from; p += m.Partitions {
		parent := m.states[g.Name][p]
		worked = worked || parent != nil
		parents = append(parents, cmp.Or(parent, &schemas.HostState{}))
	}
	if !worked {
		return nil
	}
	return m.join(parents, loops)
}

// inherit is what the host of partition q begins with, as a part of the one
// that was. What it knows of time stays true: it has fewer keys than the whole
// had, and whoever tells it time is a part of who has told it before. What was
// agreed in rounds stays true too, but those begin anew among more; and it
// tells its own time again, in its own name.
func (m *mover) inherit(parent *schemas.HostState, q int32, loops map[string]bool) *schemas.HostState {
	child := &schemas.HostState{Loop: schemas.LoopState{Quiet: parent.Loop.Quiet, Still: parent.Loop.Still}}
	for _, w := range parent.Watermarks {
		if most, door := m.doors[w.Topic]; loops[w.Topic] || door && q >= most {
			continue
		}
		child.Watermarks = append(child.Watermarks, w)
		word, n, ok := partitionOfSource(w.Tick.Source)
		if !ok {
			continue // the door
		}
		for part := n + m.from; part < m.Partitions; part += m.from {
			w.Tick.Source = word + "/" + strconv.Itoa(int(part))
			child.Watermarks = append(child.Watermarks, w)
		}
	}
	sortWatermarks(child.Watermarks)
	for _, sweep := range parent.Sweeps {
		parts := int64(m.Partitions / m.from)
		sweep.Done, sweep.Total = sweep.Done/parts, sweep.Total/parts
		child.Sweeps = append(child.Sweeps, sweep)
	}
	return child
}

// partitionOfSource takes the name of a stage's partition apart.
func partitionOfSource(source string) (word string, number int32, ok bool) {
	word, text, parted := strings.Cut(source, "/")
	n, err := strconv.ParseInt(text, 10, 32)
	return word, int32(n), parted && err == nil
}

// join is what the host of a partition begins with that is made of others, its
// own former self the first of them. It is as early as the earliest of them: what
// all of them had heard from all parts of a source, it has heard. It alone
// reads its part of the door, as it did before.
func (m *mover) join(parents []*schemas.HostState, loops map[string]bool) *schemas.HostState {
	joined := &schemas.HostState{Loop: parents[0].Loop}
	heard := map[source][]schemas.Instant{}
	for i, parent := range parents {
		joined.Loop.Quiet, joined.Loop.Still = min(joined.Loop.Quiet, parent.Loop.Quiet), min(joined.Loop.Still, parent.Loop.Still)
		for _, w := range parent.Watermarks {
			word, n, ok := partitionOfSource(w.Tick.Source)
			if ok && !loops[w.Topic] {
				of := source{w.Topic, word + "/" + strconv.Itoa(int(n%m.Partitions))}
				heard[of] = append(heard[of], w.Tick.Time)
			} else if !ok && i == 0 {
				joined.Watermarks = append(joined.Watermarks, w)
			}
		}
	}
	joined.Loop = schemas.LoopState{Quiet: joined.Loop.Quiet, Still: joined.Loop.Still}
	for of, times := range heard {
		if len(times) == len(parents)*len(parents) { // from each of as many parts
			joined.Watermarks = append(joined.Watermarks, schemas.Watermark{Topic: of.topic, Tick: schemas.Tick{Source: of.name, Time: slices.Min(times)}})
		}
	}
	sortWatermarks(joined.Watermarks)
	joined.Sweeps = joinSweeps(parents)
	return joined
}

// joinSweeps goes on with a sweep that all parents have, where the last of them
// is. One that some have not begins anew: to visit a row twice is no harm.
func joinSweeps(parents []*schemas.HostState) (joined []schemas.SweepDone) {
	byStage, stages := map[string][]schemas.SweepDone{}, []string{}
	for _, parent := range parents {
		for _, sweep := range parent.Sweeps {
			if byStage[sweep.Stage] == nil {
				stages = append(stages, sweep.Stage)
			}
			byStage[sweep.Stage] = append(byStage[sweep.Stage], sweep)
		}
	}
	for _, stage := range stages {
		sweeps := byStage[stage]
		last := slices.MinFunc(sweeps, furtherBack)
		same := len(sweeps) == len(parents)
		whole := schemas.SweepDone{Stage: stage, Rules: last.Rules, Time: last.Time, Shard: last.Shard, After: last.After, Ended: last.Ended}
		for _, sweep := range sweeps {
			same = same && sweep.Rules == last.Rules
			whole.Time = min(whole.Time, sweep.Time)
			whole.Done, whole.Total = whole.Done+sweep.Done, whole.Total+sweep.Total
		}
		if !same {
			whole = schemas.SweepDone{Stage: stage, Time: whole.Time, Total: whole.Total}
		}
		joined = append(joined, whole)
	}
	return joined
}

// furtherBack compares how far two sweeps are.
func furtherBack(a, b schemas.SweepDone) int {
	switch {
	case a.Ended && b.Ended:
		return 0
	case a.Ended:
		return 1
	case b.Ended:
		return -1
	}
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.After, b.After))
}
