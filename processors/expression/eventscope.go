package expression

import (
	"strings"

	"cel.dev/cel-go/common/ast"

	"kairos/schemas"
)

type event = schemas.Event

// eventScope resolves what may be asked of one event.
type eventScope struct {
	*chain
	variable string
}

func (s eventScope) name(e ast.Expr, name string) ast.Expr {
	if name == s.variable {
		s.refuse(e, "the event itself is not a value", "take one of its fields, such as "+name+".amount")
	} else {
		s.refuse(e, "unknown name `"+name+"`", "the event is called `"+s.variable+"` here, and its fields "+s.variable+".<field>")
	}
	return e
}

func (s eventScope) field(e ast.Expr, of, field string) ast.Expr {
	if of != s.variable {
		s.refuse(e, "where(...) looks at the event only, which is called `"+s.variable+"` here, not at `"+of+"`",
			"take what is about the person out of where(...)")
		return e
	}
	input, _ := s.property(e, field)
	return input
}

// property makes the input for a field of the event.
func (s eventScope) property(e ast.Expr, field string) (ast.Expr, Type) {
	t, ok := s.fields[field]
	if s.fields != nil && !ok {
		s.refuse(e, "event `"+s.event+"` has no field `"+field+"`", Suggest(field, keys(s.fields)))
		return e, t
	}
	return s.input(e, t, eventKey+field), t
}

func (s eventScope) call(e ast.Expr, _ ast.CallExpr) ast.Expr {
	switch beginning(e).AsCall().FunctionName() {
	case "events", memberCall, audienceCall, "inFor", "bucket":
		s.refuse(e, "where(...) looks at one event only", "ask that of the person, outside where(...)")
	default:
		s.failed = true
		s.refuseCall(e)
	}
	return e
}

func (s eventScope) compare(ast.Expr, ast.CallExpr) (ast.Expr, bool) { return nil, false }

// eventKey starts the key of an input that is a field of the event.
const eventKey = "e."

func eventSlot(key string) slot[*event] {
	name := strings.TrimPrefix(key, eventKey)
	return func(e *event) value { return property(e.Properties, name) }
}

// property is Properties.Get, faster for the short lists that events have.
func property(list schemas.Properties, name string) value {
	const short = 16
	if len(list) > short {
		return list.Get(name)
	}
	for i := range list {
		if list[i].Name == name {
			return list[i].Value
		}
	}
	return value{}
}

// match makes the filter of the series: nil if every event passes.
func (c *chain) match() func(*event) bool {
	var tests []func(*event) bool
	if sender := c.sender; sender != "" {
		tests = append(tests, func(e *event) bool { return e.Source == sender })
	}
	for _, p := range c.normalPeriods() {
		tests = append(tests, func(e *event) bool { return p.holds(e.Time) })
	}
	if len(c.days) > 0 {
		tests = append(tests, onDays(c.days, c.daysZone))
	}
	n := native[*event]{eventSlot}
	for _, condition := range conjuncts(c.conditions) {
		test := n.logic(condition)
		tests = append(tests, func(e *event) bool { return test(e) == yes })
	}
	return all(tests)
}

// all joins tests by and.
func all(tests []func(*event) bool) func(*event) bool {
	switch len(tests) {
	case 0:
		return nil
	case 1:
		return tests[0]
	case 2:
		first, second := tests[0], tests[1]
		return func(e *event) bool { return first(e) && second(e) }
	default:
		return func(e *event) bool {
			for _, test := range tests {
				if !test(e) {
					return false
				}
			}
			return true
		}
	}
}
