package host

import (
	"slices"
	"time"

	"github.com/IBM/sarama"

	"kairos/schemas"
)

// adopt takes a new runner and begins the sweeps that come with it.
func (r *run) adopt(d *redefinition) {
	if d == nil {
		return
	}
	r.runner, r.redefinition = d.runner, d.number
	for _, word := range d.words {
		r.asked[word] = d.rules
	}
	for _, p := range r.owned {
		r.beginSweeps(p, d.words)
	}
}

// beginSweeps begins sweeps in the order of the flow: a stage sweeps after what
// stages before it had to tell.
func (r *run) beginSweeps(p *partition, words []string) {
	for _, s := range r.config.Group.Stages {
		if rules := r.asked[s.Word]; slices.Contains(words, s.Word) && !p.sweptFor(s.Word, rules) {
			p.beginSweep(schemas.SweepDone{Stage: s.Word, Rules: rules, Time: r.timeOf(p), Total: int64(p.rows.count)})
		}
	}
}

// sweptFor reports whether the last sweep of a stage was, or is, for the rules.
func (p *partition) sweptFor(word string, rules int64) bool {
	return rules != 0 && slices.ContainsFunc(p.state.Sweeps, func(s schemas.SweepDone) bool {
		return s.Stage == word && s.Rules == rules
	})
}

func (p *partition) beginSweep(fresh schemas.SweepDone) {
	others := slices.DeleteFunc(slices.Clone(p.state.Sweeps), func(s schemas.SweepDone) bool { return s.Stage == fresh.Stage })
	p.state.Sweeps = append(others, fresh)
}

// sweepLeft estimates when the sweep under way is through, from its pace since
// this host first saw it.
func (r *run) sweepLeft(p *partition) time.Duration {
	i := r.toSweep(p)
	if i < 0 {
		p.pace = pace{}
		return 0
	}
	sweep, now := p.state.Sweeps[i], r.config.Now()
	if p.pace.word != sweep.Stage || sweep.Done < p.pace.done {
		p.pace = pace{sweep.Stage, now, sweep.Done}
	}
	done, took := sweep.Done-p.pace.done, now.Sub(p.pace.at)
	if done <= 0 {
		return 0
	}
	return time.Duration(float64(took) / float64(done) * float64(max(0, sweep.Total-sweep.Done)))
}

// pace is where a sweep was when this host first saw it.
type pace struct {
	word string
	at   time.Time
	done int64
}

// toSweep is the place of the sweep to go on with; -1: none, or they are held.
func (r *run) toSweep(p *partition) int {
	if r.host.held.Load() {
		return -1
	}
	return slices.IndexFunc(p.state.Sweeps, func(s schemas.SweepDone) bool { return !s.Ended })
}

func (r *run) anySweep() bool {
	for _, p := range r.owned {
		if r.toSweep(p) >= 0 {
			return true
		}
	}
	return false
}

// room is how many rows other than those of live records may be visited in the
// next transaction, of at most so many. Beside live records it is what fits into
// a share of the pace, so that they wait little.
func (r *run) room(most int, share float64) int {
	if r.config.Clock != Wall || r.config.Pace == 0 || r.cost == 0 {
		return most
	}
	part := time.Duration(float64(r.config.Pace) * share)
	return min(most, max(1, int(part/r.cost)))
}

// collectSweep makes errands of the next rows of a sweep and moves its cursor,
// which is committed with what the errands do.
func (r *run) collectSweep(p *partition, room *int) []*sarama.ConsumerMessage {
	i := r.toSweep(p)
	if i < 0 || *room == 0 {
		return nil
	}
	sweep := &p.state.Sweeps[i]
	keys := p.rows.after(&sweep.Shard, &sweep.After, min(*room, r.config.SweepChunk))
	*room -= len(keys)
	sweep.Done += int64(len(keys))
	sweep.Ended = sweep.Shard == shardCount
	p.share.stateful = true
	messages := make([]*sarama.ConsumerMessage, len(keys))
	for n, key := range keys {
		messages[n] = r.errandFor(p, r.config.WakeChunk+n, key, errand{sweep.Time, sweep.Stage})
	}
	return messages
}

// after lists the keys that follow a cursor, at most limit, and moves it. Shard
// is shardCount when nothing follows.
func (r *rows) after(shard *int64, after *string, limit int) []string {
	var keys []string
	for ; *shard < shardCount; *shard, *after = *shard+1, "" {
		rest := r.shards[*shard].after(*after)
		room := limit - len(keys)
		if room == 0 && len(rest) > 0 {
			return keys // with the cursor where this shard begins, or goes on
		}
		for _, key := range rest[:min(room, len(rest))] {
			keys = append(keys, string(key))
		}
		if len(rest) > room {
			*after = keys[len(keys)-1]
			return keys
		}
	}
	return keys
}
