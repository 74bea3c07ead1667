package foreign_test

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/processors/definition"
	"kairos/schemas"
)

func parse(t testing.TB, text string) *foreign.Schema {
	t.Helper()
	s, err := foreign.ParseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(t testing.TB, schema string, v any) []byte {
	t.Helper()
	b, err := avro.MustParse(schema).Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// said writes an event on a line, as tests compare it.
func said(e *schemas.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.ID, e.Name)
	if e.Time != 0 {
		fmt.Fprintf(&b, " at %s", e.Time)
	}
	for _, id := range e.Identifiers {
		fmt.Fprintf(&b, " %s", id)
	}
	for _, p := range e.Properties {
		fmt.Fprintf(&b, " %s=%s", p.Name, shown(p.Value))
	}
	for _, p := range e.Attributes {
		fmt.Fprintf(&b, " +%s=%s", p.Name, shown(p.Value))
	}
	return b.String()
}

func shown(v schemas.Value) string {
	if v.Kind == schemas.Text {
		return "'" + v.Text + "'"
	}
	return v.String()
}

const orderSchema = `{"type": "record", "name": "order", "namespace": "shop", "fields": [
	{"name": "number", "type": "long", "kairos.id": true},
	{"name": "placed", "type": {"type": "long", "logicalType": "timestamp-micros"}, "kairos.time": true},
	{"name": "buyer", "type": ["null", {"type": "record", "name": "person", "fields": [
		{"name": "mail", "type": "string", "kairos.identity": "email", "kairos.label": ["C2"]},
		{"name": "phones", "type": {"type": "array", "items": "string"}, "kairos.identity": "phone"},
		{"name": "born", "type": {"type": "int", "logicalType": "date"}, "kairos.attribute": "birthday", "kairos.label": "C1"},
		{"name": "ads", "type": ["null", "boolean"], "kairos.consent": "ads"}
	]}]},
	{"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
	{"name": "state", "type": {"type": "enum", "name": "state", "symbols": ["NEW", "PAID"]}},
	{"name": "rate", "type": "float"},
	{"name": "big", "type": "long"},
	{"name": "tags", "type": {"type": "map", "values": "int"}},
	{"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "item", "fields": [
		{"name": "sku", "type": "string"}, {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}
	]}}},
	{"name": "ref", "type": {"type": "string", "logicalType": "uuid"}},
	{"name": "at", "type": {"type": "int", "logicalType": "time-millis"}},
	{"name": "seen", "type": {"type": "long", "logicalType": "timestamp-millis"}},
	{"name": "raw", "type": "bytes"},
	{"name": "internal", "type": "string", "kairos.property": false},
	{"name": "note", "type": ["null", "string"], "default": null}
]}`

func order() map[string]any {
	return map[string]any{
		"number": int64(7), "placed": time.Date(2026, 3, 1, 9, 0, 0, 123_456_000, time.UTC),
		"buyer": map[string]any{"mail": " Ann@X.example", "phones": []any{"+33 6 12", "+33 7 13"}, "born": time.Date(1990, 2, 3, 0, 0, 0, 0, time.UTC), "ads": true},
		"total": big.NewRat(12345, 100), "state": "PAID", "rate": float32(1.1), "big": int64(1<<53 + 1),
		"tags":  map[string]any{"b": 2, "a": 1},
		"items": []any{map[string]any{"sku": "s1", "price": big.NewRat(995, 100)}},
		"ref":   "123e4567-e89b-12d3-a456-426614174000", "at": 9 * time.Hour, "seen": time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"raw": []byte{1, 2}, "internal": "x", "note": nil,
	}
}

const orderSaid = `7 order at 2026-03-01T09:00:00.123Z email:ann@x.example phone:+33612 phone:+33713` +
	` at='09:00:00' big='9007199254740993' items='[{"price":9.95,"sku":"s1"}]' rate=1.1 raw='AQI=' ref='123e4567-e89b-12d3-a456-426614174000'` +
	` seen='2026-03-01T00:00:00Z' state='PAID' tags.a=1 tags.b=2 total=123.45 +birthday='1990-02-03' +consent.ads=true`

func TestASchemasPropertiesSayWhatItsFieldsMean(t *testing.T) {
	schema := parse(t, orderSchema)
	row, err := schema.Decode(encode(t, orderSchema, order()))
	if err != nil {
		t.Fatal(err)
	}
	m, err := schema.Mapping()
	if err != nil {
		t.Fatal(err)
	}
	e, err := foreign.Event(m, row, "place")
	if err != nil {
		t.Fatal(err)
	}
	if got := said(e); got != orderSaid {
		t.Errorf("got  %s\nwant %s", got, orderSaid)
	}
	if fmt.Sprint(m.Labels) != "map[birthday:[C1] email:[C2]]" {
		t.Errorf("labels %v", m.Labels)
	}
}

// What a schema says and the definition that is written of it give the same
// events, and carry the same labels.
func TestTheDefinitionOfASchemaSaysTheSame(t *testing.T) {
	schema := parse(t, strings.Replace(orderSchema, `"name": "state", "type": {`, `"kairos.property": "status", "name": "state", "type": {`, 1))
	m, err := schema.Mapping()
	if err != nil {
		t.Fatal(err)
	}
	text, err := foreign.Definition(m, "orders")
	if err != nil {
		t.Fatal(err)
	}
	published := mapping(t, string(text), "orders")
	row, err := schema.Decode(encode(t, orderSchema, order()))
	if err != nil {
		t.Fatal(err)
	}
	want, err1 := foreign.Event(m, row, "place")
	got, err2 := foreign.Event(published, row, "place")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if said(got) != said(want) || !strings.Contains(said(got), "status='PAID'") || fmt.Sprint(published.Labels) != fmt.Sprint(m.Labels) {
		t.Errorf("%s says %s\nwant %s", text, said(got), said(want))
	}
}

func mapping(t testing.TB, text, name string) *definition.Mapping {
	t.Helper()
	set, err := definition.Parse("mapping.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	plan, err := set.Compile()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return plan.Mapping(name)
}

func TestOldAndNewWritersAreReadAsTheTopicsSchemaSays(t *testing.T) {
	old := `{"type": "record", "name": "customer", "fields": [{"name": "mail", "type": "string"}, {"name": "points", "type": "int"}, {"name": "fax", "type": "string"}]}`
	today := `{"type": "record", "name": "customer", "fields": [
		{"name": "email", "aliases": ["mail"], "type": "string", "kairos.identity": "email"},
		{"name": "points", "type": "long", "kairos.attribute": true},
		{"name": "plan", "type": "string", "default": "free", "kairos.attribute": true}]}`
	reader := parse(t, today)
	resolved, err := reader.As(parse(t, old))
	if err != nil {
		t.Fatal(err)
	}
	row, err := resolved.Decode(encode(t, old, map[string]any{"mail": "a@b.example", "points": 3, "fax": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := resolved.Mapping()
	e, err := foreign.Event(m, row, "crm/0/1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := said(e), "crm/0/1 customer email:a@b.example +points=3 +plan='free'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := reader.As(parse(t, `{"type": "record", "name": "customer", "fields": [{"name": "points", "type": "long"}]}`)); err == nil {
		t.Error("a writer without e-mail addresses resolves")
	}
}

// Each block of the file is a mapping, rows as JSON, and after a line of dashes
// the events that they become, or what is wrong; ==== parts the blocks.
func TestRowsBecomeEventsAsTheMappingSays(t *testing.T) {
	const file, between = "testdata/mapped.txt", "\n====\n"
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(strings.TrimSuffix(string(content), "\n"), between) {
		given, want, _ := strings.Cut(block, "\n----\n")
		text, rows, _ := strings.Cut(given, "\n---\n")
		m := mapping(t, text, "m")
		var got []string
		for n, line := range strings.Split(rows, "\n") {
			row := jsonRow(t, line)
			e, err := foreign.Event(m, row, fmt.Sprintf("p%d", n))
			var problems door.Problems
			switch {
			case errors.As(err, &problems):
				got = append(got, strings.ReplaceAll(problems.Error(), "\n", "; "))
			case err != nil:
				t.Fatal(err)
			default:
				got = append(got, said(e))
			}
		}
		if all := strings.Join(got, "\n"); all != want {
			t.Errorf("%s\ngives\n%s\nwant\n%s", given, all, want)
		}
	}
}

func TestSchemasThatSayNobodyOrAreNoRecordsAreRefused(t *testing.T) {
	for text, part := range map[string]string{
		`{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}]}`: "kairos.identity",
		`"string"`: "not one of a record",
		`{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int", "kairos.identity": 1}]}`: "name of a namespace",
	} {
		if _, err := parse(t, text).Mapping(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", text, err, part)
		}
	}
	if _, err := foreign.ParseSchema("{"); err == nil {
		t.Error("half an object is a schema")
	}
}

func TestALabelInsideAListLabelsTheList(t *testing.T) {
	m, err := parse(t, `{"type": "record", "name": "r", "fields": [
		{"name": "who", "type": "string", "kairos.identity": "email"},
		{"name": "trips", "type": {"type": "array", "items": {"type": "record", "name": "trip", "fields": [
			{"name": "mate", "type": "string", "kairos.identity": "email"}, {"name": "clinic", "type": "string", "kairos.label": ["S1"]}]}}},
		{"name": "home", "kairos.label": ["C2"], "type": {"type": "record", "name": "address", "fields": [{"name": "street", "type": "string"}]}},
		{"name": "work", "type": "address"}
	]}`).Mapping()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(m.Labels) != "map[home.street:[C2] trips:[S1]]" {
		t.Errorf("labels %v", m.Labels)
	}
	if fmt.Sprint(m.Identifiers) != "[{email who} {email trips.mate}]" {
		t.Errorf("identifiers %v", m.Identifiers)
	}
}
