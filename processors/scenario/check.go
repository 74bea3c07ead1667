package scenario

import (
	"fmt"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
	"kairos/topologies"
)

// somebody is whom the events of a test are about that name nobody.
const somebody = "email=somebody@example.org"

// Check plays a test of an audience in a pure world of its own. What does not
// hold is a problem, at the step that says it; so is a step that means nothing.
func Check(plan *definition.Plan, audience string, test definition.Test, runners Runners) (definition.Problems, error) {
	world := NewPure(Shape{Partitions: 1, Chained: true}, runners, 0)
	if err := world.Follow(plan); err != nil {
		return nil, err
	}
	c := &check{plan: plan, audience: audience, world: world}
	for i, step := range test.Steps {
		if err := c.step(i, step); err != nil {
			return nil, err
		}
	}
	return c.problems, nil
}

type check struct {
	plan     *definition.Plan
	audience string
	world    *Pure
	ticked   schemas.Instant
	problems definition.Problems
}

func (c *check) step(i int, step definition.Step) error {
	if step.Event == "" {
		if err := c.tick(step.At); err != nil {
			return err
		}
		return c.expect(step)
	}
	text := step.Event
	if first, _, _ := strings.Cut(text, " "); !strings.Contains(first, "=") {
		text = somebody + " " + text
	}
	event, err := parseEvent(text, step.At)
	if err != nil {
		c.refuse(step, err.Error(), "")
		return nil
	}
	if event.ID == "" {
		event.ID = fmt.Sprintf("test-%d", i+1)
	}
	if known := c.plan.Events; known != nil && known[event.Name] == nil && len(event.Attributes) == 0 {
		if _, there := known[event.Name]; !there {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			c.refuse(step, fmt.Sprintf("unknown event %q", event.Name), expression.Suggest(event.Name, names))
		}
	}
	if err := c.tick(step.At - 1); err != nil {
		return err
	}
	value, err := schemas.EventCodec.Append(nil, &event)
	if err != nil {
		return err
	}
	return c.world.Send(Input{topologies.Events.Name, []byte(event.Identifiers[0].String()), value})
}

// tick lets time come to t.
func (c *check) tick(t schemas.Instant) error {
	if t <= c.ticked {
		return nil
	}
	c.ticked = t
	return c.world.Tick(t)
}

func (c *check) refuse(step definition.Step, message, next string) {
	problem := step.Place
	problem.Message, problem.Next = message, next
	c.problems = append(c.problems, problem)
}

// expect compares the person's standing with what the step says.
func (c *check) expect(step definition.Step) error {
	who := step.Who
	if who == "" {
		who = somebody
	}
	id, err := parsePair(who)
	if err != nil {
		c.refuse(step, err.Error(), "")
		return nil
	}
	standing, err := c.standing(id)
	if err != nil || (standing != nil && standing.Member) == step.In {
		return err
	}
	is, must := "out of", "in"
	if !step.In {
		is, must = must, "out"
	}
	why := "never entered"
	if standing != nil {
		word := "exited"
		if standing.Member {
			word = "entered"
		}
		why = fmt.Sprintf("%s at %s because %s", word, standing.Since, standing.Reason)
	}
	c.refuse(step, fmt.Sprintf("at %s %s is %s %s, but must be %s: %s", step.At, id.Value, is, c.audience, must, why), "")
	return nil
}

func (c *check) standing(id schemas.Identifier) (*schemas.Standing, error) {
	identities, err := rowsOf(c.world, topologies.IdentityTable)
	if err != nil || identities[id.String()] == nil {
		return nil, err
	}
	rows, err := rowsOf(c.world, topologies.SegmentTable)
	if err != nil || rows[identities[id.String()].Person] == nil {
		return nil, err
	}
	standings := rows[identities[id.String()].Person].Standings
	if i := slices.IndexFunc(standings, func(s schemas.Standing) bool { return s.Audience == c.audience }); i >= 0 {
		return &standings[i], nil
	}
	return nil, nil
}
