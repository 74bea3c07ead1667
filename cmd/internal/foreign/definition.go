package foreign

import (
	"bytes"
	"cmp"

	"go.yaml.in/yaml/v3"

	"kairos/processors/definition"
)

// written is a mapping definition as YAML.
type written struct {
	Kind        string              `yaml:"kind"`
	Name        string              `yaml:"name"`
	Event       any                 `yaml:"event"`
	ID          string              `yaml:"id,omitempty"`
	Time        string              `yaml:"time,omitempty"`
	Source      string              `yaml:"source,omitempty"`
	Identifiers map[string][]string `yaml:"identifiers"`
	Properties  map[string][]string `yaml:"properties,omitempty"`
	Rest        bool                `yaml:"rest"`
	Attributes  map[string][]string `yaml:"attributes,omitempty"`
	Consent     map[string][]string `yaml:"consent,omitempty"`
	Ignore      []string            `yaml:"ignore,omitempty,flow"`
	Nulls       string              `yaml:"nulls,omitempty"`
	Labels      map[string][]string `yaml:"labels,omitempty"`
}

// Definition writes a mapping that a schema says, as a definition of its own.
func Definition(m *definition.Mapping, name string) ([]byte, error) {
	w := written{
		Kind: "mapping", Name: cmp.Or(name, m.Name, m.Event), Event: m.Event, ID: m.ID, Time: m.Time.Field, Source: m.Source,
		Identifiers: byName(m.Identifiers), Properties: byName(m.Properties), Rest: m.Rest, Attributes: byName(m.Attributes), Consent: byName(m.Consent), Ignore: m.Ignore, Labels: m.Labels,
	}
	if m.EventField != "" {
		w.Event = map[string]string{"field": m.EventField}
	}
	if m.Removes {
		w.Nulls = "remove"
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(w)
	return b.Bytes(), err
}

func byName(fields []definition.MappedField) map[string][]string {
	all := map[string][]string{}
	for _, f := range fields {
		all[f.Name] = append(all[f.Name], f.Field)
	}
	return all
}
