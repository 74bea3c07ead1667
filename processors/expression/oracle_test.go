package expression

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"
	"pgregory.net/rapid"

	"kairos/schemas"
)

// oracle evaluates a checked tree with CEL's own interpreter, its inputs taken
// from slot: what native must agree with.
type oracle struct {
	program cel.Program
	read    func(key string) value
}

func newOracle(t rapid.TB, checked *ast.AST, fields schemas.Properties) *oracle {
	t.Helper()
	o := &oracle{read: func(key string) value { return fields.Get(key[len("p."):]) }}
	options := []cel.EnvOption{cel.StdLib()}
	for kind, name := range inputFunctions {
		options = append(options, cel.Function(name, cel.Overload(name+"_text", []*cel.Type{cel.StringType}, celType(Type(kind)),
			cel.UnaryBinding(func(key ref.Val) ref.Val { return celValue(o.read(string(key.(types.String)))) }))))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := ast.ToProto(checked)
	if err != nil {
		t.Fatal(err)
	}
	if o.program, err = env.Program(cel.CheckedExprToAst(tree)); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *oracle) eval() value {
	result, _, err := o.program.Eval(cel.NoVars())
	if err != nil {
		return value{}
	}
	return settled(fromCEL(result))
}

func celValue(v value) ref.Val {
	switch v.Kind {
	case schemas.Boolean:
		return types.Bool(v.Number != 0)
	case schemas.Number:
		return types.Double(v.Number)
	case schemas.Text:
		return types.String(v.Text)
	case failed:
		return types.NewErr("failed")
	default:
		return types.NullValue
	}
}

func fromCEL(v ref.Val) value {
	switch v := v.(type) {
	case types.Bool:
		return schemas.BooleanOf(bool(v))
	case types.Double:
		return schemas.NumberOf(float64(v))
	case types.Int:
		return schemas.NumberOf(float64(v))
	case types.String:
		return schemas.TextOf(string(v))
	default:
		return value{}
	}
}

// anyValue draws values of all kinds, edges included.
func anyValue() *rapid.Generator[value] {
	return rapid.OneOf(
		rapid.Just(value{}),
		rapid.Map(rapid.Bool(), schemas.BooleanOf),
		rapid.Map(rapid.SampledFrom([]float64{-1, 0, math.Copysign(0, -1), 1, 2, 0.5, 50, 1e300, math.Inf(1), math.NaN()}), schemas.NumberOf),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "ab", "é", "FR", "web", "50"}), schemas.TextOf),
	)
}

// source draws texts of the language about names that start with prefix, of
// which those ending in n, t and b have a declared type.
func source(prefix string, depth int) *rapid.Generator[string] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"n", "m", "t", "u", "b", "c", "x", "y"}), func(f string) string { return prefix + f }),
		rapid.SampledFrom([]string{"1", "0", "-1", "2.5", "50", "true", "false", "null", `"a"`, `""`, `"FR"`, `"é"`}),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		part := func() string { return source(prefix, depth-1).Draw(t, "part") }
		switch rapid.IntRange(0, 12).Draw(t, "shape") {
		case 0:
			return leaf.Draw(t, "leaf")
		case 1, 2:
			return "(" + part() + " && " + part() + ")"
		case 3, 4:
			return "(" + part() + " || " + part() + " || " + part() + ")"
		case 5:
			return "!(" + part() + ")"
		case 6, 7:
			operator := rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).Draw(t, "operator")
			return "(" + part() + " " + operator + " " + part() + ")"
		case 8:
			operator := rapid.SampledFrom([]string{"+", "-", "*", "/"}).Draw(t, "operator")
			return "(" + part() + " " + operator + " " + part() + ")"
		case 9:
			return "(" + part() + " ? " + part() + " : " + part() + ")"
		case 10:
			return "(" + part() + ` in ["FR", 1, null, true, 2.5])`
		case 11:
			name := rapid.SampledFrom([]string{"contains", "startsWith", "endsWith"}).Draw(t, "function")
			return prefix + "t." + name + "(" + part() + ")"
		default:
			return rapid.SampledFrom([]string{
				"(size(" + prefix + "t) > 1)", "size(" + prefix + "x)", prefix + `t.matches("^[a-f]+$")`, prefix + `x.matches("b|F")`,
				"has(" + prefix + "x)", "-" + prefix + "n", "(-" + prefix + "x)"}).Draw(t, "special")
		}
	})
}

var oracleTypes = map[string]Type{"n": NumberType, "m": NumberType, "t": TextType, "u": TextType, "b": BooleanType, "c": BooleanType, "x": AnyType, "y": AnyType}

