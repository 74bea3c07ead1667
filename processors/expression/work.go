package expression

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// work is the compilation of one source text.
type work struct {
	*Compiler
	source     common.Source
	text       []rune
	info       *ast.SourceInfo
	factory    ast.ExprFactory
	lastID     int64 // of nodes that are not in the source
	problems   Problems
	slots      map[string]slot[Inputs] // inputs, by the key that the tree holds
	terms      map[int64]*Term
	attributes set
	scores     set
	audiences  set

	instructions int // of all patterns so far
}

type set map[string]bool

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

func (s set) addAll(names []string) {
	for _, name := range names {
		s[name] = true
	}
}

func byID(a, b *Term) int { return cmp.Compare(a.ID, b.ID) }

// refuse notes a problem at e.
func (w *work) refuse(e ast.Expr, message, next string) {
	line, column := w.position(e.ID())
	w.problems = append(w.problems, Problem{line, column, message, next})
}

// position finds where the node of an id starts: for a call where its name
// does, for a field where its own does.
func (w *work) position(id int64) (line, column int) {
	offsets, ok := w.info.GetOffsetRange(id)
	if !ok {
		return 1, 1
	}
	start := min(int(offsets.Start), len(w.text))
	if start < len(w.text) && w.text[start] == '.' {
		start++
	} else if start < len(w.text) && w.text[start] == '(' {
		for start > 0 && (w.text[start-1] == '_' || isLetterOrDigit(w.text[start-1])) {
			start--
		}
	}
	line, column = 1, start+1
	for i, r := range w.text[:start] {
		if r == '\n' {
			line, column = line+1, start-i
		}
	}
	return line, column
}

func isLetterOrDigit(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// report returns the problems in reading order, not too many.
func (w *work) report() Problems {
	slices.SortStableFunc(w.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return w.problems[:min(len(w.problems), mostProblems)]
}

// syntax translates what the parser refuses.
func (w *work) syntax(errs *common.Errors) Problems {
	const most = 3 // the parser stumbles on after the first, mostly over nothing
	found := errs.GetErrors()
	for _, e := range found[:min(len(found), most)] {
		line, column := max(e.Location.Line(), 1), max(e.Location.Column()+1, 1)
		message := strings.TrimPrefix(e.Message, "Syntax error: ")
		next := "check brackets, quotes and operators there"
		switch {
		case strings.Contains(message, "limit") || strings.Contains(message, "depth"):
			next = "split the expression into audiences and join them with in(\"...\")"
		case strings.Contains(message, "reserved identifier"):
			next = "the word has a meaning in CEL; write p[\"...\"] for an attribute of that name"
		case w.at(line, column) == '=':
			next = "compare with =="
		case strings.HasPrefix(message, "invalid argument to has()"):
			message, next = "has(...) asks whether something is known", "write has(p.name)"
		}
		w.problems = append(w.problems, Problem{line, column, "syntax: " + shortened(message), next})
	}
	return w.report()
}

// at is the character at a place of the source, 0 if there is none.
func (w *work) at(line, column int) rune {
	lines := strings.Split(string(w.text), "\n")
	if line > len(lines) {
		return 0
	}
	if runes := []rune(lines[line-1]); column <= len(runes) {
		return runes[column-1]
	}
	return 0
}

// shortened cuts the parser's list of everything that it would have expected.
func shortened(message string) string {
	if before, _, cut := strings.Cut(message, " expecting {"); cut {
		return before
	}
	return message
}

// check type-checks a rewritten tree and returns it with its type.
func (w *work) check(root ast.Expr) (*ast.AST, Type) {
	tree := ast.NewAST(root, ast.NewSourceInfo(w.source))
	checked, failures := checker.Check(tree, w.source, w.checker)
	errs := failures.GetErrors()
	for _, e := range errs {
		line, column := w.position(e.ExprID)
		message, next := readable(e.Message)
		w.problems = append(w.problems, Problem{line, column, message, next})
	}
	if len(errs) > 0 {
		return tree, AnyType
	}
	t, ok := typeOf(checked.GetType(root.ID()))
	if !ok {
		w.refuse(root, "the result is neither a boolean, nor a number, nor a text", "")
	}
	return checked, t
}

var overloadMessage = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'$`)
var typeMessage = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'$`)

// readable puts the checker's words into those of this language.
func readable(message string) (text, next string) {
	words := strings.NewReplacer("wrapper(double)", "number", "wrapper(string)", "text", "wrapper(bool)", "boolean",
		"double", "number", "string", "text", "bool", "boolean", "dyn", "any", "list(", "list of (", ").(", ", ")
	if m := overloadMessage.FindStringSubmatch(message); m != nil {
		operator := strings.Trim(strings.TrimPrefix(m[1], "@"), "_")
		if operator == "?_:" {
			operator = "? :"
		}
		return "`" + operator + "` does not go with " + words.Replace(m[2]), "compare and combine values of one type"
	}
	if m := typeMessage.FindStringSubmatch(message); m != nil {
		return "this is a " + words.Replace(m[2]) + " where a " + words.Replace(m[1]) + " is needed", "compare it with something"
	}
	return message, ""
}

// newID returns an id for a node that the source does not have.
func (w *work) newID(at ast.Expr) int64 {
	w.lastID++
	id := int64(1)<<32 + w.lastID
	if offsets, ok := w.info.GetOffsetRange(at.ID()); ok {
		w.info.SetOffsetRange(id, offsets)
	}
	return id
}

// The keys of inputs about the person begin so.
const (
	termKey      = "term "
	attributeKey = "p."
)

// input makes the node that stands for an input.
func (w *work) input(at ast.Expr, t Type, key string) ast.Expr {
	return w.factory.NewCall(at.ID(), inputFunctions[t], w.factory.NewLiteral(w.newID(at), types.String(key)))
}

// personInput makes the node of an input about the person.
func (w *work) personInput(at ast.Expr, t Type, key string, s slot[Inputs]) ast.Expr {
	w.slots[key] = s
	return w.input(at, t, key)
}
