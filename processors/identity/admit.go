package identity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// What an event may hold. The bounds are far above what people send and far
// below what hurts.
const (
	maxNameBytes   = 200 // of an id, a name, a source, a property's name
	maxNamespace   = 64
	maxValueBytes  = 256 // of an identifier
	maxIdentifiers = 20
	maxProperties  = 500
	maxWhyBytes    = 500
	maxTextBytes   = 256 << 10 // of all texts of an event
)

// latest is the end of time: a producer's clock beyond it would hold the key
// there for ever.
const latest schemas.Instant = 7_258_118_400_000 // 2200-01-01

// The events that are commands: operators' words about identifiers.
const (
	Unlink = "$unlink" // the two are not one person's, as far as links up to the event's day say so
	Relink = "$relink" // takes an earlier $unlink back
	Erase  = "$erase"  // nothing is to be left of the person whose identifier it names
	Why    = "why"     // the property that says why
	Always = "always"  // the property that lets an $unlink outlast every later link
)

func isCommand(name string) bool { return name == Unlink || name == Relink || name == Erase }

// fault is why an event is refused.
type fault struct{ reason, detail string }

func faultf(what, format string, args ...any) *fault {
	return &fault{"kairos-identity-" + what, fmt.Sprintf(format, args...)}
}

// admit checks an event and gives it in normal form: times set, identifiers
// normalised, strongest first, properties sorted. It returns e itself if that
// is in normal form, and nil if nothing but worthless identifiers is in it.
func (r *rules) admit(e *schemas.Event) (*schemas.Event, *fault) {
	if f := checkWords(e); f != nil {
		return nil, f
	}
	properties, f := checkProperties("properties", e.Properties)
	if f != nil {
		return nil, f
	}
	if f := r.checkFields(e.Name, properties); f != nil {
		return nil, f
	}
	if properties, f = r.checkPlan(e, properties); f != nil {
		return nil, f
	}
	attributes, f := checkProperties("attributes", e.Attributes)
	if f != nil {
		return nil, f
	}
	if f := r.checkAttributes(attributes); f != nil {
		return nil, f
	}
	if n := textBytes(properties) + textBytes(attributes); n > maxTextBytes {
		return nil, faultf("too-large", "the texts of properties and attributes have %d bytes, at most %d are taken: send less, or a reference to it", n, maxTextBytes)
	}
	identifiers, f := r.checkIdentifiers(e.Identifiers)
	if f != nil {
		return nil, f
	}
	if len(identifiers) == 0 {
		return nil, nil
	}
	if f := r.checkCommand(e, identifiers); f != nil {
		return nil, f
	}
	attributes = consents(e.Name, properties, attributes)
	happened := e.Time
	if happened == 0 || happened > e.Received {
		happened = e.Received
	}
	if happened == e.Time && same(properties, e.Properties) && same(attributes, e.Attributes) && same(identifiers, e.Identifiers) {
		return e, nil
	}
	normal := *e
	normal.Time, normal.Identifiers, normal.Properties, normal.Attributes = happened, identifiers, properties, attributes
	return &normal, nil
}

// same says whether two slices are the very same memory.
func same[S ~[]T, T any](a, b S) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func checkWords(e *schemas.Event) *fault {
	switch {
	case e.ID == "":
		return faultf("empty-id", "the event has no id: give each event one of its own, so that a repetition can be told")
	case e.Name == "":
		return faultf("empty-name", "the event has no name: say what happened, such as purchase")
	case len(e.ID) > maxNameBytes || len(e.Name) > maxNameBytes || len(e.Source) > maxNameBytes:
		return faultf("too-large", "id, name or source is longer than %d bytes: id has %d, name %d, source %d", maxNameBytes, len(e.ID), len(e.Name), len(e.Source))
	case !utf8.ValidString(e.ID) || !utf8.ValidString(e.Name) || !utf8.ValidString(e.Source):
		return faultf("bad-text", "id, name or source is not UTF-8: encode texts as UTF-8")
	case e.Received <= 0 || e.Received > latest:
		return faultf("bad-time", "received is %d: set it to when the event was accepted, in milliseconds since 1970", e.Received)
	case e.Time < 0:
		return faultf("bad-time", "time is %d: set it to when the event happened, in milliseconds since 1970, or to 0 for when it was received", e.Time)
	}
	return nil
}

