package expression

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"kairos/schemas"
)

// scope resolves the names of one part of an expression: that about the
// person, or that about one event.
type scope interface {
	// name rewrites a bare name.
	name(e ast.Expr, name string) ast.Expr
	// field rewrites a field of a bare name, such as p.country; fields of
	// fields are joined by dots.
	field(e ast.Expr, of, field string) ast.Expr
	// call rewrites a call of a function that the language does not have everywhere.
	call(e ast.Expr, call ast.CallExpr) ast.Expr
	// compare rewrites a comparison if it has a special form there.
	compare(e ast.Expr, call ast.CallExpr) (ast.Expr, bool)
}

// rewrite turns a parsed tree into one that holds only the language: names
// resolved to inputs, whole numbers made doubles. What it does not know it
// refuses, so nothing of CEL is reachable unless it is named here.
func (w *work) rewrite(e ast.Expr, s scope) ast.Expr {
	switch e.Kind() {
	case ast.LiteralKind:
		return w.literal(e)
	case ast.IdentKind:
		return s.name(e, e.AsIdent())
	case ast.SelectKind:
		return w.selection(e, s)
	case ast.CallKind:
		return w.call(e, s)
	case ast.ListKind:
		w.refuse(e, "a list makes sense only on the right of `in`", "write p.country in [\"FR\", \"BE\"]")
	default:
		w.refuse(e, "maps and structures are not part of the language", "use attributes, events(...), scores and in(...)")
	}
	return e
}

func (w *work) literal(e ast.Expr) ast.Expr {
	switch v := e.AsLiteral().(type) {
	case types.Int:
		return w.factory.NewLiteral(e.ID(), types.Double(v))
	case types.Uint:
		return w.factory.NewLiteral(e.ID(), types.Double(v))
	case types.Bytes:
		w.refuse(e, "bytes are not part of the language", "write a text without the b in front")
	}
	return e
}

// path splits a.b.c and a["b"] into the first name and the rest.
func path(e ast.Expr) (of, field string, ok bool) {
	var parts []string
	for {
		switch {
		case e.Kind() == ast.SelectKind:
			parts = append(parts, e.AsSelect().FieldName())
			e = e.AsSelect().Operand()
		case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index && len(e.AsCall().Args()) == 2:
			name, isText := textOf(e.AsCall().Args()[1])
			if !isText {
				return "", "", false
			}
			parts = append(parts, name)
			e = e.AsCall().Args()[0]
		case e.Kind() == ast.IdentKind && len(parts) > 0:
			for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
				parts[i], parts[j] = parts[j], parts[i]
			}
			return e.AsIdent(), strings.Join(parts, "."), true
		default:
			return "", "", false
		}
	}
}

func (w *work) selection(e ast.Expr, s scope) ast.Expr {
	of, field, ok := path(e)
	if !ok {
		w.refuse(e, "a field is taken of something that has none", "fields belong to p (attributes), scores, features and the event of a where(...)")
		return e
	}
	input := s.field(e, of, field)
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		present := w.factory.NewLiteral(w.newID(e), types.NullValue)
		// The input has e's id; the comparison around it needs its own.
		return w.factory.NewCall(w.newID(e), operators.NotEquals, input, present)
	}
	return input
}

// textOf returns e's text if it is a literal one.
func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// arity holds the functions that mean the same everywhere, with the number of
// their arguments, receiver included: -1 for all others.
func arity(function string) (arguments int, member bool) {
	switch function {
	case operators.LogicalNot, operators.Negate:
		return 1, false
	case operators.LogicalAnd, operators.LogicalOr, operators.Add, operators.Subtract, operators.Multiply, operators.Divide,
		operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return 2, false
	case operators.Conditional:
		return 3, false
	case overloads.Contains, overloads.StartsWith, overloads.EndsWith:
		return 2, true
	default:
		return -1, false
	}
}

func (w *work) call(e ast.Expr, s scope) ast.Expr {
	call := e.AsCall()
	name := call.FunctionName()
	switch name {
	case operators.Index:
		return w.selection(e, s)
	case operators.In:
		return w.membership(e, call, s)
	case operators.Modulo:
		w.refuse(e, "% is not part of the language", "for a stable split write bucket(\"name\") < 10")
		return e
	case overloads.Size:
		return w.size(e, call, s)
	case overloads.Matches:
		return w.matches(e, call, s)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if special, ok := s.compare(e, call); ok {
			return special
		}
	}
	arguments := receiverAndArguments(call)
	if n, member := arity(name); n != len(arguments) || member != call.IsMemberFunction() {
		return s.call(e, call)
	}
	arguments = w.rewriteAll(arguments, s)
	if call.IsMemberFunction() {
		return w.factory.NewMemberCall(e.ID(), name, arguments[0], arguments[1:]...)
	}
	return w.factory.NewCall(e.ID(), name, arguments...)
}

