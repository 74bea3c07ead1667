package expression

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"kairos/schemas"
)

type value = schemas.Value

// failed is the kind of a value that could not be computed: CEL's error. It
// never leaves this package.
const failed schemas.Kind = 255

// settled makes a value fit for the outside: what failed and what is no finite
// number is Null.
func settled(v value) value {
	if v.Kind == failed || v.Kind == schemas.Number && (math.IsInf(v.Number, 0) || math.IsNaN(v.Number)) {
		return value{}
	}
	return v
}

// truth is a Boolean that may not be known, because what it asks of failed.
type truth uint8

const (
	no truth = iota
	yes
	unknown
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) value() value {
	if t == unknown {
		return value{Kind: failed}
	}
	return schemas.BooleanOf(t == yes)
}

// slot reads one input.
type slot[S any] func(S) value

// native compiles a checked tree into closures over S, with the meaning that
// CEL gives it: an error on one side of && or || counts only if the other side
// does not decide. The tests prove it against CEL's own interpreter, which
// allocates and is some five times slower (BenchmarkEval, BenchmarkEvalByCEL).
type native[S any] struct {
	slot func(key string) slot[S]
}

// value compiles e.
func (n native[S]) value(e ast.Expr) func(S) value {
	if e.Kind() == ast.LiteralKind {
		constant := constantOf(e)
		return func(S) value { return constant }
	}
	call := e.AsCall()
	name, arguments := call.FunctionName(), receiverAndArguments(call)
	switch name {
	case operators.Conditional:
		condition, then, otherwise := n.logic(arguments[0]), n.value(arguments[1]), n.value(arguments[2])
		return func(s S) value {
			switch condition(s) {
			case yes:
				return then(s)
			case no:
				return otherwise(s)
			default:
				return value{Kind: failed}
			}
		}
	case operators.Add:
		return n.sum(arguments)
	case operators.Subtract:
		return n.arithmetic(arguments, func(a, b float64) float64 { return a - b })
	case operators.Multiply:
		return n.arithmetic(arguments, func(a, b float64) float64 { return a * b })
	case operators.Divide:
		return n.arithmetic(arguments, func(a, b float64) float64 { return a / b })
	case operators.Negate:
		return n.negation(arguments[0])
	case overloads.TypeConvertDouble:
		return n.value(arguments[0])
	case overloads.Size:
		return n.length(arguments[0])
	}
	if isInput(name) {
		key, _ := textOf(arguments[0])
		return n.slot(key)
	}
	test := n.logic(e)
	return func(s S) value { return test(s).value() }
}

func isInput(function string) bool {
	for _, name := range inputFunctions {
		if name == function {
			return true
		}
	}
	return false
}

func constantOf(e ast.Expr) value {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return schemas.BooleanOf(bool(v))
	case types.Double:
		return schemas.NumberOf(float64(v))
	case types.String:
		return schemas.TextOf(string(v))
	default:
		return value{}
	}
}

func (n native[S]) sum(arguments []ast.Expr) func(S) value {
	left, right := n.value(arguments[0]), n.value(arguments[1])
	return func(s S) value {
		a, b := left(s), right(s)
		switch {
		case a.Kind == schemas.Number && b.Kind == schemas.Number:
			return schemas.NumberOf(a.Number + b.Number)
		case a.Kind == schemas.Text && b.Kind == schemas.Text && len(a.Text)+len(b.Text) <= longestJoined:
			return schemas.TextOf(a.Text + b.Text)
		default:
			return value{Kind: failed}
		}
	}
}

func (n native[S]) arithmetic(arguments []ast.Expr, f func(a, b float64) float64) func(S) value {
	left, right := n.value(arguments[0]), n.value(arguments[1])
	return func(s S) value {
		a, b := left(s), right(s)
		if a.Kind != schemas.Number || b.Kind != schemas.Number {
			return value{Kind: failed}
		}
		return schemas.NumberOf(f(a.Number, b.Number))
	}
}

