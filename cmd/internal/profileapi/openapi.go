package profileapi

import (
	"encoding"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

type object = map[string]any

var parameter = regexp.MustCompile(`\{([a-z]+)\}`)

// document is the OpenAPI 3.1 document of routes.
func document(routes []route) object {
	paths := object{}
	for _, r := range routes {
		operation := object{"summary": r.summary, "security": []object{{"token": []string{r.scope}}}}
		var parameters []object
		for _, name := range parameter.FindAllStringSubmatch(r.path, -1) {
			parameters = append(parameters, object{"name": name[1], "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		if parameters != nil {
			operation["parameters"] = parameters
		}
		if r.body != nil {
			operation["requestBody"] = object{"required": true, "content": content(r.body)}
		}
		ok := object{"description": "done"}
		if r.answer != nil {
			ok["content"] = content(r.answer)
		}
		responses := object{"200": ok}
		for status, why := range map[int]string{400: "the request is wrong", 401: "no token, or an unknown one", 403: "the token lacks the scope " + r.scope, 404: "nobody is known by that", 503: "not to be had just now"} {
			responses[strconv.Itoa(status)] = object{"description": why, "content": content(problem{})}
		}
		operation["responses"] = responses
		path, _ := paths[r.path].(object)
		if path == nil {
			path = object{}
			paths[r.path] = path
		}
		path[strings.ToLower(r.method)] = operation
	}
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "kairos profiles", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"paths":   paths,
		"components": object{"securitySchemes": object{
			"token": object{"type": "http", "scheme": "bearer"},
		}},
	}
}

func content(example any) object {
	return object{"application/json": object{"schema": schemaOf(reflect.TypeOf(example))}}
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// schemaOf is the JSON Schema of what encoding/json makes of t.
func schemaOf(t reflect.Type) object {
	switch {
	case t.Implements(textMarshaler):
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return object{"oneOf": []object{schemaOf(t.Elem()), {"type": "null"}}}
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Struct:
		properties := object{}
		for _, f := range reflect.VisibleFields(t) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && f.IsExported() {
				properties[name] = schemaOf(f.Type)
			}
		}
		return object{"type": "object", "properties": properties}
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.String:
		return object{"type": "string"}
	case t.Kind() == reflect.Float64:
		return object{"type": "number"}
	default:
		return object{"type": "integer", "format": t.Kind().String()}
	}
}