// receiverAndArguments lists all that a call is given.
func receiverAndArguments(call ast.CallExpr) []ast.Expr {
	if call.IsMemberFunction() {
		return append([]ast.Expr{call.Target()}, call.Args()...)
	}
	return call.Args()
}

func (w *work) rewriteAll(es []ast.Expr, s scope) []ast.Expr {
	rewritten := make([]ast.Expr, len(es))
	for i, e := range es {
		rewritten[i] = w.rewrite(e, s)
	}
	return rewritten
}

// membership rewrites x in [constants].
func (w *work) membership(e ast.Expr, call ast.CallExpr, s scope) ast.Expr {
	list := call.Args()[1]
	if w.isListed(list) {
		return w.factory.NewCall(e.ID(), operators.In, w.rewrite(call.Args()[0], s), w.rewrite(list, s))
	}
	if list.Kind() != ast.ListKind {
		w.refuse(e, "the right side of `in` is not a list", "write p.country in [\"FR\", \"BE\"]; for an audience write in(\"name\")")
		return e
	}
	var elements []ast.Expr
	for _, element := range list.AsList().Elements() {
		if element.Kind() != ast.LiteralKind {
			w.refuse(element, "a list holds something that is not a constant", "write p.country in [\"FR\", \"BE\"]")
			continue
		}
		elements = append(elements, w.literal(element))
	}
	return w.factory.NewCall(e.ID(), operators.In, w.rewrite(call.Args()[0], s), w.factory.NewList(list.ID(), elements, nil))
}

// size rewrites size(text) and text.size() so that it is a number like others.
func (w *work) size(e ast.Expr, call ast.CallExpr, s scope) ast.Expr {
	arguments := receiverAndArguments(call)
	if len(arguments) != 1 {
		return s.call(e, call)
	}
	size := w.factory.NewCall(w.newID(e), overloads.Size, w.rewrite(arguments[0], s))
	return w.factory.NewCall(e.ID(), overloads.TypeConvertDouble, size)
}

// matches rewrites text.matches("pattern").
func (w *work) matches(e ast.Expr, call ast.CallExpr, s scope) ast.Expr {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		w.refuse(e, "matches is called on a text with one pattern", "write p.email.matches(\"^a.*\\\\.org$\")")
		return e
	}
	pattern, ok := textOf(call.Args()[0])
	if !ok {
		w.refuse(call.Args()[0], "the pattern of matches is not a constant text", "write it out in quotes")
		return e
	}
	_, instructions, err := compilePattern(pattern)
	if err != nil {
		w.refuse(call.Args()[0], err.Error(), "patterns are RE2: no backreferences, no lookaround; see golang.org/s/re2syntax")
		return e
	}
	if w.instructions += instructions; w.instructions > largestPattern {
		w.refuse(call.Args()[0], fmt.Sprintf("the patterns need %d steps per letter, more than the %d that are allowed", w.instructions, largestPattern), "use fewer or simpler patterns")
	}
	return w.factory.NewMemberCall(e.ID(), overloads.Matches, w.rewrite(call.Target(), s), call.Args()[0])
}

// personScope resolves what may be asked of a person.
type personScope struct{ *work }

func (w *work) person(e ast.Expr) ast.Expr { return w.rewrite(e, personScope{w}) }

func (s personScope) name(e ast.Expr, name string) ast.Expr {
	next := Suggest(name, []string{"p", "scores", "features"})
	if !strings.HasPrefix(next, "did") {
		next = "attributes are written p." + name + ", texts in quotes"
	}
	s.refuse(e, "unknown name `"+name+"`", next)
	return e
}

func (s personScope) field(e ast.Expr, of, field string) ast.Expr {
	switch of {
	case "p":
		return s.attribute(e, field)
	case "scores":
		return s.score(e, field)
	case "features":
		return s.feature(e, field)
	default:
		s.refuse(e, "`"+of+"` has no field `"+field+"`", Suggest(of, []string{"p", "scores", "features"}))
		return e
	}
}

func (s personScope) attribute(e ast.Expr, name string) ast.Expr {
	t, ok := s.environment.Attributes[name]
	if s.environment.Attributes != nil && !ok {
		s.refuse(e, "unknown attribute `"+name+"`", Suggest(name, keys(s.environment.Attributes)))
		return e
	}
	s.attributes[name] = true
	return s.personInput(e, t, attributeKey+name, func(in Inputs) value { return in.Attribute(name) })
}