// anyOf draws a value that fits the declared type of a field, or is missing.
func anyOf(t *rapid.T, field string) value {
	kinds := map[Type]schemas.Kind{BooleanType: schemas.Boolean, NumberType: schemas.Number, TextType: schemas.Text}
	v := anyValue().Draw(t, field)
	if kind, typed := kinds[oracleTypes[field]]; typed && v.Kind != kind {
		return value{}
	}
	return v
}

// TestTheNativeFormAgreesWithCEL is why expressions may run as closures.
func TestTheNativeFormAgreesWithCEL(t *testing.T) {
	compiler, err := NewCompiler(Environment{Attributes: oracleTypes})
	if err != nil {
		t.Fatal(err)
	}
	compiled, decided := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		person := testInputs{attributes: drawFields(t)}
		for range 60 { // most drawn texts are not well typed
			text := source("p.", 3).Draw(t, "source")
			_, checked, _, err := compiler.analyse(text)
			if err != nil {
				continue
			}
			expression, err := compiler.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			compiled++
			got, want := expression.Eval(person), newOracle(t, checked, person.attributes).eval()
			if got != want {
				t.Fatalf("%s: closures say %v (kind %d), CEL says %v (kind %d)\n%v", text, got, got.Kind, want, want.Kind, person.attributes)
			}
			if got.Kind != schemas.Null {
				decided++
			}
		}
	})
	if compiled < 100 || decided < 50 {
		t.Fatalf("only %d of the drawn expressions compiled and %d gave a value: the test proves little", compiled, decided)
	}
}

// drawFields draws a value for every field that expressions are drawn about.
func drawFields(t *rapid.T) (fields schemas.Properties) {
	for _, field := range slices.Sorted(maps.Keys(oracleTypes)) {
		fields = fields.Set(field, anyOf(t, field))
	}
	return fields
}

func TestTheFilterOfASeriesAgreesWithCEL(t *testing.T) {
	compiler, err := NewCompiler(Environment{Attributes: oracleTypes, Events: map[string]map[string]Type{"seen": oracleTypes}})
	if err != nil {
		t.Fatal(err)
	}
	compiled, passed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		fields := drawFields(t)
		for range 20 {
			about := source("e.", 3).Draw(t, "condition")
			expression, err := compiler.Compile(`events("seen").where(e, ` + about + `).any()`)
			_, checked, _, oracleErr := compiler.analyse(strings.ReplaceAll(about, "e.", "p."))
			if err != nil || oracleErr != nil {
				continue
			}
			compiled++
			match := expression.Terms[0].Series.Match
			got, want := match(&schemas.Event{Properties: fields}), newOracle(t, checked, fields).eval().True()
			if got != want {
				t.Fatalf("%s: the filter says %v, CEL says %v\n%v", about, got, want, fields)
			}
			if got {
				passed++
			}
		}
	})
	if !testing.Short() && (compiled < 50 || passed < 5) {
		t.Fatalf("only %d of the drawn filters compiled and %d let an event pass: the test proves little", compiled, passed)
	}
}

func TestBothParsersOfCELReadAlike(t *testing.T) {
	fast, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	slow, err := parser.NewParser(parser.Macros(parser.HasMacro))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := source("p.", 4).Draw(t, "source")
		if rapid.Bool().Draw(t, "spoilt") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			text = text[:at] + rapid.SampledFrom([]string{" ", "\n", ")", "(", "'", "&", "1", ".", "?", "//"}).Draw(t, "with") + text[at:]
		}
		a, errsA := fast.Parse(common.NewTextSource(text))
		b, errsB := slow.Parse(common.NewTextSource(text))
		if refusedA, refusedB := len(errsA.GetErrors()) > 0, len(errsB.GetErrors()) > 0; refusedA != refusedB {
			t.Fatalf("%q: refused without ANTLR: %v, with: %v", text, errsA.ToDisplayString(), errsB.ToDisplayString())
		} else if !refusedA && !a.Equiv(b) {
			t.Fatalf("%q is read differently", text)
		}
	})
}

