package houserules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

type file struct {
	path string // slash-separated, from the root
	ast  *ast.File
	fset *token.FileSet
}

func (f file) dir() string  { return path.Dir(f.path) }
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }
func (f file) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// imports lists what f imports; modules on GitHub as owner/name.
func (f file) imports() []string {
	var all []string
	for _, spec := range f.ast.Imports {
		all = append(all, strings.TrimPrefix(strings.Trim(spec.Path.Value, `"`), "github.com/"))
	}
	return all
}

func sources(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files = append(files, file{filepath.ToSlash(rel), parsed, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found only %d Go files below %s: the walk is broken", len(files), root)
	}
	return files
}

var stages = []string{"identity", "profile", "segment", "propensity", "destination"}

// importRule says which imports a folder must not have, and why.
type importRule struct {
	within  string
	but     []string // folders within that are free
	tests   bool     // the rule binds tests too
	forbids []string // prefixes
	because string
}

var importRules = []importRule{
	{within: "schemas", tests: true, forbids: []string{"kairos/"},
		because: "records are the ground that all stands on: a schema that knew its users could not be read without them"},
	{within: "topologies", but: []string{"topologies/houserules"}, forbids: []string{"kairos/processors", "kairos/cmd", "kairos/loadtest", "twmb/franz-go", "lovoo/goka"},
		because: "the declaration is a value, so that everything can be derived from it without a cluster"},
	{within: "processors/stage", forbids: []string{"kairos/processors/", "twmb/franz-go", "lovoo/goka"},
		because: "the runner is pure: every world runs it, so it may know none"},
	{within: "processors/expression", forbids: []string{"kairos/processors/", "kairos/topologies", "twmb/franz-go"},
		because: "the language knows events and values, nothing of stages"},
	{within: "processors/definition", forbids: []string{"kairos/processors/stage", "kairos/processors/host", "kairos/processors/identity", "kairos/processors/profile", "kairos/processors/segment", "kairos/processors/propensity", "kairos/processors/destination", "twmb/franz-go"},
		because: "a plan is followed by stages and must not depend on how"},
	{within: "processors/host", forbids: []string{"kairos/processors/identity", "kairos/processors/profile", "kairos/processors/segment", "kairos/processors/propensity", "kairos/processors/destination", "kairos/processors/definition", "kairos/cmd"},
		because: "the host runs any stage: what it knows of one, it would owe to all"},
	{within: "loadtest", forbids: []string{"kairos/processors", "kairos/cmd"},
		because: "a judge that shares code with the accused finds the same bugs right"},
}

func TestImportsGoOneWay(t *testing.T) {
	rules := slices.Clone(importRules)
	for _, word := range stages {
		forbids := []string{"kairos/processors/host", "kairos/processors/scenario", "kairos/processors/flow", "kairos/cmd", "twmb/franz-go", "lovoo/goka", "cockroachdb/pebble"}
		for _, other := range stages {
			if other != word {
				forbids = append(forbids, "kairos/processors/"+other)
			}
		}
		rules = append(rules, importRule{within: "processors/" + word, forbids: forbids,
			because: "a stage is a pure function of its row and one message; what it needs of another stage travels in a record"})
	}
	for _, f := range sources(t) {
		for _, rule := range rules {
			if !isWithin(f.dir(), rule.within) || f.within(rule.but) {
				continue
			}
			if f.isTest() && !rule.tests {
				continue
			}
			for _, imported := range f.imports() {
				if slices.ContainsFunc(rule.forbids, func(p string) bool {
					return isWithin(imported, strings.TrimSuffix(p, "/")) && !isWithin(imported, "kairos/"+rule.within)
				}) {
					t.Errorf("%s imports %s: %s", f.path, imported, rule.because)
				}
			}
		}
	}
}

func isWithin(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func TestOnlyTheHostAndTheRimSpeakToKafka(t *testing.T) {
	rim := []string{"processors/host", "processors/delivery", "processors/scenario", "cmd", "loadtest"}
	for _, f := range sources(t) {
		if !f.isTest() && !f.within(rim) {
			f.mustNotImport(t, "twmb/franz-go", "effects live at the rim, so that everything else can be tested without them")
		}
	}
}

func TestOnlyTheHostKnowsGoka(t *testing.T) {
	for _, f := range sources(t) {
		if f.within([]string{"processors/host", "loadtest/peers"}) {
			continue
		}
		for _, module := range []string{"lovoo/goka", "IBM/sarama"} {
			f.mustNotImport(t, module, "whoever runs stages through Goka itself runs them without transactions; the host is the one way")
		}
	}
}

func (f file) within(folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return isWithin(f.dir(), folder) })
}

