package judge

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a definition, as far as the judge cares.
type document struct {
	Kind, Name, When, Value string
	Intercept               float64
	Inputs                  []struct {
		Value               string
		Weight, Mean, Scale float64
	}
}

// Check refuses definitions, in the YAML files of a folder, that are not those
// that the judge reads, word for word: then it would judge something else.
func Check(definitions fs.FS) error {
	documents, err := read(definitions)
	if err != nil {
		return err
	}
	problems := []error{
		checkModel(documents["model repurchase"]),
		same("the feature purchases", documents["feature purchases"].Value, `events("purchase").count()`),
	}
	unread := map[string]bool{}
	for _, d := range documents {
		if d.Kind == "audience" {
			unread[d.Name] = true
		}
	}
	for _, a := range audiences() {
		problems = append(problems, same("the audience "+a.name, documents["audience "+a.name].When, a.when))
		delete(unread, a.name)
	}
	for _, name := range slices.Sorted(maps.Keys(unread)) {
		problems = append(problems, fmt.Errorf("the judge does not know the audience %s: teach it in loadtest/judge/audiences.go", name))
	}
	return errors.Join(problems...)
}

func checkModel(d document) error {
	inputs := repurchaseInputs()
	if d.Intercept != repurchaseIntercept || len(d.Inputs) != len(inputs) {
		return fmt.Errorf("the model repurchase has the intercept %v and %d inputs, the judge reads %v and %d",
			d.Intercept, len(d.Inputs), repurchaseIntercept, len(inputs))
	}
	for i, in := range inputs {
		got := d.Inputs[i]
		if err := same(fmt.Sprintf("input %d of the model repurchase", i+1), got.Value, in.value); err != nil {
			return err
		}
		if got.Weight != in.weight || got.Mean != in.mean || got.Scale != in.scale {
			return fmt.Errorf("input %d of the model repurchase has the figures %v, %v, %v, the judge reads %v, %v, %v",
				i+1, got.Weight, got.Mean, got.Scale, in.weight, in.mean, in.scale)
		}
	}
	return nil
}

func same(what, written, read string) error {
	written, read = strings.Join(strings.Fields(written), " "), strings.Join(strings.Fields(read), " ")
	switch written {
	case read:
		return nil
	case "":
		return fmt.Errorf("%s is not defined, the judge reads\n  %s", what, read)
	default:
		return fmt.Errorf("%s is defined as\n  %s\nbut the judge reads\n  %s", what, written, read)
	}
}

// read gives the documents by kind and name.
func read(definitions fs.FS) (map[string]document, error) {
	files, err := fs.Glob(definitions, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("there is no YAML file among the definitions")
	}
	found := map[string]document{}
	for _, file := range files {
		text, err := fs.ReadFile(definitions, file)
		if err != nil {
			return nil, err
		}
		for part := range strings.SplitSeq("\n"+string(text), "\n---") {
			var d document
			if err := yaml.Unmarshal([]byte(part), &d); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			found[d.Kind+" "+d.Name] = d
		}
	}
	return found, nil
}
