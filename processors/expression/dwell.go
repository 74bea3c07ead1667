package expression

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/ast"

	"kairos/schemas"
)

// Dwell asks whether the condition of an audience has held for a time without a
// break: at each instant from For ago until now, as far as events are known
// now. Attributes count as they are now. Nobody is in any audience before the
// first event.
type Dwell struct {
	Audience   string
	For        time.Duration
	Parts      []*Term  // what the condition asks of events, by rising ID
	Attributes []string // what it asks besides
	conditions map[string]*Expression
}

// Condition is that of an audience, as a dwell sees it.
type Condition struct {
	*Expression
	Scheduled bool // the audience has members at some times only
}

// Parts are the terms that t is made of: for all but dwells t itself.
func (t *Term) Parts() []*Term {
	if t.Dwell != nil {
		return t.Dwell.Parts
	}
	return []*Term{t}
}

// DwellError says why an audience cannot be dwelled in.
type DwellError struct{ Message, Next string }

func (e *DwellError) Error() string { return e.Message + "; " + e.Next }

// Bind tells d the conditions of audiences, by name; none of them may refer to
// itself. The error is of type [*DwellError].
func (d *Dwell) Bind(audiences map[string]Condition) error {
	d.conditions = map[string]*Expression{}
	if err := d.bind(d.Audience, audiences); err != nil {
		return err
	}
	parts, attributes := map[int64]*Term{}, set{}
	for _, condition := range d.conditions {
		attributes.addAll(condition.Attributes)
		for _, t := range condition.Terms {
			parts[t.ID] = t
		}
	}
	d.Attributes, d.Parts = attributes.sorted(), slices.SortedFunc(maps.Values(parts), byID)
	return nil
}

func (d *Dwell) bind(name string, audiences map[string]Condition) error {
	condition, known := audiences[name]
	if !known || d.conditions[name] != nil {
		return nil // refused elsewhere, or known
	}
	d.conditions[name] = condition.Expression
	call := fmt.Sprintf("inFor(%q, ...)", d.Audience)
	if len(condition.Scores) > 0 {
		return &DwellError{fmt.Sprintf("%s needs to know when audience %q began, but that looks at scores, of which only the newest is kept", call, name),
			"take an audience that looks at events"}
	}
	if condition.Scheduled {
		return &DwellError{fmt.Sprintf("%s is about audience %q, which has a schedule", call, name),
			"put the schedule on an audience of its own"}
	}
	for _, t := range condition.Terms {
		if t.Dwell != nil {
			return &DwellError{fmt.Sprintf("%s is about audience %q, which asks inFor(...) itself", call, name),
				"write the condition of one of the two out"}
		}
		if t.Kind != "" {
			return &DwellError{fmt.Sprintf("%s is about audience %q, which asks what members of a group did: nobody keeps who was in it when", call, name),
				"take an audience that asks for events(...) only"}
		}
		if t.looksAgain() {
			return &DwellError{fmt.Sprintf("%s is about audience %q, which asks for %s: nobody knows yet when that began", call, name, t.Canonical),
				"take an audience that asks for any, none, count, sum, avg, min, max, first, last, unique or a sequence"}
		}
	}
	for _, other := range condition.Audiences {
		if err := d.bind(other, audiences); err != nil {
			return err
		}
	}
	return nil
}

// Holds tells whether the condition holds for a person who is as in says. It
// asks for no audience and no score.
func (d *Dwell) Holds(in Inputs) bool { return dwelling{in, d}.Audience(d.Audience) }

// dwelling answers for audiences by their conditions.
type dwelling struct {
	Inputs
	dwell *Dwell
}

func (d dwelling) Audience(name string) bool {
	condition := d.dwell.conditions[name]
	return condition != nil && condition.Eval(d).True()
}

func (d dwelling) Score(string) schemas.Value { return schemas.Value{} }

// dwell reads inFor("cart", "20m").
func (s personScope) dwell(e ast.Expr, call ast.CallExpr) ast.Expr {
	arguments := call.Args()
	var name, text string
	ok := !call.IsMemberFunction() && len(arguments) == 2
	if ok {
		name, ok = textOf(arguments[0])
	}
	if ok {
		text, ok = textOf(arguments[1])
	}
	if !ok || name == "" {
		s.refuse(e, "inFor takes the name of an audience and a duration, both as constant texts", "write inFor(\"cart\", \"20m\")")
		return e
	}
	if s.environment.Audiences != nil && !slices.Contains(s.environment.Audiences, name) {
		s.refuse(arguments[0], "unknown audience `"+name+"`", Suggest(name, s.environment.Audiences))
		return e
	}
	d, err := ParseDuration(text)
	if err != nil {
		s.refuse(arguments[1], err.Error(), "")
		return e
	}
	return s.stand(e, &Term{
		Canonical: "in " + strconv.Quote(name) + " for " + FormatDuration(d),
		Short:     "inFor(" + name + ", " + FormatDuration(d) + ")",
		Dwell:     &Dwell{Audience: name, For: d},
	}, BooleanType)
}