func (f file) mustNotImport(t *testing.T, module, because string) {
	t.Helper()
	for _, imported := range f.imports() {
		if isWithin(imported, module) {
			t.Errorf("%s imports %s: %s", f.path, imported, because)
		}
	}
}

// pure lists the folders in which the same input must give the same bytes.
func pure(dir string) bool {
	return slices.ContainsFunc(append([]string{"stage", "expression", "definition", "flow"}, stages...),
		func(word string) bool { return isWithin(dir, "processors/"+word) }) || dir == "schemas" || dir == "topologies"
}

func TestPurePackagesHaveNoClockNoRandomnessAndNoGoroutine(t *testing.T) {
	for _, f := range sources(t) {
		if f.isTest() || !pure(f.dir()) {
			continue
		}
		for _, imported := range f.imports() {
			if imported == "math/rand" || imported == "math/rand/v2" || imported == "crypto/rand" {
				t.Errorf("%s imports %s: the same log must give the same bytes", f.path, imported)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine: a step that runs beside itself is no function", f.at(n))
			case *ast.CallExpr:
				if name := called(n); name == "time.Now" || name == "time.Since" || name == "time.After" || name == "time.Sleep" {
					t.Errorf("%s calls %s: time is data, it comes with the message", f.at(n), name)
				}
			}
			return true
		})
	}
}

func called(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

func TestNoTestSleeps(t *testing.T) {
	for _, f := range sources(t) {
		if !f.isTest() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && called(call) == "time.Sleep" {
				t.Errorf("%s sleeps: wait for the thing itself, or the test is slow on a good day and wrong on a bad one", f.at(n))
			}
			return true
		})
	}
}

func TestNothingHappensAtImport(t *testing.T) {
	for _, f := range sources(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s is an init function: constructors take what they need", f.at(fn))
			}
		}
	}
}

func TestOnlyTopologiesNamesATopic(t *testing.T) {
	prefixes := []string{"kairos.door.", "kairos.operator.", "kairos.person."}
	for _, word := range stages {
		prefixes = append(prefixes, "kairos."+word+".", "kairos."+word+"-")
	}
	for _, f := range sources(t) {
		if f.isTest() || isWithin(f.dir(), "topologies") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			for _, p := range prefixes {
				if strings.HasPrefix(strings.Trim(lit.Value, "\"`"), p) && !strings.Contains(lit.Value, " ") {
					t.Errorf("%s names the topic %s: what exists is declared once, in topologies", f.at(lit), lit.Value)
				}
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		documented[f.dir()] = documented[f.dir()] || f.ast.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment: a newcomer asks what it is, what goes in and out, and what is not here", dir)
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	for _, f := range sources(t) {
		if lines := f.fset.File(f.ast.Pos()).LineCount(); lines > 600 && !ast.IsGenerated(f.ast) { // nobody reads what a generator writes
			t.Errorf("%s has %d lines: about 500 is what a reader holds; name the parts and split", f.path, lines)
		}
	}
}

func TestErrorIdsBelongToTheirStage(t *testing.T) {
	for _, f := range sources(t) {
		if f.isTest() {
			continue
		}
		word := strings.TrimPrefix(f.dir(), "processors/")
		if !slices.Contains(stages, word) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text := strings.Trim(lit.Value, "\"`"); strings.HasPrefix(text, "kairos-") && !strings.HasPrefix(text, "kairos-"+word+"-") {
					t.Errorf("%s uses the id %q: an operator looks an id up by its stage", f.at(lit), text)
				}
			}
			return true
		})
	}
}
