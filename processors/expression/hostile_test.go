package expression

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
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
		"then on then":          `events("view")` + r(`.then("view")`, 3000) + ".any()",
		"without a beginning":   r(`without("view").`, 1000) + "any()",
		"overlapping withouts":  `events("view")` + r(`.then("view", "1h")`+r(`.without("purchase")`, 1), 15) + r(`.without("view", "1h")`, 15) + ".any()",
		"absurd durations":      `events("view").then("view", "` + r("9", 300) + `d").without("purchase", "` + r("9", 18) + `y").any()`,
		"negative durations":    `events("view").then("view", "-1h").within("-30d").any()`,
		"window of nothing":     `events("view").within("").any() || events("view").within("0s").any()`,
		"window past all time":  `events("view").within("` + r("1", 19) + `y").any()`,
		"dwell in dwell":        r(`inFor(`, 2000) + `"vip", "1h"` + r(")", 2000),
		"dwell for ever":        `inFor("vip", "` + r("9", 400) + `y")`,
		"dwell in a long name":  `inFor("` + r("v", 12_000) + `", "1h")`,
		"many dwells":           "true" + r(` && inFor("vip", "1h")`, 500),
		"list of lists":         r(`size(`, 500) + `events("view").list("category")` + r(")", 500),
		"list in list":          r(`"a" in `, 900) + `events("view").list("category")`,
		"joined lists":          `size(events("view").list("category")` + r(` + events("view").list("category")`, 400) + ") > 1",
		"list of a huge field":  `"a" in events("view").list("` + r("c", 12_000) + `")`,
		"most frequent of all":  `events("view").most_frequent(e, ` + doubled("e.category", 9) + `) == "a"`,
		"nested most frequent":  r(`events("view").most_frequent(e, `, 400) + "1" + r(") == 1", 400),
		"recency of recency":    r(`events("view").recency() >= `, 400) + "1",
		"recency past all time": `events("view").recency() > "` + r("9", 200) + `y" && events("view").recency() >= ` + r("9", 300),
		"recency of no number":  `events("view").recency() >= 1e308 * 10 || events("view").recency() == -1e308 * 10`,
		"streak of nothing":     `events("view").streak("") >= 1 || events("view").streak("0d") >= 1`,
		"streak past all time":  `events("view").streak("1d") >= 1e300 && events("view").streak("` + r("9", 99) + `w") > 1`,
		"streak elsewhere":      `events("view").streak("1d", "` + r("../", 2000) + `etc/passwd") >= 7`,
		"zone of everything":    `events("view").within("today", "` + r("Europe/", 1500) + `Paris").any()`,
		"zone with nul":         `events("view").within("today", "Europe/Par` + "\x00" + `is").any()`,
		"zones one by one":      "true" + r(` && events("view").within("today", "Europe/Paris").any()`, 200),
		"first of all":          `events("view").first(` + r("9", 300) + `).any() && events("view").first(1e300).any()`,
		"last of last":          `events("view")` + r(".last(5)", 2000) + ".any()",
		"last of less":          `events("view").last(-1).any() || events("view").last(0).any() || events("view").first(0.5).any()`,
		"a day that is none":    `events("view").on("2026-02-31").any() || events("view").since("0000-00-00").any() || events("view").between("9999-99-99", "1").any()`,
		"all days between":      "true" + r(` && events("view").between("1971-01-01", "9999-12-31").any()`, 150),
		"date of date":          r("daysUntil(", 2000) + "p.plan" + r(")", 2000),
		"dates past all time":   `daysUntil(p.plan) <= 1e300 && daysSince(p.plan) == -1e300 && yearsSince(p.plan) >= ` + r("9", 309) + ` && daysUntilAnniversary(p.plan) < 1e18`,
		"many dates":            "true" + r(` && daysUntilAnniversary(p.plan, "Europe/Paris") <= 7`, 200),
		"bucket of a long name": `bucket("` + r("x", 12_000) + `") < 10`,
		"many buckets":          "true" + r(` && bucket("x") < 50`, 700),
		"bucket in bucket":      r("bucket(", 3000) + `"x"` + r(")", 3000),
		"in of a long name":     `in("` + r("v", 14_000) + `")`,
		"in in in":              r(`in(`, 2000) + `"vip"` + r(")", 2000),
		"many ins":              "true" + r(` && in("vip")`, 900),
		"ratio of ratios":       r(`events("view").ratio(e, `, 400) + "true" + r(")", 400),
		"sum of a sum":          r(`events("view").sum(e, `, 400) + "1" + r(")", 400),
		"backtracking in where": `events("view").where(e, e.category.matches("^(a+)+$") && e.category.matches("(.*)*x"))` + ".any()",
		"patterns in steps":     `events("view")` + r(`.then("view", "1h", e, e.category.matches("^(a|aa)+$"))`, 20) + ".any()",
		"lookaround":            `p.plan.matches("(?=a)b") || p.plan.matches("(?<!a)b") || p.plan.matches("(a)\\1")`,
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