func textBytes(properties schemas.Properties) int {
	n := 0
	for i := range properties {
		n += len(properties[i].Name) + len(properties[i].Value.Text)
	}
	return n
}

// checkProperties gives the properties in normal form: sorted, each name once
// (the last one counts), nothing but the field of its kind in a value.
func checkProperties(where string, properties schemas.Properties) (schemas.Properties, *fault) {
	if len(properties) > maxProperties {
		return nil, faultf("too-large", "%s holds %d entries, at most %d are taken: send those that somebody asks for", where, len(properties), maxProperties)
	}
	normal := true
	for i := range properties {
		p := &properties[i]
		if f := checkProperty(where, p); f != nil {
			return nil, f
		}
		normal = normal && canonical(p.Value) == p.Value && (i == 0 || properties[i-1].Name < p.Name)
	}
	if normal {
		return properties, nil
	}
	mended := make(schemas.Properties, 0, len(properties))
	for _, p := range properties {
		mended = mended.Set(p.Name, canonical(p.Value))
	}
	return mended, nil
}

// checkFields holds a defined event to the types that its definition gives its
// fields. Other fields, and null, pass: a producer may be ahead of definitions.
func (r *rules) checkFields(event string, properties schemas.Properties) *fault {
	fields := r.events[event]
	if len(fields) == 0 {
		return nil
	}
	for i := range properties {
		p := &properties[i]
		if want, got := fields[p.Name], typeOf(p.Value); want != got && want != expression.AnyType && got != expression.AnyType {
			return faultf("wrong-type", "properties.%.60s is the %v %.60q, but the definition of event %.60s says %v: send a %v, or change the definition and send this letter again",
				p.Name, got, p.Value.String(), event, want, want)
		}
	}
	return nil
}

// checkPlan holds an event to what its source plans to send. What operators say,
// and what people say about consent, is no source's to plan.
func (r *rules) checkPlan(e *schemas.Event, properties schemas.Properties) (schemas.Properties, *fault) {
	source := r.sources[e.Source]
	if source == nil || isCommand(e.Name) || e.Name == consentEvent {
		return properties, nil
	}
	if _, planned := slices.BinarySearch(source.Events, e.Name); planned || source.Unplanned == definition.Pass {
		return properties, nil
	}
	if source.Unplanned == definition.Flag {
		return slices.Clip(slices.Clone(properties)).Set(definition.UnplannedField, schemas.BooleanOf(true)), nil
	}
	return nil, faultf("unplanned", "source %.60s does not plan to send %.60q: mend the sender, or add the event to the source's definition and send this letter again", e.Source, e.Name)
}

// checkAttributes holds attributes to the types that the profile definition
// gives them. Other attributes, and null, which removes, pass.
func (r *rules) checkAttributes(attributes schemas.Properties) *fault {
	for i := range attributes {
		p := &attributes[i]
		if want := r.attributes[p.Name]; !want.Holds(p.Value) {
			return faultf("wrong-type", "attributes.%.60s is %.60q, but the profile definition says %v: send a %v, or change the definition and send this letter again",
				p.Name, p.Value.String(), want, want)
		}
	}
	return nil
}

func typeOf(v schemas.Value) expression.Type {
	switch v.Kind {
	case schemas.Boolean:
		return expression.BooleanType
	case schemas.Number:
		return expression.NumberType
	case schemas.Text:
		return expression.TextType
	default:
		return expression.AnyType
	}
}

func checkProperty(where string, p *schemas.Property) *fault {
	switch v := p.Value; {
	case p.Name == "" || len(p.Name) > maxNameBytes:
		return faultf("bad-property", "a name in %s has %d bytes: use 1 to %d", where, len(p.Name), maxNameBytes)
	case !utf8.ValidString(p.Name) || !utf8.ValidString(v.Text):
		return faultf("bad-text", "%s holds text that is not UTF-8, at %.60q: encode texts as UTF-8", where, p.Name)
	case v.Kind > schemas.Text:
		return faultf("bad-property", "%s.%.60s is of kind %d, which is none: use null, boolean, number or text", where, p.Name, v.Kind)
	case math.IsNaN(v.Number) || math.IsInf(v.Number, 0):
		return faultf("not-a-number", "%s.%.60s is %v, which nothing can be computed from: leave it out, or send null", where, p.Name, v.Number)
	}
	return nil
}

