package expression

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
)

// memberCall begins a chain over the events of all members of a person's
// group, as events(...) begins one over the person's own.
const memberCall = "member"

// beginsChain reports whether a call of function begins a chain.
func beginsChain(function string) bool { return function == "events" || function == memberCall }

// source reads the beginning of a chain, and returns what names the event.
func (c *chain) source(e ast.Expr) []ast.Expr {
	call := e.AsCall()
	if call.FunctionName() != memberCall {
		return call.Args()
	}
	const example = `write member("purchase", "household")`
	arguments, kind := call.Args(), ""
	if len(arguments) > 1 {
		name, ok := textOf(arguments[1])
		if !ok || name == "" || len(arguments) > 2 {
			c.refuse(e, "member takes the name of an event and a kind of group as constant texts", example)
			return nil
		}
		kind, arguments = name, arguments[:1]
	}
	kinds := c.environment.Groups
	switch {
	case kind != "" && kinds != nil && !slices.Contains(kinds, kind):
		c.refuse(call.Args()[1], "unknown kind of group `"+kind+"`", Suggest(kind, kinds))
	case kind == "" && len(kinds) > 1:
		c.refuse(e, "there are several kinds of groups: "+strings.Join(kinds, ", "), "say which one: "+strings.ReplaceAll(example, "household", kinds[0]))
	case kind == "" && len(kinds) == 1:
		kind = kinds[0]
	case kind == "" && kinds != nil:
		c.refuse(e, "member(...) asks the members of a group, and no definition has `kind: group`", "define one, such as `kind: group`, `name: household`, `by: p.address`")
	case kind == "":
		kind = "household" // nothing is known of groups
	}
	c.kind = kind
	return arguments
}

// short is the beginning of the chain, for people.
func (c *chain) short() string {
	if c.kind != "" {
		return memberCall + "(" + c.event + ")"
	}
	return "events(" + c.event + ")"
}
