package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// player plays one story in one world.
type player struct {
	world  World
	people *people
	teller *teller

	clock   schemas.Instant
	last    schemas.Event        // what duplicate and send begin with
	sent    int                  // events, for ids
	records []schemas.Definition // as published
	plan    *definition.Plan
	stale   bool   // the world does not follow plan yet
	planted string // a panic: events of this name
	shown   []string
}

// Play tells story to an empty world and returns what it says, block by block.
func Play(story *Story, w World) ([][]string, error) {
	known := newPeople()
	p := &player{
		world: w, people: known,
		teller: &teller{people: known, heard: map[string]int{}, drops: map[stage.Drop]int{}},
	}
	var said [][]string
	for i, block := range story.Blocks {
		for _, command := range block.Commands {
			if err := p.do(command); err != nil {
				return said, fmt.Errorf("%s:%d: %w", story.Name, command.Line, err)
			}
		}
		lines, err := p.rest(!sameMoment(story.Blocks[i+1:], p.clock))
		if err != nil {
			return said, fmt.Errorf("%s, block %d: %w", story.Name, i+1, err)
		}
		said = append(said, lines)
	}
	return said, nil
}

// sameMoment reports whether the story goes on at t: then t is not over.
func sameMoment(blocks []Block, t schemas.Instant) bool {
	for _, block := range blocks {
		for _, command := range block.Commands {
			switch command.Word {
			case "at":
				moment, _, _ := strings.Cut(command.Text, " ")
				at, err := parseMoment(moment)
				return err == nil && at == t
			case "advance":
				return false
			}
		}
	}
	return false
}

func (p *player) do(c Command) error {
	if c.Word != "define" && c.Word != "withdraw" {
		if err := p.follow(); err != nil {
			return err
		}
	}
	switch c.Word {
	case "define":
		return p.define(c)
	case "withdraw":
		return p.withdraw(c.Text)
	case "at":
		return p.at(c.Text)
	case "advance":
		span, err := parseSpan(c.Text)
		if err != nil {
			return err
		}
		return p.moveTo(p.clock.Add(span))
	case "duplicate":
		return p.send(p.last)
	case "unlink", "relink":
		return p.part(c)
	case "erase":
		return p.erase(c)
	case "send":
		return p.sendBad(c.Text)
	case "plant":
		return p.plant(c.Text)
	case "restart":
		return p.world.Restart()
	default:
		return p.show(c.Text)
	}
}

// rest ends a block: the clock's moment passes, unless there is more of it.
func (p *player) rest(over bool) ([]string, error) {
	if err := p.follow(); err != nil {
		return nil, err
	}
	if over && p.clock > 0 {
		if err := p.world.Tick(p.clock); err != nil {
			return nil, err
		}
	}
	if err := p.hearAll(); err != nil {
		return nil, err
	}
	var destinations []string
	for _, d := range p.plan.Destinations {
		destinations = append(destinations, d.Name)
	}
	lines, err := p.teller.tell(p.world, destinations)
	shown := p.shown
	p.shown = nil
	return append(shown, lines...), err
}

// hearAll learns of identifiers that were written otherwise than they are known.
func (p *player) hearAll() error {
	rows, err := p.world.Rows(topologies.IdentityTable.Name)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		p.people.hear(key)
	}
	return nil
}

// define takes one definition.
func (p *player) define(c Command) error {
	kind, rest, _ := strings.Cut(c.Text, " ")
	name, expression, _ := strings.Cut(rest, "=")
	name = strings.TrimSpace(name)
	text := "kind: " + kind + "\n"
	if name != "" {
		text += "name: " + name + "\n"
	}
	if expression = strings.TrimSpace(expression); expression != "" {
		field := "when"
		if kind == "feature" {
			field = "value"
		}
		text += fmt.Sprintf("%s: %q\n", field, expression)
	}
	for _, line := range c.Body {
		text += strings.TrimPrefix(line, "  ") + "\n"
	}
	return p.publish(func(before *definition.Set) (*definition.Set, error) {
		parsed, err := definition.Parse(name, []byte(text))
		if err != nil {
			return nil, err
		}
		return before.With(parsed), nil
	})
}

// withdraw takes a definition back.
func (p *player) withdraw(text string) error {
	kind, name, _ := strings.Cut(text, " ")
	return p.publish(func(*definition.Set) (*definition.Set, error) {
		left := slices.DeleteFunc(slices.Clone(p.records), func(r schemas.Definition) bool { return r.Kind == kind && r.Name == name })
		if len(left) == len(p.records) {
			return nil, fmt.Errorf("there is no %s %s to withdraw", kind, name)
		}
		return definition.FromRecords(left)
	})
}

// publish edits what is published, with versions as an operator's tool would
// give them. A refused edit is told, and changes nothing.
func (p *player) publish(edit func(*definition.Set) (*definition.Set, error)) error {
	before, err := definition.FromRecords(p.records)
	if err != nil {
		return err
	}
	wanted, err := edit(before)
	if err != nil {
		return p.refused(err)
	}
	records := wanted.Records(p.records)
	set, err := definition.FromRecords(records)
	if err != nil {
		return p.refused(err)
	}
	plan, err := set.Compile()
	if err != nil {
		return p.refused(err)
	}
	p.records, p.plan, p.stale = records, plan, true
	return nil
}

