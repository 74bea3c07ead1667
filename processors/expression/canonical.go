package expression

import (
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// String is the word for a.
func (a Aggregate) String() string {
	return [...]string{"any", "none", "count", "sum", "avg", "min", "max", "first", "last", "unique",
		"most_frequent", "list", "recency", "elapsed", "streak",
		"daysUntil", "daysSince", "yearsSince", "anniversary", "daysUntilAnniversary"}[a]
}

// String is the operator of c.
func (c Comparison) String() string {
	return [...]string{"", "<", "<=", "==", "!=", ">=", ">"}[c]
}

func comparisonOf(operator string) Comparison {
	switch operator {
	case operators.Less:
		return Less
	case operators.LessEquals:
		return LessOrEqual
	case operators.Equals:
		return Equal
	case operators.NotEquals:
		return NotEqual
	case operators.GreaterEquals:
		return GreaterOrEqual
	case operators.Greater:
		return Greater
	default:
		return NoComparison
	}
}

// flipped is the comparison with the sides exchanged.
func (c Comparison) flipped() Comparison {
	return [...]Comparison{NoComparison, Greater, GreaterOrEqual, Equal, NotEqual, LessOrEqual, Less}[c]
}

// numberOf returns e's number if it is a constant one.
func numberOf(e ast.Expr) (float64, bool) {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Negate {
		x, ok := numberOf(e.AsCall().Args()[0])
		return -x, ok
	}
	if e.Kind() != ast.LiteralKind {
		return 0, false
	}
	switch v := e.AsLiteral().(type) {
	case types.Double:
		return float64(v), true
	case types.Int:
		return float64(v), true
	case types.Uint:
		return float64(v), true
	default:
		return 0, false
	}
}

func numberText(x float64) string {
	if x == 0 {
		return "0" // also for -0, which compares alike
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// Ids of terms and series are hashes of canonical texts, and rest in rows: what
// canonicalText writes for a tree must never change.

// canonicalText writes a rewritten tree so that trees which mean the same by
// their form alone get one text: brackets wherever they could matter, constants
// on the right, conjunctions and disjunctions sorted, without repetitions.
func canonicalText(e ast.Expr) string {
	switch e.Kind() {
	case ast.LiteralKind:
		return literalText(e)
	case ast.ListKind:
		return "[" + joinSorted(e.AsList().Elements(), ", ") + "]"
	}
	call := e.AsCall()
	name, arguments := call.FunctionName(), receiverAndArguments(call)
	switch {
	case strings.HasPrefix(name, "@") && name != operators.In:
		key, _ := textOf(arguments[0])
		return fieldText(key)
	case name == operators.LogicalAnd || name == operators.LogicalOr:
		symbol := " && "
		if name == operators.LogicalOr {
			symbol = " || "
		}
		return "(" + joinSorted(flatten(e, name), symbol) + ")"
	case comparisonOf(name) != NoComparison:
		return comparisonText(comparisonOf(name), arguments)
	case name == overloads.TypeConvertDouble:
		return canonicalText(arguments[0])
	}
	texts := make([]string, len(arguments))
	for i, a := range arguments {
		texts[i] = operandText(a)
	}
	switch name {
	case operators.Conditional:
		return "(" + texts[0] + " ? " + texts[1] + " : " + texts[2] + ")"
	case operators.In, operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		return "(" + texts[0] + " " + strings.Trim(name, "@_") + " " + texts[1] + ")"
	case operators.LogicalNot, operators.Negate:
		return strings.Trim(name, "_") + "(" + texts[0] + ")"
	default:
		return name + "(" + strings.Join(texts, ", ") + ")"
	}
}

func comparisonText(c Comparison, sides []ast.Expr) string {
	left, right := sides[0], sides[1]
	if left.Kind() == ast.LiteralKind && right.Kind() != ast.LiteralKind {
		left, right, c = right, left, c.flipped()
	}
	return operandText(left) + " " + c.String() + " " + operandText(right)
}

// operandText puts comparisons, which stand bare among conditions, in brackets.
func operandText(e ast.Expr) string {
	if e.Kind() == ast.CallKind && comparisonOf(e.AsCall().FunctionName()) != NoComparison {
		return "(" + canonicalText(e) + ")"
	}
	return canonicalText(e)
}

// fieldText writes the key of an input, quoted where it is not a plain name.
func fieldText(key string) string {
	prefix, name, _ := strings.Cut(key, ".")
	if quotedUnlessName(name) != name {
		return prefix + "[" + strconv.Quote(name) + "]"
	}
	return key
}

func literalText(e ast.Expr) string {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Double:
		return numberText(float64(v))
	case types.String:
		return strconv.Quote(string(v))
	default:
		return "null"
	}
}

func joinSorted(es []ast.Expr, separator string) string {
	texts := make([]string, len(es))
	for i, e := range es {
		texts[i] = canonicalText(e)
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), separator)
}

// flatten lists the operands of nested calls of one operator.
func flatten(e ast.Expr, operator string) []ast.Expr {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operator {
		return []ast.Expr{e}
	}
	var operands []ast.Expr
	for _, a := range e.AsCall().Args() {
		operands = append(operands, flatten(a, operator)...)
	}
	return operands
}

// conjuncts lists what must all hold for all conditions to hold, each once, in
// the order of their texts.
func conjuncts(conditions []ast.Expr) []ast.Expr {
	byText := map[string]ast.Expr{}
	for _, c := range conditions {
		for _, operand := range flatten(c, operators.LogicalAnd) {
			byText[canonicalText(operand)] = operand
		}
	}
	sorted := make([]ast.Expr, 0, len(byText))
	for _, text := range slices.Sorted(slices.Values(keys(byText))) {
		sorted = append(sorted, byText[text])
	}
	return sorted
}

func conjunctionText(conditions []ast.Expr) string {
	var operands []ast.Expr
	for _, c := range conditions {
		operands = append(operands, flatten(c, operators.LogicalAnd)...)
	}
	return joinSorted(operands, " && ")
}
