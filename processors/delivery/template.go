package delivery

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// Call is how a receiver wants to be told, where it is not kairos' own way. Texts
// are templates of Go (text/template) over a [Telling], with a few functions (see functions below).
type Call struct {
	Method string // usually POST
	URL    string // what {{ }} gives is escaped as a part of the path
	Body   string // JSON; what {{ }} gives is a JSON value, quotes included
}

// Telling is what templates see: messages about one audience, all of them entries
// or all of them exits.
type Telling struct {
	ID         string // the same whenever the same messages are told
	Audience   string // as it is defined
	AudienceID string // as the receiver calls it
	Entered    bool   // or left
	Messages   []Message
}

// First is the first identifier of a namespace, empty if there is none.
func (m Message) First(namespace string) string {
	for _, id := range m.Identifiers {
		if id.Namespace == namespace {
			return id.Value
		}
	}
	return ""
}

// Every lists the identifiers of a namespace.
func (m Message) Every(namespace string) []string {
	all := []string{}
	for _, id := range m.Identifiers {
		if id.Namespace == namespace {
			all = append(all, id.Value)
		}
	}
	return all
}

// call is a Call, ready.
type call struct {
	method string
	url    *template.Template
	body   *template.Template // nil: kairos' own
}

func (c Call) compile() (ready call, err error) {
	ready.method = c.Method
	if c.Method == "" {
		ready.method = http.MethodPost
	}
	if ready.url, err = escaped("url", c.URL, "urlpart"); err != nil {
		return ready, err
	}
	if c.Body != "" {
		if ready.body, err = escaped("body", c.Body, "json"); err != nil {
			return ready, err
		}
	}
	return ready, nil
}

// escaped parses a template, and gives what its actions print to a function
// first: so no value of a person can become anything but a value.
func escaped(name, text, function string) (*template.Template, error) {
	parsed, err := template.New(name).Funcs(functions()).Option("missingkey=zero").Parse(text)
	if err != nil {
		return nil, err
	}
	for _, t := range parsed.Templates() {
		if t.Tree != nil {
			escape(t.Root, function)
		}
	}
	return parsed, nil
}

func escape(n parse.Node, function string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, child := range n.Nodes {
				escape(child, function)
			}
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 {
			return // it prints nothing
		}
		identifier := parse.NewIdentifier(function).SetPos(n.Pos)
		n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{identifier}})
	case *parse.IfNode:
		escape(n.List, function)
		escape(n.ElseList, function)
	case *parse.RangeNode:
		escape(n.List, function)
		escape(n.ElseList, function)
	case *parse.WithNode:
		escape(n.List, function)
		escape(n.ElseList, function)
	}
}

// urlPart is a value as a part of a path or of a query.
func urlPart(v any) string { return url.QueryEscape(fmt.Sprint(v)) }

var errNoJSON = errors.New("its template gives no JSON")

// mostBody bounds what a template may write.
const mostBody = 16 << 20

type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > mostBody {
		return 0, fmt.Errorf("its template gives more than %d bytes", mostBody)
	}
	return b.Buffer.Write(p)
}

// fill makes the URL and the body of a telling.
func (c call) fill(t Telling) (address string, body []byte, err error) {
	var written strings.Builder
	if err := c.url.Execute(&written, t); err != nil {
		return "", nil, errors.New("its URL's template does not fit") // what it says might hold a value, or the URL
	}
	if c.body == nil {
		return written.String(), nil, nil
	}
	var text bounded
	if err := c.body.Execute(&text, t); err != nil {
		return "", nil, errors.New("its body's template does not fit: " + where(err))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text.Bytes()); err != nil {
		return "", nil, errNoJSON
	}
	return written.String(), compact.Bytes(), nil
}

// grouped says that a request is about one audience, entries or exits only.
func (w Webhook) grouped() bool {
	return w.Body != "" || w.Exit != (Call{}) || strings.Contains(w.URL, "{{")
}

// calls are how entries and exits are told.
func (w Webhook) calls() (entry, exit call, err error) {
	usual := Call{w.Method, w.URL, w.Body}
	other := Call{cmp.Or(w.Exit.Method, w.Method), cmp.Or(w.Exit.URL, w.URL), cmp.Or(w.Exit.Body, w.Body)}
	if entry, err = usual.compile(); err == nil {
		exit, err = other.compile()
	}
	return entry, exit, err
}

// where is the place of a mistake in a template, without what was there.
func where(err error) string {
	var failed template.ExecError
	if errors.As(err, &failed) {
		return "look at " + failed.Name
	}
	return "it is too long"
}

// functions are what templates may call, besides Go's own.
//
//	email TEXT       without any space, in lower case
//	gmail TEXT       likewise, and of gmail.com and googlemail.com without dots and without what follows a plus
//	e164 TEXT        a plus and digits; nothing, if the text does not begin with a plus
//	digits TEXT      the digits of a telephone number, without zeros in front
//	sha256 TEXT      in lower-case hexadecimal; of nothing, nothing
//	slack TEXT       with Slack's markup disarmed
//	object KEY VALUE ...  an object of what is not empty
//	list VALUE ...   a list of what is not empty
//	append LIST VALUE ... a list with more of what is not empty
//	row VALUE ...    a list of all, empty or not
//	json VALUE       as JSON, which what is printed becomes anyway
func functions() template.FuncMap {
	return template.FuncMap{
		"email": Email, "gmail": Gmail, "e164": E164, "digits": Digits, "sha256": SHA256, "slack": slack,
		"object": object, "list": list, "append": appended, "row": row, "json": asJSON, "urlpart": urlPart,
	}
}

// printed is JSON that has been written already.
type printed string

func asJSON(v any) (printed, error) {
	if done, is := v.(printed); is {
		return done, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return printed(strings.TrimSuffix(b.String(), "\n")), nil
}

func isEmpty(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return r.Len() == 0
	}
	return false
}

func object(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("object takes pairs of a key and a value")
	}
	all := map[string]any{}
	for pair := range slices.Chunk(pairs, 2) {
		key, is := pair[0].(string)
		if !is {
			return nil, errors.New("a key of an object is a text")
		}
		if !isEmpty(pair[1]) {
			all[key] = pair[1]
		}
	}
	return all, nil
}

func list(values ...any) []any { return appended([]any{}, values...) }

func row(values ...any) []any { return values }

func appended(all []any, values ...any) []any {
	all = slices.Clone(all)
	for _, v := range values {
		if !isEmpty(v) {
			all = append(all, v)
		}
	}
	return all
}