func (n native[S]) negation(argument ast.Expr) func(S) value {
	operand := n.value(argument)
	return func(s S) value {
		v := operand(s)
		if v.Kind != schemas.Number {
			return value{Kind: failed}
		}
		return schemas.NumberOf(-v.Number)
	}
}

func (n native[S]) length(argument ast.Expr) func(S) value {
	operand := n.value(argument)
	if argument.Kind() == ast.CallKind && argument.AsCall().FunctionName() == inputFunctions[ListType] {
		return func(s S) value { return schemas.NumberOf(float64(len(Elements(operand(s))))) }
	}
	return func(s S) value {
		v := operand(s)
		if v.Kind != schemas.Text {
			return value{Kind: failed}
		}
		return schemas.NumberOf(float64(utf8.RuneCountInString(v.Text)))
	}
}

// logic compiles e as a condition.
func (n native[S]) logic(e ast.Expr) func(S) truth {
	if e.Kind() == ast.LiteralKind {
		constant := truthOfValue(constantOf(e))
		return func(S) truth { return constant }
	}
	call := e.AsCall()
	name, arguments := call.FunctionName(), receiverAndArguments(call)
	switch name {
	case operators.LogicalAnd:
		return and(n.conditions(flatten(e, name)))
	case operators.LogicalOr:
		return or(n.conditions(flatten(e, name)))
	case operators.LogicalNot:
		return not(n.logic(arguments[0]))
	case operators.Equals, operators.NotEquals:
		return n.equality(arguments, name == operators.Equals)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return n.order(comparisonOf(name), arguments)
	case operators.In:
		return n.membership(arguments)
	case overloads.Contains:
		return n.texts(arguments, strings.Contains)
	case overloads.StartsWith:
		return n.texts(arguments, strings.HasPrefix)
	case overloads.EndsWith:
		return n.texts(arguments, strings.HasSuffix)
	case overloads.Matches:
		return n.matching(arguments)
	}
	v := n.value(e)
	return func(s S) truth { return truthOfValue(v(s)) }
}

func truthOfValue(v value) truth {
	if v.Kind != schemas.Boolean {
		return unknown
	}
	return truthOf(v.Number != 0)
}

func (n native[S]) conditions(es []ast.Expr) []func(S) truth {
	conditions := make([]func(S) truth, len(es))
	for i, e := range es {
		conditions[i] = n.logic(e)
	}
	return conditions
}

func and[S any](conditions []func(S) truth) func(S) truth {
	return func(s S) truth {
		all := yes
		for _, condition := range conditions {
			switch condition(s) {
			case no:
				return no
			case unknown:
				all = unknown
			}
		}
		return all
	}
}

func or[S any](conditions []func(S) truth) func(S) truth {
	return func(s S) truth {
		any := no
		for _, condition := range conditions {
			switch condition(s) {
			case yes:
				return yes
			case unknown:
				any = unknown
			}
		}
		return any
	}
}

func not[S any](condition func(S) truth) func(S) truth {
	return func(s S) truth {
		switch condition(s) {
		case yes:
			return no
		case no:
			return yes
		default:
			return unknown
		}
	}
}

// equality compares values of any kinds: those of two kinds are not equal.
func (n native[S]) equality(arguments []ast.Expr, equal bool) func(S) truth {
	left, right := n.value(arguments[0]), n.value(arguments[1])
	if arguments[1].Kind() == ast.LiteralKind {
		return equalTo(left, constantOf(arguments[1]), equal)
	}
	return func(s S) truth {
		a, b := left(s), right(s)
		if a.Kind == failed || b.Kind == failed {
			return unknown
		}
		return truthOf((a == b) == equal)
	}
}

// equalTo is equality with a constant, which never fails.
func equalTo[S any](operand func(S) value, constant value, equal bool) func(S) truth {
	return func(s S) truth {
		v := operand(s)
		if v.Kind == failed {
			return unknown
		}
		return truthOf((v == constant) == equal)
	}
}

