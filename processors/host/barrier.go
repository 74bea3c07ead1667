package host

import (
	"math"

	"kairos/schemas"
)

// The barrier: what a record accepted until T causes at other keys travels
// through the group's loop, over any number of hops. Before a partition lets
// wakes until T run, or tells the stages behind that it is T, it must know that
// nothing of that is under way any more.
//
// The partitions speak in rounds. A partition's word in a round goes to all
// partitions of the loop, behind all that the partition has sent there before;
// it says how far its inputs have come (Time), how far its wakes (Done), and the
// earliest cause of what it has sent through the loop since its last word
// (Least). It speaks in a round only after it has heard all words of the round
// before, so by then it has dealt with all that was sent before those.
//
// When a partition has heard all words of a round, then what is still under way
// was sent after the round before. It was caused by records that came later
// than that round's least Time, or by something sent between the two rounds,
// whose earliest cause the words just heard tell. The earlier of the two is
// what the partition may rely on. Causes never go back in time along a chain of
// messages; stages see to that.
//
// Partitions fall silent once the rounds have nothing new to tell them.

// hear completes the round if all its words are there.
func (r *run) hear(p *partition) {
	l := &p.state.Loop
	time, done, least := schemas.Instant(math.MaxInt64), schemas.Instant(math.MaxInt64), schemas.Instant(math.MaxInt64)
	for _, s := range r.loopSources {
		word := p.watermark(s)
		if word.Round <= l.Round {
			return
		}
		time, done = min(time, word.Time), min(done, word.Done)
		if word.Least != 0 {
			least = min(least, word.Least)
		}
	}
	l.Quiet = max(l.Quiet, min(l.Time, least-1))
	l.Still = max(l.Still, min(l.Done, least-1))
	l.Round++
	l.Time, l.Done = time, done
}

// mustSpeak reports whether p has to say its word in the next round: it has
// something to say, or rounds are not through with what was said, or others
// have spoken.
func (r *run) mustSpeak(p *partition) bool {
	l := &p.state.Loop
	if len(r.loops) == 0 || l.Sent.Round > l.Round {
		return false
	}
	if r.inputTime(p) > l.Sent.Time || r.doneOf(p) > l.Sent.Done || l.Quiet < l.Time || l.Still < l.Done {
		return true
	}
	return p.heard.round > l.Round
}

// speak says p's word, behind all that the batch sends through the loop.
func (r *run) speak(s *share, w *words) {
	p, l := s.partition, &s.partition.state.Loop
	if s.least != 0 && (l.Least == 0 || s.least < l.Least) {
		l.Least, s.stateful = s.least, true
	}
	if !r.mustSpeak(p) {
		return
	}
	l.Sent = schemas.Tick{Time: r.inputTime(p), Round: l.Sent.Round + 1, Done: max(l.Sent.Done, r.doneOf(p)), Least: l.Least}
	l.Least, s.stateful = 0, true
	for _, topic := range r.loops {
		w.add(topic, p.number, l.Sent)
	}
}
