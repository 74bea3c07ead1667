package expression

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"kairos/schemas"
)

// Guard is one thing without which an expression is not true: while it is not
// so, nobody needs to look at the expression when something else changes.
// Either a term is true, or an attribute is one of some values.
type Guard struct {
	Term      int64 // 0: of an attribute. Never one that is true without events
	Attribute string
	Values    []schemas.Value // numbers and texts, each once
}

// guardsOf lists what must be so for all of a checked tree to be true.
func (w *work) guardsOf(root ast.Expr) []Guard {
	terms := map[string]int64{}
	for id, t := range w.terms {
		if !t.Empty().True() {
			terms[termKey+t.Canonical] = id
		}
	}
	var guards []Guard
	for _, e := range flatten(root, operators.LogicalAnd) {
		if e.Kind() != ast.CallKind {
			continue
		}
		if isInput(e.AsCall().FunctionName()) {
			key, _ := textOf(e.AsCall().Args()[0])
			if id, ok := terms[key]; ok {
				guards = append(guards, Guard{Term: id})
			}
		} else if name, values := oneOf(e); len(values) > 0 {
			guards = append(guards, Guard{Attribute: name, Values: values})
		}
	}
	return guards
}

// oneOf reads p.name == constant and p.name in [constants]. No values: it is
// neither.
func oneOf(e ast.Expr) (attribute string, values []schemas.Value) {
	n := needOf(e, attributeKey)
	for _, v := range n.equal {
		if v.Kind != schemas.Number && v.Kind != schemas.Text { // what is not known is null, too
			return "", nil
		}
	}
	return n.field, n.equal
}
