package scenario

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// teller says in lines what has newly come out of a world.
type teller struct {
	people *people
	today  schemas.Instant
	heard  map[string]int     // records of a topic and partition that were told
	drops  map[stage.Drop]int // that were told
}

type toldLine struct {
	at     schemas.Instant
	stage  int    // of the flow
	person string // shown; or what else orders lines of a stage
	text   string
}

// flow is the order of the stages in what is told.
var flow = []string{"identity", "profile", "segment", "propensity", "destination"}

// tell reads what is new and says it: by time, stage and person, and in the
// order in which it was said.
func (t *teller) tell(w World, destinations []string) ([]string, error) {
	var lines []toldLine
	add := func(topic string, say func(stage.Message) ([]toldLine, error)) error {
		messages, err := w.Read(topic)
		if err != nil {
			return err
		}
		for _, m := range t.fresh(messages) {
			said, err := say(m)
			if err != nil {
				return fmt.Errorf("%s: %w", topic, err)
			}
			lines = append(lines, said...)
		}
		return nil
	}
	err := add(topologies.PersonEvents.Name, t.move)
	for _, word := range flow {
		if err == nil {
			err = add(topologies.DeadLetters(word).Name, t.deadLetter)
		}
	}
	if err == nil {
		err = add(topologies.Transitions.Name, t.transition)
	}
	if err == nil {
		err = add(topologies.Scores.Name, t.scores)
	}
	for _, d := range destinations {
		if err == nil {
			err = add(topologies.Activations(d).Name, t.activation)
		}
	}
	slices.SortStableFunc(lines, func(a, b toldLine) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.stage, b.stage), cmp.Compare(a.person, b.person))
	})
	var text []string
	for _, line := range lines {
		text = append(text, t.people.readable(line.text))
	}
	return append(text, t.dropped(w)...), err
}

// fresh counts by partition: a topic grows in all of them.
func (t *teller) fresh(messages []stage.Message) []stage.Message {
	var fresh []stage.Message
	seen := map[string]int{}
	for _, m := range messages {
		at := fmt.Sprintf("%s/%d", m.Topic, m.Partition)
		if seen[at]++; seen[at] > t.heard[at] {
			fresh = append(fresh, m)
		}
	}
	for at, n := range seen {
		t.heard[at] = max(n, t.heard[at])
	}
	return fresh
}

func (t *teller) line(topic string, at schemas.Instant, person, format string, parts ...string) toldLine {
	word, noun, _ := strings.Cut(strings.TrimPrefix(topic, "kairos."), ".")
	args := make([]any, len(parts))
	for i, part := range parts {
		args[i] = part
	}
	return toldLine{at, slices.Index(flow, word), t.people.name(person), word + "." + noun + " " + fmt.Sprintf(format, args...)}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " because " + reason
}

func (t *teller) move(m stage.Message) ([]toldLine, error) {
	e, err := schemas.PersonEventCodec.Decode(m.Value)
	if err != nil || e.MoveTo == "" {
		return nil, err
	}
	line := t.line(m.Topic, e.Cause, e.Person, "%s moved from %s to %s at %s%s", e.Identifier,
		t.people.name(e.Person), t.people.name(e.MoveTo), showMoment(e.Cause, t.today), because(e.Reason))
	line.person = fmt.Sprintf("%s %9d", e.Identifier, e.Epoch) // the moves of one identifier have an order, others none
	return []toldLine{line}, nil
}

func (t *teller) transition(m stage.Message) ([]toldLine, error) {
	x, err := schemas.TransitionCodec.Decode(m.Value)
	if err != nil {
		return nil, err
	}
	return []toldLine{t.line(m.Topic, x.Cause, x.Person, "%s %s %s rev=%s at %s%s", t.people.name(x.Person), x.Audience,
		x.Word(), fmt.Sprint(x.Revision), showMoment(x.Cause, t.today), because(x.Reason))}, nil
}

func (t *teller) scores(m stage.Message) ([]toldLine, error) {
	s, err := schemas.ScoredCodec.Decode(m.Value)
	if err != nil {
		return nil, err
	}
	var lines []toldLine
	for _, score := range s.Scores {
		top := ""
		if len(score.Reasons) > 0 {
			top = fmt.Sprintf(" for %s=%s", score.Reasons[0].Input, score.Reasons[0].Value)
		}
		lines = append(lines, t.line(m.Topic, s.Cause, s.Person, "%s %s=%s%s at %s%s", t.people.name(s.Person),
			score.Model, fmt.Sprintf("%.4f", score.Value), top, showMoment(s.Cause, t.today), because(s.Reason)))
	}
	return lines, nil
}

func (t *teller) activation(m stage.Message) ([]toldLine, error) {
	if len(m.Value) == 0 {
		person, audience, _ := strings.Cut(m.Key, "/")
		return []toldLine{t.line(m.Topic, math.MaxInt64, person, "%s %s forgotten", t.people.name(person), audience)}, nil
	}
	a, err := schemas.ActivationCodec.Decode(m.Value)
	if err != nil {
		return nil, err
	}
	word := "exited"
	if a.Entered {
		word = "entered"
	}
	var known []string
	for _, id := range a.Identifiers {
		known = append(known, id.Namespace+"="+id.Value)
	}
	for _, p := range a.Attributes {
		known = append(known, p.Name+"="+p.Value.String())
	}
	as := ""
	if len(known) > 0 {
		as = " as " + strings.Join(known, " ")
	}
	for _, id := range a.Former {
		as += " no longer " + id.String()
	}
	return []toldLine{t.line(m.Topic, a.Cause, a.Person, "%s %s %s rev=%s%s at %s%s", t.people.name(a.Person), a.Audience,
		word, fmt.Sprint(a.Revision), as, showMoment(a.Cause, t.today), because(a.Reason))}, nil
}

func (t *teller) deadLetter(m stage.Message) ([]toldLine, error) {
	d, err := schemas.DeadLetterCodec.Decode(m.Value)
	if err != nil {
		return nil, err
	}
	detail, _, _ := strings.Cut(d.Detail, "\n")
	detail, _, _ = strings.Cut(detail, "; ")
	line := t.line(m.Topic, d.Cause, "", "%s from %s, key %s, %s bytes: %s", d.Reason, strings.TrimPrefix(d.Topic, "kairos."),
		fmt.Sprintf("%q", d.Key), fmt.Sprint(len(d.Value)), detail)
	line.person = line.text // partitions have no order among them
	return []toldLine{line}, nil
}

// dropped says how much more was dropped. Dead letters have lines of their own,
// and what concerned nobody is no news.
func (t *teller) dropped(w World) []string {
	var lines []string
	for drop, n := range w.Drops() {
		if more := n - t.drops[drop]; more > 0 && drop.Reason != "unused" && !strings.HasPrefix(drop.Reason, "kairos-") {
			lines = append(lines, fmt.Sprintf("dropped %d by %s: %s", more, drop.Stage, drop.Reason))
		}
		t.drops[drop] = n
	}
	slices.Sort(lines)
	return lines
}
