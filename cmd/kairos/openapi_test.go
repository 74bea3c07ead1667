package main

import (
	"fmt"
	"testing"
)

type object = map[string]any

// described holds what an API answers to the document that it serves.
func described(t *testing.T, api, path, of string) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema object }
			}
		}
	}
	var answer any
	get(t, "http://"+api+"/v1/openapi.json", &document)
	get(t, "http://"+api+path, &answer)
	schema := document.Paths[of]["get"].Responses["200"].Content["application/json"].Schema
	if seen := fits(t, of, schema, answer); seen < 3 {
		t.Errorf("%s answers %v", path, answer)
	}
}

// fits holds a value to its schema, and says how many scalars it saw.
func fits(t *testing.T, at string, schema object, value any) (scalars int) {
	t.Helper()
	switch v := value.(type) {
	case object:
		properties, _ := schema["properties"].(object)
		for name := range v {
			field, there := properties[name].(object)
			if !there {
				t.Errorf("%s/%s is in no schema", at, name)
				continue
			}
			scalars += fits(t, at+"/"+name, field, v[name])
		}
		for name := range properties {
			if _, there := v[name]; !there && name != "event_id" && name != "since" {
				t.Errorf("%s has no %s", at, name)
			}
		}
	case []any:
		items, _ := schema["items"].(object)
		for i := range v {
			scalars += fits(t, fmt.Sprint(at, "/", i), items, v[i])
		}
	default:
		want := map[string]string{"string": "string", "bool": "boolean", "float64": "integer"}[fmt.Sprintf("%T", v)]
		if got := schema["type"]; got != want && (want != "integer" || got != "number") {
			t.Errorf("%s is a %v, and %v", at, got, v)
		}
		scalars++
	}
	return scalars
}