// order compares two numbers, two texts or two booleans by order.
func (n native[S]) order(c Comparison, arguments []ast.Expr) func(S) truth {
	if bound, ok := numberOf(arguments[1]); ok {
		return n.orderWith(c, arguments[0], bound)
	}
	left, right := n.value(arguments[0]), n.value(arguments[1])
	return func(s S) truth {
		a, b := left(s), right(s)
		switch {
		case a.Kind == failed || b.Kind == failed || a.Kind == schemas.Null:
			return unknown
		case a.Number != a.Number || b.Number != b.Number:
			return no // NaN is neither below nor above anything
		case a.Kind != b.Kind:
			return unknown
		}
		return truthOf(c.holds(a.Compare(b)))
	}
}

// orderWith is order with a constant, the most common condition of all.
func (n native[S]) orderWith(c Comparison, argument ast.Expr, bound float64) func(S) truth {
	operand := n.value(argument)
	return func(s S) truth {
		v := operand(s)
		if v.Kind != schemas.Number {
			return unknown
		}
		return truthOf(c.holdsFor(v.Number, bound))
	}
}

// holdsFor tells whether x and bound compare as c says.
func (c Comparison) holdsFor(x, bound float64) bool {
	switch c {
	case Less:
		return x < bound
	case LessOrEqual:
		return x <= bound
	case Equal:
		return x == bound
	case NotEqual:
		return x != bound
	case GreaterOrEqual:
		return x >= bound
	default:
		return x > bound
	}
}

// holds tells whether c holds for two sides that compare as sign says.
func (c Comparison) holds(sign int) bool {
	switch c {
	case Less:
		return sign < 0
	case LessOrEqual:
		return sign <= 0
	case GreaterOrEqual:
		return sign >= 0
	default:
		return sign > 0
	}
}

func (n native[S]) membership(arguments []ast.Expr) func(S) truth {
	operand := n.value(arguments[0])
	if arguments[1].Kind() != ast.ListKind {
		return n.listed(operand, n.value(arguments[1]))
	}
	list := map[value]bool{}
	for _, element := range arguments[1].AsList().Elements() {
		list[constantOf(element)] = true
	}
	return func(s S) truth {
		v := operand(s)
		if v.Kind == failed {
			return unknown
		}
		return truthOf(list[v])
	}
}

func (n native[S]) texts(arguments []ast.Expr, f func(a, b string) bool) func(S) truth {
	left, right := n.value(arguments[0]), n.value(arguments[1])
	return func(s S) truth {
		a, b := left(s), right(s)
		if a.Kind != schemas.Text || b.Kind != schemas.Text {
			return unknown
		}
		return truthOf(f(a.Text, b.Text))
	}
}

func (n native[S]) matching(arguments []ast.Expr) func(S) truth {
	operand := n.value(arguments[0])
	text, _ := textOf(arguments[1])
	pattern, _, err := compilePattern(text)
	if err != nil {
		return func(S) truth { return unknown } // refused before; total all the same
	}
	return func(s S) truth {
		v := operand(s)
		if v.Kind != schemas.Text || len(v.Text) > longestMatched {
			return unknown
		}
		return truthOf(pattern.MatchString(v.Text))
	}
}

// Bounds of what one evaluation costs, whatever the values are.
const (
	longestPattern = 256     // bytes
	largestPattern = 2000    // instructions of all patterns of an expression
	longestMatched = 4 << 10 // a longer text is not matched: the result is null
	longestJoined  = 8 << 10 // as is that of joining texts to a longer one
)

// compilePattern compiles a pattern of RE2, whose cost is at most its number of
// instructions times the length of the text.
func compilePattern(pattern string) (compiled *regexp.Regexp, instructions int, err error) {
	if len(pattern) > longestPattern {
		return nil, 0, fmt.Errorf("the pattern has %d bytes, more than the %d that are allowed", len(pattern), longestPattern)
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, 0, fmt.Errorf("the pattern is not valid: %w", err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, 0, fmt.Errorf("the pattern is not valid: %w", err)
	}
	compiled, err = regexp.Compile(pattern)
	return compiled, len(program.Inst), err
}
