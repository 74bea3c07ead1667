// Package flowtest makes random plans and random lives of people, and runs
// stages on topics and tables in memory, for property tests of the stages
// behind profile. All randomness is rapid's, so a failure shrinks.
//
// Conditions are trees that evaluate themselves: they need no compiler, and
// tests can evaluate the same condition on state kept in another way.
package flowtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"kairos/processors/expression"
	"kairos/schemas"
)

// condition is a tree: an expression by other means.
type condition struct {
	op   string // term, flag, attribute, score, in, split, not, and, or
	term *expression.Term
	name string
	want schemas.Value // of a term: at least; of an attribute: equal; of a score: more
	args []*condition
}

func (c *condition) source() string {
	switch c.op {
	case "term":
		return c.term.Canonical + ">=" + c.want.String()
	case "attribute", "score":
		return c.op + " " + c.name + "~" + c.want.String()
	case "in", "split":
		return c.op + " " + c.name
	case "flag":
		return c.term.Canonical + " is true"
	}
	var args []string
	for _, a := range c.args {
		args = append(args, a.source())
	}
	return c.op + "(" + strings.Join(args, ",") + ")"
}

func (c *condition) holds(in expression.Inputs) bool {
	switch c.op {
	case "term":
		return in.Term(c.term.ID).Number >= c.want.Number
	case "flag":
		return in.Term(c.term.ID).True()
	case "attribute":
		return in.Attribute(c.name) == c.want
	case "score":
		return in.Score(c.name).Kind == schemas.Number && in.Score(c.name).Number > c.want.Number
	case "in":
		return in.Audience(c.name)
	case "split":
		return xxhash.Sum64String(c.name+in.Person())%2 == 0
	case "not":
		return !c.args[0].holds(in)
	case "and":
		return c.args[0].holds(in) && c.args[1].holds(in)
	default:
		return c.args[0].holds(in) || c.args[1].holds(in)
	}
}

// value is the condition as a number or attribute, for models.
func (c *condition) value(in expression.Inputs) schemas.Value {
	switch c.op {
	case "term":
		return in.Term(c.term.ID)
	case "attribute":
		return in.Attribute(c.name)
	}
	return schemas.BooleanOf(c.holds(in))
}

type uses struct {
	terms      []*expression.Term
	attributes []string
	scores     []string
	audiences  []string
}

func (c *condition) collect(u *uses) {
	switch c.op {
	case "term", "flag":
		u.terms = append(u.terms, c.term)
	case "attribute":
		u.attributes = append(u.attributes, c.name)
	case "score":
		u.scores = append(u.scores, c.name)
	case "in":
		u.audiences = append(u.audiences, c.name)
	}
	for _, a := range c.args {
		a.collect(u)
	}
}

func (c *condition) expression(eval func(expression.Inputs) schemas.Value) *expression.Expression {
	var u uses
	c.collect(&u)
	slices.SortFunc(u.terms, func(a, b *expression.Term) int { return int(a.ID - b.ID) })
	slices.Sort(u.attributes)
	slices.Sort(u.scores)
	slices.Sort(u.audiences)
	e := expression.New(c.source(), slices.Compact(u.terms), slices.Compact(u.attributes), slices.Compact(u.scores), slices.Compact(u.audiences), eval)
	e.Guards = c.guards()
	return e
}

// guards lists what must be so for c to hold.
func (c *condition) guards() []expression.Guard {
	switch {
	case c.op == "and":
		return append(c.args[0].guards(), c.args[1].guards()...)
	case c.op == "flag":
		return []expression.Guard{{Term: c.term.ID}}
	case c.op == "attribute" && (c.want.Kind == schemas.Text || c.want.Kind == schemas.Number):
		return []expression.Guard{{Attribute: c.name, Values: []schemas.Value{c.want}}}
	}
	return nil
}

// vocabulary is what conditions of one plan may speak of.
type vocabulary struct {
	audiences []string
	models    []string
}

func drawCondition(t *rapid.T, v vocabulary, depth int) *condition {
	ops := []string{"term", "term", "flag", "attribute", "split"}
	if len(v.audiences) > 0 {
		ops = append(ops, "in")
	}
	if len(v.models) > 0 {
		ops = append(ops, "score")
	}
	if depth > 0 {
		ops = append(ops, "not", "and", "or", "and", "or")
	}
	c := &condition{op: rapid.SampledFrom(ops).Draw(t, "op")}
	switch c.op {
	case "term":
		c.term = Terms[rapid.IntRange(0, len(Terms)-1).Draw(t, "term")]
		c.want = schemas.NumberOf(float64(rapid.IntRange(0, 3).Draw(t, "bound")))
	case "flag":
		c.term = Terms[rapid.IntRange(0, len(Terms)-1).Draw(t, "term")]
	case "attribute":
		c.name = rapid.SampledFrom(Attributes).Draw(t, "attribute")
		c.want = drawValue(t)
	case "score":
		c.name = rapid.SampledFrom(v.models).Draw(t, "model")
		c.want = schemas.NumberOf(rapid.SampledFrom([]float64{0.2, 0.5, 0.8}).Draw(t, "threshold"))
	case "in":
		c.name = rapid.SampledFrom(v.audiences).Draw(t, "audience")
	case "split":
		c.name = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "split")
	case "not":
		c.args = []*condition{drawCondition(t, v, depth-1)}
	default:
		c.args = []*condition{drawCondition(t, v, depth-1), drawCondition(t, v, depth-1)}
	}
	return c
}

func drawValue(t *rapid.T) schemas.Value {
	return rapid.SampledFrom([]schemas.Value{
		{}, schemas.TextOf("FR"), schemas.TextOf("DE"), schemas.NumberOf(1), schemas.BooleanOf(true), schemas.BooleanOf(false),
	}).Draw(t, "value")
}

// Terms are all terms that plans speak of.
var Terms = func() []*expression.Term {
	var terms []*expression.Term
	for i := range int64(6) {
		terms = append(terms, &expression.Term{
			ID: 10 + 7*i, Canonical: fmt.Sprintf("count of e%d", i), Short: fmt.Sprintf("events(e%d)", i), Aggregate: expression.Count,
		})
	}
	return terms
}()

// Attributes are all attributes that plans speak of.
var Attributes = []string{"city", "consent.ads", "consent.mail", "country", "tier"}
