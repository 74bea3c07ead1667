package expression

import (
	"bytes"
	"encoding/json"
	"strings"

	"kairos/schemas"
)

// A list is a text that looks like JSON: ["shoes",12,true].

// Bounds of a list.
const (
	MostListed  = 64      // values
	longestList = 4 << 10 // bytes: those that come later are left out
)

// ListOf makes the list of values, none of them Null, as many as fit.
func ListOf(values []schemas.Value) schemas.Value {
	list := []byte{'['}
	for i, v := range values[:min(len(values), MostListed)] {
		element := elementText(v)
		if len(list)+len(element)+2 > longestList {
			break
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, element...)
	}
	return schemas.TextOf(string(append(list, ']')))
}

// Elements takes a list apart: each element as it stands there. It is empty for
// what is no list.
func Elements(list schemas.Value) (elements []string) {
	if list.Kind != schemas.Text || len(list.Text) < 2 || list.Text[0] != '[' {
		return nil
	}
	rest := list.Text[1:]
	for len(rest) > 1 {
		n := lengthOfElement(rest)
		elements = append(elements, rest[:n])
		rest = rest[min(n+1, len(rest)):]
	}
	return elements
}

// ValuesOf takes apart a list as [ListOf] makes it, or as JSON of plain values:
// the values in it. What is no list is one value.
func ValuesOf(v schemas.Value) []schemas.Value {
	var list []any
	if v.Kind != schemas.Text || !strings.HasPrefix(v.Text, "[") || json.Unmarshal([]byte(v.Text), &list) != nil {
		return []schemas.Value{v}
	}
	var all []schemas.Value
	for _, element := range list {
		switch x := element.(type) {
		case string:
			all = append(all, schemas.TextOf(x))
		case float64:
			all = append(all, schemas.NumberOf(x))
		case bool:
			all = append(all, schemas.BooleanOf(x))
		default:
			return []schemas.Value{v}
		}
	}
	return all
}

// lengthOfElement finds the comma or bracket behind the first element.
func lengthOfElement(rest string) int {
	quoted := false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ']'):
			return i
		}
	}
	return len(rest)
}

// elementText is how v stands in a list.
func elementText(v schemas.Value) string {
	if v.Kind == schemas.Number {
		v.Number += 0 // -0 is 0
	}
	if v.Kind != schemas.Text {
		return v.String()
	}
	if !strings.ContainsFunc(v.Text, needsEscape) { // as most do not
		return `"` + v.Text + `"`
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v.Text); err != nil {
		panic(err) // a text can always be written
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
}

func needsEscape(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// listed tells whether a list holds a value: Null is in none.
func (n native[S]) listed(operand, list func(S) value) func(S) truth {
	return func(s S) truth {
		v, all := operand(s), list(s)
		switch {
		case v.Kind == failed || all.Kind == failed:
			return unknown
		case v.Kind == schemas.Null:
			return no
		}
		text := elementText(v)
		for _, element := range Elements(all) {
			if element == text {
				return yes
			}
		}
		return no
	}
}
