package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"kairos/schemas"
)

var kinds = []string{"audience", "destination", "event", "feature", "group", "identity", "mapping", "model", "policy", "profile", "source"}

// Set is a set of definitions as people wrote them: read, but not yet compiled.
type Set struct {
	documents []*document // by kind and name
	problems  Problems    // of reading
}

// Load reads all files called *.yaml and *.yml in files. An error about the
// definitions is of type [Problems].
func Load(files fs.FS) (*Set, error) {
	s := &Set{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), "..") { // what Kubernetes keeps behind the files of a ConfigMap
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" && path.Ext(name) != ".yml" {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err == nil {
			s.add(name, string(text))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	return s.finished()
}

// Parse reads one file. The error is of type [Problems].
func Parse(name string, text []byte) (*Set, error) {
	s := &Set{}
	s.add(name, string(text))
	return s.finished()
}

// FromRecords reads published definitions. The error is of type [Problems].
func FromRecords(records []schemas.Definition) (*Set, error) {
	s := &Set{}
	for _, r := range records {
		if r.Text == "" { // withdrawn
			continue
		}
		before := len(s.documents)
		s.add(r.Kind+"/"+r.Name, r.Text)
		for _, d := range s.documents[before:] {
			if d.version = r.Version; d.kind != r.Kind || d.name != r.Name {
				d.refuse(d.fields.node, fmt.Sprintf("the record of %s %q holds %s %q", r.Kind, r.Name, d.kind, d.name), "publish it under its own name")
			}
		}
	}
	return s.finished()
}

// With returns the definitions of s and other; where both define the same,
// that of other counts.
func (s *Set) With(other *Set) *Set {
	joined := &Set{}
	for _, d := range other.documents {
		joined.documents = append(joined.documents, d.in(joined))
	}
	for _, d := range s.documents {
		if _, replaced := other.find(d.kind, d.name); !replaced {
			joined.documents = append(joined.documents, d.in(joined))
		}
	}
	joined.sort()
	return joined
}

// Records returns the definitions as they are to be published, given what is
// published now, in the order of kind and name. What did not change is the
// record of before; what did has the version after and no time yet; what is
// not there any more is withdrawn by a record without a text.
func (s *Set) Records(previous []schemas.Definition) []schemas.Definition {
	records := make([]schemas.Definition, 0, len(s.documents))
	before := map[string]schemas.Definition{}
	for _, p := range previous {
		before[p.Kind+"/"+p.Name] = p
	}
	for _, d := range s.documents {
		r := schemas.Definition{Kind: d.kind, Name: d.name, Version: 1, Text: d.text}
		if p, known := before[d.kind+"/"+d.name]; known && p.Text == d.text {
			r = p
		} else if known {
			r.Version = p.Version + 1
		}
		records = append(records, r)
	}
	for _, p := range previous {
		if _, there := s.find(p.Kind, p.Name); there {
			continue
		}
		if p.Text != "" {
			p.Version, p.Text, p.Cause = p.Version+1, "", 0
		}
		records = append(records, p)
	}
	slices.SortFunc(records, func(a, b schemas.Definition) int {
		return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name)
	})
	return records
}

// add reads one file into s.
func (s *Set) add(file, text string) {
	if len(text) > largestFile {
		s.problems = append(s.problems, Problem{file, 1, 1, fmt.Sprintf("the file has more than %d bytes", largestFile), "split it"})
		return
	}
	for _, d := range split(file, strings.ReplaceAll(text, "\r\n", "\n")) {
		d.version, d.set = 1, s
		if d.read() {
			s.documents = append(s.documents, d)
		}
	}
}

// finished sorts the documents and refuses doubles.
func (s *Set) finished() (*Set, error) {
	s.sort()
	for i := 1; i < len(s.documents); i++ {
		a, b := s.documents[i-1], s.documents[i]
		if a.kind == b.kind && a.name == b.name && a.name != "" {
			b.refuse(b.fields.node, fmt.Sprintf("%s %q is defined twice", b.kind, b.name),
				fmt.Sprintf("remove this one or that at %s:%d", a.file, a.line+1))
		}
	}
	if err := s.problems.asError(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Set) sort() {
	slices.SortStableFunc(s.documents, func(a, b *document) int {
		return strings.Compare(a.kind+"/"+a.name, b.kind+"/"+b.name)
	})
}

func (s *Set) find(kind, name string) (*document, bool) {
	i, found := slices.BinarySearchFunc(s.documents, kind+"/"+name, func(d *document, key string) int {
		return strings.Compare(d.kind+"/"+d.name, key)
	})
	if !found {
		return nil, false
	}
	return s.documents[i], true
}

// of lists the documents of a kind, by name.
func (s *Set) of(kind string) []*document {
	var found []*document
	for _, d := range s.documents {
		if d.kind == kind {
			found = append(found, d)
		}
	}
	return found
}

func (s *Set) names(kind string) []string {
	names := []string{}
	for _, d := range s.of(kind) {
		names = append(names, d.name)
	}
	return names
}

// in is d as a part of another set.
func (d *document) in(s *Set) *document {
	moved := *d
	moved.set = s
	moved.fields = moved.mapping(d.fields.node)
	return &moved
}

// AsProblems returns the problems in err, if it is about definitions.
func AsProblems(err error) (Problems, bool) {
	var problems Problems
	ok := errors.As(err, &problems)
	return problems, ok
}

func contains(list []string, text string) bool { return slices.Contains(list, text) }