func (p *player) refused(err error) error {
	problems, ok := definition.AsProblems(err)
	if !ok {
		return err
	}
	for _, problem := range problems {
		p.shown = append(p.shown, "refused "+problem.String())
	}
	return nil
}

func (p *player) follow() error {
	if p.plan == nil {
		if err := p.publish(func(none *definition.Set) (*definition.Set, error) { return none, nil }); err != nil {
			return err
		}
	}
	if !p.stale {
		return nil
	}
	p.stale = false
	return p.world.Follow(planted(p.plan, p.planted))
}

func (p *player) at(text string) error {
	moment, rest, _ := strings.Cut(text, " ")
	at, err := parseMoment(moment)
	if err != nil {
		return err
	}
	if at < p.clock {
		return fmt.Errorf("%s is before %s: time goes on; say `happened %s` of an event that is told late", at, p.clock, at)
	}
	if err := p.moveTo(at); err != nil {
		return err
	}
	event, err := parseEvent(rest, at)
	if err != nil {
		return err
	}
	p.teller.today = at
	p.sent++
	if event.ID == "" {
		event.ID = fmt.Sprintf("story-%d", p.sent)
	}
	return p.send(event)
}

// moveTo ends the present moment and, if nothing happens at t itself, those
// before t; the end of the block does the rest.
func (p *player) moveTo(t schemas.Instant) error {
	if t == p.clock {
		return nil
	}
	p.clock = t
	return p.world.Tick(t - 1)
}

func (p *player) send(e schemas.Event) error {
	for _, id := range e.Identifiers {
		p.people.hear(id.String())
	}
	p.last = e
	value, err := schemas.EventCodec.Append(nil, &e)
	if err != nil {
		return err
	}
	return p.world.Send(Input{topologies.Events.Name, []byte(e.Identifiers[0].String()), value})
}

// part says an operator's word about two identifiers.
func (p *player) part(c Command) error {
	pair := fields(c.Text)
	if len(pair) != 2 {
		return fmt.Errorf("%s takes two identifiers, such as email=sarah@example.org device_id=tablet", c.Word)
	}
	a, err := parsePair(pair[0])
	if err != nil {
		return err
	}
	b, err := parsePair(pair[1])
	if err != nil {
		return err
	}
	p.sent++
	return p.send(schemas.Event{
		ID: fmt.Sprintf("story-%d", p.sent), Name: "$" + c.Word, Time: p.clock, Received: p.clock, Source: "operator",
		Identifiers: []schemas.Identifier{a, b}, Properties: schemas.Properties{{Name: "why", Value: schemas.TextOf("the story says so")}},
	})
}

// erase says an operator's word about one person.
func (p *player) erase(c Command) error {
	id, err := parsePair(strings.TrimSpace(c.Text))
	if err != nil {
		return err
	}
	p.sent++
	return p.send(schemas.Event{
		ID: fmt.Sprintf("story-%d", p.sent), Name: "$erase", Time: p.clock, Received: p.clock, Source: "operator",
		Identifiers: []schemas.Identifier{id},
	})
}

// sendBad sends the last event again, spoilt.
func (p *player) sendBad(how string) error {
	if len(p.last.Identifiers) == 0 {
		return fmt.Errorf("send spoils the last event: there was none yet")
	}
	value, err := schemas.EventCodec.Append(nil, &p.last)
	if err != nil {
		return err
	}
	input := Input{topologies.Events.Name, []byte(p.last.Identifiers[0].String()), value}
	switch how {
	case "truncated":
		input.Value = value[:len(value)-3]
	case "with an unknown schema":
		input.Value = slices.Concat(value[:2], []byte("unknown!"), value[10:])
	case "without a key":
		input.Key = nil
	case "with two megabytes":
		input.Value = append(value, make([]byte, 2<<20)...)
	case "as text":
		input.Value = []byte(`{"name": "purchase"}`)
	case "with nothing in it":
		input.Value = nil
	default:
		return fmt.Errorf("send %q: say truncated, with an unknown schema, without a key, with two megabytes, as text, with nothing in it", how)
	}
	return p.world.Send(input)
}

// plant makes the step that looks at events of a name panic.
func (p *player) plant(text string) error {
	name, ok := strings.CutPrefix(text, "panic on ")
	if !ok {
		return fmt.Errorf("plant %q: say `panic on EVENTNAME`", text)
	}
	p.planted, p.stale = name, true
	return p.follow()
}

// planted is plan with a panic where profile matches events of a name.
func planted(plan *definition.Plan, event string) *definition.Plan {
	if event == "" {
		return plan
	}
	p := *plan
	p.Series = slices.Clone(plan.Series)
	p.Terms = slices.Clone(plan.Terms)
	for i, series := range p.Series {
		if series.Event != event {
			continue
		}
		s := *series
		s.Match = func(*schemas.Event) bool { panic("planted") }
		p.Series[i] = &s
		for j, term := range p.Terms {
			if term.Series == series {
				t := *term
				t.Series = &s
				p.Terms[j] = &t
			}
		}
	}
	return &p
}
