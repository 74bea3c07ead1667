package expression

import (
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
)

// Mentions are the names that a text refers to, each list sorted.
type Mentions struct {
	Audiences  []string
	Events     []string // "" is any event
	Features   []string
	Models     []string
	Attributes []string
	Fields     []string // of events, of any of those named
}

// MentionsOf lists the names that source refers to, whether they exist or not.
// It is empty for a text that does not parse.
func MentionsOf(source string) Mentions {
	text, refused := scan(source)
	if refused != nil {
		return Mentions{}
	}
	p, err := newParser()
	if err != nil {
		return Mentions{}
	}
	parsed, errs := p.Parse(common.NewTextSource(text))
	if len(errs.GetErrors()) > 0 {
		return Mentions{}
	}
	audiences, events, features, models, attributes, fields := set{}, set{}, set{}, set{}, set{}, set{}
	ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if of, field, ok := path(e); ok && of == "features" {
			features[field] = true
		} else if ok && of == "scores" {
			models[field] = true
		} else if ok && of == "p" {
			attributes[field] = true
		} else if ok {
			fields[field] = true
		}
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "events" && len(e.AsCall().Args()) == 0 {
			events[""] = true
		}
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) == 0 {
			return
		}
		if name, ok := textOf(e.AsCall().Args()[0]); ok && e.AsCall().IsMemberFunction() {
			fields[name] = true // sum("amount") and its kin; others' texts do no harm
		}
		name, ok := textOf(e.AsCall().Args()[0])
		if !ok {
			return
		}
		switch e.AsCall().FunctionName() {
		case audienceCall, "inFor":
			audiences[name] = true
		case "events", "member", "then", "without":
			events[name] = true
		}
	}))
	return Mentions{audiences.sorted(), events.sorted(), features.sorted(), models.sorted(), attributes.sorted(), fields.sorted()}
}
