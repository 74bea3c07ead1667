package expression

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"kairos/schemas"
)

// hostile makes texts that try to stall or crash the compiler, by name.
func hostile() map[string]string {
	r := strings.Repeat
	return map[string]string{
		"open brackets":         r("(", 10_000),
		"nested brackets":       r("(", 500) + "true" + r(")", 500),
		"nested lists":          r("[", 5000) + r("]", 5000),
		"nested maps":           r(`{"a":`, 3000) + "1" + r("}", 3000),
		"many nots":             r("!", 10_000) + "true",
		"many minus signs":      r("-", 10_000) + "1",
		"many ternaries":        r("p.plan ? ", 1000) + "1" + r(" : 1", 1000),
		"long and":              "true" + r(" && true", 1500),
		"long sum":              "1" + r(" + 1", 3000),
		"long selection":        "p" + r(".a", 5000),
		"long index":            "p" + r(`["a"]`, 3000),
		"long chain":            `events("purchase")` + r(`.where(e, e.amount > 1)`, 500) + ".any()",
		"endless chain":         `events("purchase")` + r(".x()", 3000),
		"endless sequence":      `events("view")` + r(`.then("view", "1h")`, 50) + ".any()",
		"endless negation":      `events("view")` + r(`.without("purchase")`, 5000) + ".any()",
		"longest sequence":      `events("view").where(e, ` + doubled("e.a", 6) + ` == "")` + r(`.then("view", "1h", e, e.a == "b").without("purchase")`, 15) + ".any()",
		"sequence in sequence":  r(`events("view").then("view", e, `, 40) + "true" + r(").any()", 40),
		"conditions in a step":  `events("view").then("view", "1h", e, ` + r("e.a == 1 || ", 900) + `e.a == 2)` + ".any()",
		"huge text":             `p.country == "` + r("a", 15_000) + `"`,
		"huge number":           "p.age > " + r("9", 5000),
		"overflowing number":    "p.age > 1e999",
		"overflowing integer":   "p.age > 9223372036854775808",
		"huge list":             "p.age in [" + r("1,", 5000) + "1]",
		"too long":              r("a", 1<<20),
		"catastrophic pattern":  `p.country.matches("^(([a-z])+.)+[A-Z]([a-z])+$")`,
		"exponential pattern":   `p.country.matches("(x+x+)+y")`,
		"pattern with repeats":  `p.country.matches("((a{1,100}){1,100}){1,100}")`,
		"huge pattern":          `p.country.matches("` + r("a?", 400) + `")`,
		"wide pattern":          `p.country.matches("` + r(`\\pL`, 60) + `")`,
		"many patterns":         "true" + r(` && p.plan.matches("x*x*x*x*y")`, 100),
		"too many patterns":     "true" + r(` && p.plan.matches("x*x*x*x*x*x*x*x*x*x*x*x*y")`, 300),
		"doubling texts":        `p.country == ` + doubled("p.country", 9),
		"unclosed text":         `"` + r("a", 1000),
		"unclosed triple text":  `"""` + r("a", 1000),
		"only quotes":           r(`"`, 9999),
		"backslashes":           `"` + r(`\`, 999) + `"`,
		"comment":               "//" + r("/", 9000),
		"nul bytes":             r("\x00", 1000),
		"invalid utf-8":         "p.age > \xff\xfe",
		"right to left":         "\u202e p.age",
		"in everywhere":         r("in(", 2000),
		"in without end":        r("in ", 4000),
		"commas":                "in(" + r(",", 5000) + ")",
		"semicolons":            r(";", 5000),
		"backticks":             "p.`" + r("a", 500) + "`",
		"exists over exists":    r("[1].exists(x, ", 45) + "true" + r(")", 45),
		"map over map":          r("[1,2,3].map(x, ", 45) + "1" + r(")", 45),
		"doubled text":          `p.country == ` + r(`"a" + `, 1000) + `"b"`,
		"windows":               `events("purchase").within("` + r("1d", 400) + `").any()`,
		"the future":            `events("purchase").since("9999-12-31T23:59:59Z").any()`,
		"weekdays":              `events("purchase").on(` + r(`"monday",`, 1000) + `"monday").any()`,
		"type names":            "int == string || type(p.age) == double || dyn(p.age)",
		"proto messages":        `google.protobuf.Struct{fields: {}} == google.protobuf.Value{}`,
		"input functions":       `@number("p.age") > 1`,
		"timestamps":            `timestamp("2026-01-01T00:00:00Z") + duration("1h") > timestamp("x")`,
		"where that shadows":    `events("purchase").where(p, p.amount > 1).where(events, events.amount > 1).any()`,
		"unknown unicode names": `events("purchase").where(é, é.amount > 1).any()`,
	}
}

// doubled joins text with itself, twice as often with every step.
func doubled(text string, steps int) string {
	for range steps {
		text = "(" + text + " + " + text + ")"
	}
	return text
}

// payloads reads texts that have broken other engines.
func payloads(t testing.TB) []string {
	t.Helper()
	file, err := os.Open("testdata/payloads.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if line := scanner.Text(); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// bound is far above what any text takes, and far below a stall.
const bound = 2 * time.Second

func TestASequenceHasAtMost32Steps(t *testing.T) {
	for steps, want := range map[int]string{31: "", 32: "1:", 50: "more than 32 steps"} {
		_, err := Compile(`events("view")`+strings.Repeat(`.then("view")`, steps)+".any()", shop())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d steps after the first: %v", steps, err)
		}
	}
}

func TestHostileTextsAreRefusedOrBounded(t *testing.T) {
	for name, text := range hostile() {
		began := time.Now()
		e, err := Compile(text, shop())
		if err == nil {
			evaluateOnAnything(e)
		}
		if took := time.Since(began); took > bound {
			t.Errorf("%s took %v", name, took)
		}
		if err != nil && len(err.Error()) > 20_000 {
			t.Errorf("%s: the refusal itself has %d bytes", name, len(err.Error()))
		}
	}
}

// Every payload asks for something that the language does not have, so it must
// not even compile.
func TestPayloadsAgainstOtherEnginesAreRefused(t *testing.T) {
	texts := payloads(t)
	if len(texts) < 20 {
		t.Fatalf("only %d payloads", len(texts))
	}
	for _, text := range texts {
		if _, err := Compile(text, shop()); err == nil {
			t.Errorf("compiles: %s", text)
		}
		if _, err := Compile(`events("purchase").where(e, `+text+`).any()`, shop()); err == nil {
			t.Errorf("compiles within where: %s", text)
		}
	}
}

func evaluateOnAnything(e *Expression) {
	long := schemas.TextOf(strings.Repeat("ax", 50_000))
	attributes := schemas.Properties{{Name: "age", Value: schemas.NumberOf(3)}, {Name: "country", Value: long}, {Name: "plan", Value: long}}
	e.Eval(testInputs{})
	e.Eval(testInputs{attributes: attributes})
	medium := schemas.TextOf(strings.Repeat("x", longestMatched))
	e.Eval(testInputs{attributes: schemas.Properties{{Name: "country", Value: medium}, {Name: "plan", Value: medium}}})
	for _, term := range e.Terms {
		for _, properties := range []schemas.Properties{nil, attributes} {
			event := &event{Properties: properties}
			if term.Series == nil {
				continue
			}
			if term.Series.Match != nil {
				term.Series.Match(event)
			}
			if term.Series.Value != nil {
				term.Series.Value(event)
			}
		}
	}
}

// FuzzCompile looks for texts that make the compiler panic or stall, or that
// compile into something that does.
func FuzzCompile(f *testing.F) {
	for _, text := range hostile() {
		if len(text) < 2000 {
			f.Add(text)
		}
	}
	for _, text := range payloads(f) {
		f.Add(text)
	}
	for _, file := range []string{"testdata/taken.txt", "testdata/refused.txt"} {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(content), "\n\n") {
			source, _, _ := strings.Cut(block, "\n----")
			f.Add(source)
		}
	}
	compilers := map[string]*Compiler{}
	for name, environment := range map[string]Environment{"closed": shop(), "open": {}} {
		c, err := NewCompiler(environment)
		if err != nil {
			f.Fatal(err)
		}
		compilers[name] = c
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range compilers {
			c.environment.Terms = NewTerms()
			e, err := c.Compile(text)
			if err == nil {
				evaluateOnAnything(e)
				continue
			}
			problems, ok := err.(Problems)
			if !ok || len(problems) == 0 {
				t.Fatalf("refused without problems: %v", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Fatalf("a problem without a place or a message: %+v", p)
				}
			}
		}
		FeaturesOf(text)
	})
}