// Series with one canonical text are one series, so conditions with one text
// must let the same events pass.
func TestConditionsWithOneCanonicalTextMeanTheSame(t *testing.T) {
	compiler, err := NewCompiler(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	shared := 0
	rapid.Check(t, func(t *rapid.T) {
		fields := drawFields(t)
		said := map[string]map[string]value{} // by canonical text, then source
		var texts []string
		for range 10 {
			a, b, c := source("p.", 1).Draw(t, "a"), source("p.", 1).Draw(t, "b"), rapid.SampledFrom([]string{"1", `"a"`, "null"}).Draw(t, "c")
			texts = append(texts, a, b,
				"("+a+" && "+b+")", "("+b+" && "+a+" && "+b+")", "("+a+" || "+b+")", "("+b+" || ("+a+" || "+a+"))",
				"("+a+" == "+c+")", "("+c+" == "+a+")", "("+a+" < "+c+")", "("+c+" > "+a+")", "("+a+" == "+b+")", "("+a+" - "+b+")")
		}
		for _, text := range texts {
			_, checked, _, err := compiler.analyse(text)
			if err != nil {
				continue
			}
			canonical := canonicalText(checked.Expr())
			if said[canonical] == nil {
				said[canonical] = map[string]value{}
			}
			said[canonical][text] = newOracle(t, checked, fields).eval()
		}
		for canonical, answers := range said {
			if len(answers) > 1 {
				shared++
			}
			for text, answer := range answers {
				for other, otherAnswer := range answers {
					if answer != otherAnswer {
						t.Fatalf("%s is %v and %s is %v, but both are %s", text, answer, other, otherAnswer, canonical)
					}
				}
			}
		}
	})
	if shared < 10 {
		t.Fatalf("only %d canonical texts had several sources: the test proves little", shared)
	}
}

// A comparison that moves into a term must mean what it means in CEL.
func TestAComparedTermAgreesWithCEL(t *testing.T) {
	compiler, err := NewCompiler(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		aggregate := anyValue().Draw(t, "aggregate")
		operator := rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).Draw(t, "operator")
		bound := rapid.SampledFrom([]string{"0", "1", "2", "-1", "50", "2.5"}).Draw(t, "bound")
		left, right := "%s", bound
		if rapid.Bool().Draw(t, "bound first") {
			left, right = bound, "%s"
		}
		text := left + " " + operator + " " + right
		compared, err := compiler.Compile(fmt.Sprintf(text, `events("seen").last("n")`))
		if err != nil {
			t.Fatal(err)
		}
		_, checked, _, err := compiler.analyse(fmt.Sprintf(text, "p.n"))
		if err != nil {
			t.Fatal(err)
		}
		term := compared.Terms[0]
		if term.Compare == NoComparison {
			t.Fatalf("%s did not become a compared term", compared.Source)
		}
		got, want := term.Compared(aggregate), newOracle(t, checked, schemas.Properties{{Name: "n", Value: aggregate}}).eval()
		if got != want {
			t.Fatalf("%s with %v: the term says %v, CEL says %v", compared.Source, aggregate, got, want)
		}
	})
}

// testInputs are inputs in a test.
type testInputs struct {
	terms      map[int64]value
	attributes schemas.Properties
	scores     map[string]float64
	audiences  map[string]bool
	person     string
}

func (in testInputs) Term(id int64) value         { return in.terms[id] }
func (in testInputs) Attribute(name string) value { return in.attributes.Get(name) }
func (in testInputs) Audience(name string) bool   { return in.audiences[name] }
func (in testInputs) Person() string              { return in.person }
func (in testInputs) Score(model string) value {
	if s, ok := in.scores[model]; ok {
		return schemas.NumberOf(s)
	}
	return value{}
}

// A list must hold what CEL's own list of the same values holds, and be as long.
func TestAListAgreesWithCEL(t *testing.T) {
	compiler, err := NewCompiler(Environment{})
	if err != nil {
		t.Fatal(err)
	}
	expression, err := compiler.Compile(`p.x in events("seen").list("f") ? 1 : 0`)
	if err != nil {
		t.Fatal(err)
	}
	size, err := compiler.Compile(`size(events("seen").list("f"))`)
	if err != nil {
		t.Fatal(err)
	}
	element := rapid.OneOf(anyValue(), rapid.Map(rapid.String(), schemas.TextOf), rapid.Map(rapid.SampledFrom([]string{`"`, `\`, `\"`, `,`, `]`, `","`, "<", "\u2028"}), schemas.TextOf)).Filter(func(v value) bool {
		return settled(v).Kind != schemas.Null
	})
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfNDistinct(element, 0, 8, func(v value) string { return elementText(v) }).Draw(t, "values")
		needle := rapid.OneOf(element, rapid.Just(value{})).Draw(t, "needle")
		if len(values) > 0 && rapid.Bool().Draw(t, "one of them") {
			needle = rapid.SampledFrom(values).Draw(t, "which")
		}
		var list []ref.Val
		for _, v := range values {
			list = append(list, celValue(v))
		}
		want := schemas.NumberOf(0)
		if types.NewDynamicList(types.DefaultTypeAdapter, list).Contains(celValue(needle)) == types.True {
			want = schemas.NumberOf(1)
		}
		in := testInputs{
			attributes: schemas.Properties{{Name: "x", Value: needle}},
			terms:      map[int64]value{expression.Terms[0].ID: ListOf(values)},
		}
		if got := expression.Eval(in); got != want {
			t.Fatalf("%v in %v is %v, in CEL %v", needle, ListOf(values), got, want)
		}
		if got := size.Eval(in); got != schemas.NumberOf(float64(len(values))) {
			t.Fatalf("the size of %v is %v, not %d", ListOf(values), got, len(values))
		}
	})
}