// mostAllocated is the same for memory, garbage included.
const mostAllocated = 64 << 20

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

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
		began, before := time.Now(), allocated()
		e, err := Compile(text, shop())
		if err == nil {
			evaluateOnAnything(e)
		}
		if took := time.Since(began); took > bound {
			t.Errorf("%s took %v", name, took)
		}
		if took := allocated() - before; took > mostAllocated {
			t.Errorf("%s took %d MiB", name, took>>20)
		}
		if err != nil && len(err.Error()) > 20_000 {
			t.Errorf("%s: the refusal itself has %d bytes", name, len(err.Error()))
		}
	}
}

// code and text are the positions at which an expression takes code, and a
// constant text that has a form of its own.
var (
	code = []string{
		`%s`, `(%s)`, `!(%s)`, `%s == 1`, `p.age > %s`, `p.country in [%s]`, `%s in events("view").list("category")`, `has(%s)`, `size(%s) > 1`,
		`p.plan == "a" ? %s : 1`, `p[%s] == 1`, `p.country.matches(%s)`, `in(%s)`, `bucket(%s) < 10`,
		`inFor(%s, "20m")`, `inFor("vip", %s)`, `anniversary(%s)`, `daysUntil(%s) <= 7`, `daysSince(p.plan, %s) == 1`, `yearsSince(p.plan) >= %s`,
		`events(%s).any()`, `events("view").%s`, `events("view").%s.any()`, `events("view").where(e, %s).any()`, `events("view").where(%s, true).any()`,
		`events("view").where(e, e.amount > %s).any()`, `events("view").within(%s).any()`, `events("view").within("today", %s).any()`,
		`events("view").since(%s).any()`, `events("view").between("2026-01-01", %s).any()`, `events("view").on(%s).any()`, `events("view").from(%s).any()`,
		`events("view").first(%s).any()`, `events("view").last(%s).any()`, `events("view").count(%s) > 1`, `events("view").sum(%s) > 1`, `events("view").sum(e, %s) > 1`,
		`events("view").ratio(e, %s) < 1`, `events("view").most_frequent(%s) == 1`, `events("view").most_frequent(e, %s) == 1`, `events("view").list(e, %s) == 1`,
		`events("view").recency() > %s`, `events("view").streak(%s) > 1`, `events("view").streak("1d", %s) > 1`,
		`events("view").then(%s).any()`, `events("view").then("view", %s).any()`, `events("view").then("view", "1h", e, %s).any()`,
		`events("view").without(%s).any()`, `events("view").without("purchase", %s).any()`,
	}
	text = []string{
		`inFor("vip", %s)`, `daysUntil(p.plan, %s) <= 7`, `events("view").within(%s).any()`, `events("view").within("today", %s).any()`,
		`events("view").since(%s).any()`, `events("view").between(%s, "2026-01-01").any()`, `events("view").on(%s).any()`, `events("view").recency() > %s`,
		`events("view").streak(%s) > 1`, `events("view").streak("1d", %s) > 1`, `events("view").then("view", %s).any()`, `events("view").without("view", %s).any()`,
		`events(%s).any()`, `events("view").then(%s).any()`, `events("view").without(%s).any()`, `events("purchase").sum(%s) > 1`, `in(%s)`, `inFor(%s, "1h")`, `p[%s] == 1`,
	}
)

// Every payload asks for something that the language does not have, so it must
// not even compile, wherever it stands; as a text it must be no known name, no
// duration, no day and no zone.
func TestPayloadsAgainstOtherEnginesAreRefused(t *testing.T) {
	texts := payloads(t)
	if len(texts) < 20 {
		t.Fatalf("only %d payloads", len(texts))
	}
	refused := func(template, payload string) {
		t.Helper()
		source := strings.Replace(template, "%s", payload, 1)
		_, err := Compile(source, shop())
		problems, _ := err.(Problems)
		if len(problems) == 0 {
			t.Errorf("compiles: %s", source)
			return
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Errorf("%s: a problem without a place or a message: %+v", source, p)
			}
		}
	}
	for _, payload := range texts {
		for _, template := range code {
			refused(template, payload)
		}
		for _, template := range text {
			refused(template, strconv.Quote(payload))
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
	for i, payload := range payloads(f) {
		f.Add(payload)
		f.Add(strings.Replace(code[i%len(code)], "%s", payload, 1))
		f.Add(strings.Replace(text[i%len(text)], "%s", strconv.Quote(payload), 1))
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
