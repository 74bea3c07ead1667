package collector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/cmd/internal/door"
	"kairos/schemas"
)

// call is one message of the tracking API. What it has beyond these fields is
// of no use here and passed over, as the API does.
type call struct {
	Type         string         `json:"type"`
	MessageID    string         `json:"messageId"`
	UserID       name           `json:"userId"`
	AnonymousID  name           `json:"anonymousId"`
	PreviousID   name           `json:"previousId"`
	GroupID      name           `json:"groupId"`
	Event        string         `json:"event"`
	Name         string         `json:"name"`
	Category     string         `json:"category"`
	Properties   map[string]any `json:"properties"`
	Traits       map[string]any `json:"traits"`
	Context      map[string]any `json:"context"`
	Timestamp    moment         `json:"timestamp"`
	OriginalTime moment         `json:"originalTimestamp"`
	SentAt       moment         `json:"sentAt"`
	WriteKey     string         `json:"writeKey"`

	path string // where it stands in the request
}

// name is an id: a text, or a number, as some senders have it. null is none.
type name string

// UnmarshalJSON implements json.Unmarshaler.
func (n *name) UnmarshalJSON(raw []byte) error {
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(n))
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		*n = name(raw)
		return nil
	}
	return fmt.Errorf("an id must be a text or a number")
}

// moment is a time as senders write it: ISO 8601, or milliseconds since 1970.
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler. A time that cannot be read is as
// good as none: the call counts when it arrives.
func (m *moment) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		m.Time = time.UnixMilli(ms)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			m.Time = t
			return nil
		}
	}
	return nil
}

type batch struct {
	Batch    []json.RawMessage `json:"batch"`
	SentAt   moment            `json:"sentAt"`
	WriteKey string            `json:"writeKey"`
	Context  map[string]any    `json:"context"`
}

// parse reads a request's calls, and the write key if the body has one. word is
// the type that the path gives; "" is a batch.
func parse(body []byte, word string) ([]call, string, error) {
	if word != "" {
		c := call{Type: word}
		if err := c.read(body); err != nil {
			return nil, "", err
		}
		c.Type = word
		return []call{c}, c.WriteKey, nil
	}
	var b batch
	if at, what := unmarshal(body, &b); what != "" {
		return nil, "", door.Problems{{Path: "/" + at, What: what}}
	}
	if len(b.Batch) == 0 || len(b.Batch) > door.MaxEvents {
		return nil, "", door.Problems{{Path: "/batch", What: fmt.Sprintf("holds %d calls: send 1 to %d at a time", len(b.Batch), door.MaxEvents)}}
	}
	calls, key := make([]call, len(b.Batch)), b.WriteKey
	for i, raw := range b.Batch {
		c := &calls[i]
		c.path, c.SentAt = fmt.Sprintf("/batch/%d", i), b.SentAt
		if err := c.read(raw); err != nil {
			return nil, "", err
		}
		if c.Context == nil {
			c.Context = b.Context
		}
		if key == "" {
			key = c.WriteKey
		}
	}
	return calls, key, nil
}

func (c *call) read(raw []byte) error {
	if len(raw) > MaxMessage {
		return door.Problems{{Path: c.path + "/", What: fmt.Sprintf("has %d bytes, a call has at most %d", len(raw), MaxMessage), TooLarge: true}}
	}
	if at, what := unmarshal(raw, c); what != "" {
		return door.Problems{{Path: c.path + "/" + at, What: what}}
	}
	return nil
}

// unmarshal is json.Unmarshal that says where something is wrong, and nothing of
// what the body holds.
func unmarshal(raw []byte, into any) (at, what string) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return "", "must be a JSON object"
	}
	err := json.Unmarshal(raw, into)
	switch err := err.(type) {
	case nil:
		return "", ""
	case *json.SyntaxError:
		return "", fmt.Sprintf("is not JSON, from byte %d on", err.Offset)
	case *json.UnmarshalTypeError:
		return strings.ReplaceAll(err.Field, ".", "/"), fmt.Sprintf("must be a %s, not a %s", err.Type.Kind(), err.Value)
	default:
		return "", err.Error() // of name.UnmarshalJSON
	}
}