func (s personScope) score(e ast.Expr, model string) ast.Expr {
	if s.environment.Models != nil && !slices.Contains(s.environment.Models, model) {
		s.refuse(e, "unknown model `"+model+"`", Suggest(model, s.environment.Models))
		return e
	}
	s.scores[model] = true
	return s.personInput(e, NumberType, "scores."+model, func(in Inputs) value { return in.Score(model) })
}

func (s personScope) feature(e ast.Expr, name string) ast.Expr {
	f, ok := s.environment.Features[name]
	if !ok {
		s.refuse(e, "unknown feature `"+name+"`", Suggest(name, keys(s.environment.Features)))
		return e
	}
	for _, t := range f.Terms {
		s.terms[t.ID] = t
	}
	s.attributes.addAll(f.Attributes)
	s.scores.addAll(f.Scores)
	s.audiences.addAll(f.Audiences)
	return s.personInput(e, f.Type, "features."+name, f.eval)
}

func (s personScope) call(e ast.Expr, call ast.CallExpr) ast.Expr {
	if special, ok := s.term(e, e, NoComparison, operand{}); ok {
		return special
	}
	if special, ok := s.date(e, e, NoComparison, 0); ok {
		return special
	}
	switch name := call.FunctionName(); name {
	case audienceCall:
		return s.audience(e, call)
	case "inFor":
		return s.dwell(e, call)
	case "bucket":
		return s.bucket(e, call)
	default:
		s.refuseCall(e)
		return e
	}
}

// functions are those that the language has at the beginning of a call.
var functions = []string{
	"events", memberCall, "in", "inFor", "bucket", "has", "size", "contains", "startsWith", "endsWith", "matches",
	"daysUntil", "daysSince", "yearsSince", "anniversary", "daysUntilAnniversary",
}

// refuseCall refuses a function that is not there, or not there yet.
func (w *work) refuseCall(e ast.Expr) {
	e = beginning(e)
	switch name := e.AsCall().FunctionName(); name {
	case "exists", "all", "exists_one", "map", "filter":
		w.refuse(e, "`"+name+"` is not part of the language: there are no loops", "for a list of constants write p.country in [\"FR\", \"BE\"]")
	default:
		w.refuse(e, "unknown function `"+name+"`", Suggest(name, functions))
	}
}

// beginning is the call that explains what e means: the first of a chain that
// starts with a function of its own, or with one that is not there; otherwise e
// itself.
func beginning(e ast.Expr) ast.Expr {
	calls, _ := steps(e)
	if len(calls) == 0 || calls[0].AsCall().IsMemberFunction() {
		return e
	}
	if name := calls[0].AsCall().FunctionName(); beginsChain(name) || !slices.Contains(functions, name) {
		return calls[0]
	}
	return e
}

func (s personScope) audience(e ast.Expr, call ast.CallExpr) ast.Expr {
	name, ok := s.oneText(e, call, "in(\"vip\")")
	if !ok {
		return e
	}
	if s.environment.Audiences != nil && !slices.Contains(s.environment.Audiences, name) {
		s.refuse(call.Args()[0], "unknown audience `"+name+"`", Suggest(name, s.environment.Audiences))
		return e
	}
	s.audiences[name] = true
	return s.personInput(e, BooleanType, "in "+name, func(in Inputs) value { return schemas.BooleanOf(in.Audience(name)) })
}

func (s personScope) bucket(e ast.Expr, call ast.CallExpr) ast.Expr {
	name, ok := s.oneText(e, call, "bucket(\"experiment-7\") < 10")
	if !ok {
		return e
	}
	return s.personInput(e, NumberType, "bucket "+name, func(in Inputs) value { return schemas.NumberOf(Bucket(name, in.Person())) })
}

// oneText returns the only argument of a call, a constant text.
func (w *work) oneText(e ast.Expr, call ast.CallExpr, example string) (string, bool) {
	if !call.IsMemberFunction() && len(call.Args()) == 1 {
		if name, ok := textOf(call.Args()[0]); ok && name != "" {
			return name, true
		}
	}
	w.refuse(e, "the call needs one constant text", "write "+example)
	return "", false
}

func (s personScope) compare(e ast.Expr, call ast.CallExpr) (ast.Expr, bool) {
	comparison := comparisonOf(call.FunctionName())
	left, right := call.Args()[0], call.Args()[1]
	if isConstant(left) {
		left, right, comparison = right, left, comparison.flipped()
	}
	bound, ok := s.operandOf(left, right)
	if !ok {
		return nil, false
	}
	if special, ok := s.date(e, left, comparison, bound.number); ok && !bound.elapsed {
		return special, true
	}
	return s.term(e, left, comparison, bound)
}
