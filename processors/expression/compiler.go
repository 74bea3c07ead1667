package expression

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

const (
	deepestTree  = 100
	largestTree  = 4000 // nodes
	mostProblems = 20
)

// Compiler compiles expressions in one environment. It is not safe for
// concurrent use; what it returns is.
type Compiler struct {
	environment Environment
	parser      *parser.Parser
	checker     *checker.Env
}

// NewCompiler makes a compiler. Without a table of terms in environment it
// interns them in one of its own.
func NewCompiler(environment Environment) (*Compiler, error) {
	if environment.Terms == nil {
		environment.Terms = NewTerms()
	}
	p, err := newParser()
	if err != nil {
		return nil, fmt.Errorf("build the parser of expressions: %w", err)
	}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("build the types of expressions: %w", err)
	}
	env, err := checker.NewEnv(containers.DefaultContainer, registry, checker.CrossTypeNumericComparisons(false))
	if err != nil {
		return nil, fmt.Errorf("build the checker of expressions: %w", err)
	}
	if err := env.AddFunctions(language()...); err != nil {
		return nil, fmt.Errorf("declare the functions of expressions: %w", err)
	}
	return &Compiler{environment, p, env}, nil
}

// Compile compiles source in environment. The error is of type [Problems].
func Compile(source string, environment Environment) (*Expression, error) {
	c, err := NewCompiler(environment)
	if err != nil {
		return nil, err
	}
	return c.Compile(source)
}

// Compile compiles source. The error is of type [Problems].
func (c *Compiler) Compile(source string) (*Expression, error) {
	w, checked, kind, err := c.analyse(source)
	if err != nil {
		return nil, err
	}
	n := native[Inputs]{func(key string) slot[Inputs] { return w.slots[key] }}
	compiled := w.expression(source, kind, n.value(checked.Expr()))
	compiled.Guards = w.guardsOf(checked.Expr())
	return compiled, nil
}

// analyse parses, rewrites and type-checks source.
func (c *Compiler) analyse(source string) (w *work, checked *ast.AST, kind Type, err error) {
	text, refused := scan(source)
	if refused != nil {
		return nil, nil, kind, Problems{*refused}
	}
	celSource := common.NewTextSource(text)
	parsed, errs := c.parser.Parse(celSource)
	w = &work{
		Compiler: c, source: celSource, text: []rune(text), info: parsed.SourceInfo(),
		factory: ast.NewExprFactory(),
		slots:   map[string]slot[Inputs]{}, terms: map[int64]*Term{},
		attributes: set{}, scores: set{}, audiences: set{},
	}
	if len(errs.GetErrors()) > 0 {
		return nil, nil, kind, w.syntax(errs)
	}
	root := w.person(parsed.Expr())
	if len(w.problems) == 0 {
		checked, kind = w.check(root)
	}
	if len(w.problems) > 0 {
		return nil, nil, kind, w.report()
	}
	return w, checked, kind, nil
}

// expression assembles what was found.
func (w *work) expression(source string, kind Type, eval func(Inputs) value) *Expression {
	terms := make([]*Term, 0, len(w.terms))
	for _, t := range w.terms {
		terms = append(terms, t)
	}
	slices.SortFunc(terms, byID)
	return &Expression{
		Source: source, Type: kind, Terms: terms,
		Attributes: w.attributes.sorted(), Scores: w.scores.sorted(), Audiences: w.audiences.sorted(),
		eval: func(in Inputs) value { return settled(eval(in)) },
	}
}

// The functions that stand for inputs in the checked tree, by the type that
// they return. Nobody can call them: `@` is not part of any name.
var inputFunctions = [...]string{AnyType: "@any", BooleanType: "@boolean", NumberType: "@number", TextType: "@text", ListType: "@list"}

// language lists the operators and functions of expressions: CEL's own, in
// their overloads for booleans, numbers (always double) and texts, and the
// inputs.
func language() []*decls.FunctionDecl {
	allowed := map[string][]string{
		operators.LogicalAnd:        {overloads.LogicalAnd},
		operators.LogicalOr:         {overloads.LogicalOr},
		operators.LogicalNot:        {overloads.LogicalNot},
		operators.Conditional:       {overloads.Conditional},
		operators.Equals:            {overloads.Equals},
		operators.NotEquals:         {overloads.NotEquals},
		operators.Less:              {overloads.LessDouble, overloads.LessString},
		operators.LessEquals:        {overloads.LessEqualsDouble, overloads.LessEqualsString},
		operators.Greater:           {overloads.GreaterDouble, overloads.GreaterString},
		operators.GreaterEquals:     {overloads.GreaterEqualsDouble, overloads.GreaterEqualsString},
		operators.Add:               {overloads.AddDouble, overloads.AddString},
		operators.Subtract:          {overloads.SubtractDouble},
		operators.Multiply:          {overloads.MultiplyDouble},
		operators.Divide:            {overloads.DivideDouble},
		operators.Negate:            {overloads.NegateDouble},
		operators.In:                {overloads.InList},
		overloads.Contains:          {overloads.ContainsString},
		overloads.StartsWith:        {overloads.StartsWithString},
		overloads.EndsWith:          {overloads.EndsWithString},
		overloads.Matches:           {overloads.MatchesString},
		overloads.Size:              {overloads.SizeString, overloads.SizeList},
		overloads.TypeConvertDouble: {overloads.IntToDouble},
	}
	var functions []*decls.FunctionDecl
	for _, f := range stdlib.Functions() {
		if ids := allowed[f.Name()]; ids != nil {
			functions = append(functions, f.Subset(decls.IncludeOverloads(ids...)))
		}
	}
	for t, name := range inputFunctions {
		f, err := decls.NewFunction(name, decls.Overload(name+"_text", []*types.Type{types.StringType}, celType(Type(t))))
		if err != nil {
			panic(err) // constant input: cannot fail
		}
		functions = append(functions, f)
	}
	return functions
}

// celType is t as an input: a number or text may also be missing, which is null.
func celType(t Type) *types.Type {
	switch t {
	case BooleanType:
		return types.NewNullableType(types.BoolType)
	case NumberType:
		return types.NewNullableType(types.DoubleType)
	case TextType:
		return types.NewNullableType(types.StringType)
	case ListType:
		return types.NewListType(types.DynType)
	default:
		return types.DynType
	}
}

// typeOf is the inverse of celType.
func typeOf(t *types.Type) (Type, bool) {
	switch t.Kind() {
	case types.BoolKind:
		return BooleanType, true
	case types.DoubleKind:
		return NumberType, true
	case types.StringKind:
		return TextType, true
	case types.ListKind:
		return ListType, true
	case types.DynKind, types.NullTypeKind:
		return AnyType, true
	default:
		return AnyType, false
	}
}