func canonical(v schemas.Value) schemas.Value {
	switch v.Kind {
	case schemas.Boolean:
		return schemas.BooleanOf(v.Number != 0)
	case schemas.Number:
		return schemas.NumberOf(v.Number)
	case schemas.Text:
		return schemas.TextOf(v.Text)
	default:
		return schemas.Value{}
	}
}

// checkIdentifiers gives the identifiers in normal form: normalised, each
// once, worthless ones left out, strongest first.
func (r *rules) checkIdentifiers(ids []schemas.Identifier) ([]schemas.Identifier, *fault) {
	if len(ids) == 0 {
		return nil, faultf("no-identifier", "the event has no identifier: say who it is about, if only by an anonymous id")
	}
	if len(ids) > maxIdentifiers {
		return nil, faultf("too-large", "the event has %d identifiers, at most %d are taken: send those of one person only", len(ids), maxIdentifiers)
	}
	ok := true
	for i, id := range ids {
		if !utf8.ValidString(id.Namespace) || !utf8.ValidString(id.Value) { // before normalising, which would hide it
			return nil, faultf("bad-identifier", "an identifier is not UTF-8, at %.80q: send it as text", id.Namespace)
		}
		normal, f := r.normalise(id)
		if f == nil {
			f = checkIdentifier(normal)
		}
		if f != nil {
			return nil, f
		}
		ok = ok && normal == id && !r.worthless(id) && (i == 0 || r.stronger(ids[i-1], id) < 0)
	}
	if ok {
		return ids, nil
	}
	mended := make([]schemas.Identifier, 0, len(ids))
	for _, id := range ids {
		normal, _ := r.normalise(id)
		asSent := schemas.Identifier{Namespace: normal.Namespace, Value: id.Value} // -1 is no telephone number 1
		if !r.worthless(normal) && !r.worthless(asSent) {
			mended = append(mended, normal)
		}
	}
	slices.SortFunc(mended, r.stronger)
	return slices.Compact(mended), nil
}

func checkIdentifier(id schemas.Identifier) *fault {
	switch {
	case !validNamespace(id.Namespace):
		return faultf("bad-identifier", "%.80q is no namespace: use 1 to %d of a-z, 0-9, _, . and -", id.Namespace, maxNamespace)
	case len(id.Value) > maxValueBytes:
		return faultf("bad-identifier", "the value of a %s has %d bytes, at most %d are taken: send an identifier, not a document", id.Namespace, len(id.Value), maxValueBytes)
	case strings.ContainsFunc(id.Value, isControl):
		return faultf("bad-identifier", "the value of a %s holds control characters: send it as text", id.Namespace)
	}
	return nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

func validNamespace(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxNamespace
}

// worthless says whether an identifier means nobody.
func (r *rules) worthless(id schemas.Identifier) bool {
	return id.Value == "" || r.namespace(id.Namespace).blocks(id.Value)
}

// stronger orders identifiers, the strongest first: what joins people before
// what does not, then by priority, then by key.
func (r *rules) stronger(a, b schemas.Identifier) int {
	x, y := r.namespace(a.Namespace), r.namespace(b.Namespace)
	if x.links != y.links {
		if x.links {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(y.priority, x.priority), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Value, b.Value))
}

func (r *rules) checkCommand(e *schemas.Event, identifiers []schemas.Identifier) *fault {
	if !isCommand(e.Name) {
		return nil
	}
	if e.Name == Erase {
		if len(identifiers) != 1 {
			return faultf("bad-command", "%s is about %d identifiers that mean somebody: name one of the person who is to be erased", e.Name, len(identifiers))
		}
		return nil
	}
	if len(identifiers) != 2 {
		return faultf("bad-command", "%s is about %d identifiers that mean somebody: name exactly the two that are to part", e.Name, len(identifiers))
	}
	if a, b := identifiers[0].Namespace, identifiers[1].Namespace; r.namespace(a).session > 0 && r.namespace(b).session > 0 {
		return faultf("bad-command", "%s and %s are both bound to sessions, which part by themselves: name whose session it was", a, b)
	}
	if n := len(e.Properties.Get(Why).Text); n == 0 || n > maxWhyBytes {
		return faultf("bad-command", "%s says why in %d bytes: set the property %s to 1 to %d bytes of text, for those who come after", e.Name, n, Why, maxWhyBytes)
	}
	return nil
}