// event is the call in the platform's terms.
func (c *call) event(e *schemas.Event, now schemas.Instant, source string) door.Problems {
	e.ID, e.Source, e.Received = c.MessageID, source, now
	e.Time = c.time(now)
	e.Name = c.Type
	if c.Type == "track" {
		e.Name = c.Event
	}
	if what := c.lacks(e.Name); what != "" {
		return door.Problems{{Path: c.path + what, What: "is missing"}}
	}
	if strings.HasPrefix(e.Name, "$") {
		return door.Problems{{Path: c.path + "/event", What: "begins with $, as the commands of operators do: use another name"}}
	}
	properties := maps.Clone(c.Properties)
	if properties == nil {
		properties = map[string]any{}
	}
	for field, value := range map[string]string{"name": c.Name, "category": c.Category, "group_id": string(c.GroupID)} {
		if value != "" {
			properties[field] = value
		}
	}
	if c.leaves() { // the SDKs refuse a call without a group
		properties["group_id"], properties["left_group_id"] = "", string(c.GroupID)
	}
	traits := c.Traits
	if inner, ok := c.Context["traits"].(map[string]any); ok && traits == nil {
		traits = inner
	}
	e.Properties = flatten(nil, "", properties, 0)
	e.Properties = flatten(e.Properties, "context.", c.surroundings(), 0)
	if c.Type == "group" { // its traits are the group's
		e.Properties = flatten(e.Properties, "group.", c.Traits, 0)
		traits = nil
	}
	e.Attributes = flatten(nil, "", traits, 0)
	e.Identifiers = c.identifiers(traits)
	if len(e.Identifiers) == 0 {
		return door.Problems{{Path: c.path + "/", What: "names nobody: give userId or anonymousId"}}
	}
	return nil
}

// leaves reports whether the call says that somebody is in the group no more.
func (c *call) leaves() bool { return c.Type == "group" && c.Traits["left"] == true }

func (c *call) lacks(name string) string {
	switch {
	case c.Type == "":
		return "/type"
	case name == "":
		return "/event"
	case c.Type == "group" && c.GroupID == "":
		return "/groupId"
	case c.Type == "alias" && c.PreviousID == "":
		return "/previousId"
	}
	return ""
}

// time is when the call was made, by our clock: the sender's clock may be
// wrong, but it was wrong by the same when the call was sent.
func (c *call) time(now schemas.Instant) schemas.Instant {
	made := c.OriginalTime.Time
	if made.IsZero() {
		made = c.Timestamp.Time
	}
	if made.IsZero() {
		return now
	}
	if sent := c.SentAt.Time; !sent.IsZero() && !sent.Before(made) {
		return now.Add(-sent.Sub(made))
	}
	return schemas.InstantOf(made)
}

// identifiers are whom the call names. E-mail addresses and telephone numbers
// among the traits name a person too.
func (c *call) identifiers(traits map[string]any) []schemas.Identifier {
	var all []schemas.Identifier
	add := func(namespace, value string) {
		if id, err := door.Identifier(namespace, value); err == nil {
			all = append(all, id)
		}
	}
	add("user_id", string(c.UserID))
	add("anonymous_id", string(c.AnonymousID))
	if c.Type == "alias" {
		add("anonymous_id", string(c.PreviousID))
	}
	for _, namespace := range []string{"email", "phone"} {
		if value, ok := traits[namespace].(string); ok {
			add(namespace, value)
		}
	}
	if device, ok := c.Context["device"].(map[string]any); ok {
		if id, ok := device["id"].(string); ok {
			add("device_id", id)
		}
	}
	return all
}

// surroundings are the parts of the context that conditions ask about.
func (c *call) surroundings() map[string]any {
	kept := map[string]any{}
	for _, part := range []string{"app", "campaign", "consent", "device", "gpc", "library", "locale", "network", "os", "page", "referrer", "screen", "timezone"} {
		if value, ok := c.Context[part]; ok {
			kept[part] = value
		}
	}
	return kept
}

// optOut lets the call say what its browser says with every request, whatever
// the page makes of it.
func (c *call) optOut() {
	context := maps.Clone(c.Context) // calls of a batch may share it
	if context == nil {
		context = map[string]any{}
	}
	context["gpc"] = true
	c.Context = context
}

// deepest is how far objects within objects become names with dots. What lies
// deeper, and lists, become texts of JSON.
const deepest = 4

func flatten(all schemas.Properties, prefix string, object map[string]any, depth int) schemas.Properties {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		switch value := object[name].(type) {
		case nil:
			all = append(all, schemas.Property{Name: prefix + name})
		case bool:
			all = append(all, schemas.Property{Name: prefix + name, Value: schemas.BooleanOf(value)})
		case float64:
			all = append(all, schemas.Property{Name: prefix + name, Value: schemas.NumberOf(value)})
		case string:
			all = append(all, schemas.Property{Name: prefix + name, Value: schemas.TextOf(value)})
		case map[string]any:
			if depth < deepest {
				all = flatten(all, prefix+name+".", value, depth+1)
				continue
			}
			all = append(all, textOf(prefix+name, value))
		default:
			all = append(all, textOf(prefix+name, value))
		}
	}
	return all
}

func textOf(name string, value any) schemas.Property {
	text, _ := json.Marshal(value) // came from JSON
	return schemas.Property{Name: name, Value: schemas.TextOf(string(text))}
}
