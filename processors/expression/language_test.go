package expression

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the expected part of testdata anew; review the difference")

// shop is the environment of the tests.
func shop() Environment {
	return Environment{
		Events: map[string]map[string]Type{
			"purchase": {"amount": NumberType, "cds": NumberType, "channel": TextType, "gift": BooleanType, "note": AnyType},
			"refund":   {"amount": NumberType},
			"cancel":   {},
			"view":     nil,
		},
		Attributes: map[string]Type{"country": TextType, "age": NumberType, "consent.email": BooleanType, "first name": TextType, "plan": AnyType},
		Audiences:  []string{"vip", "loyal"},
		Models:     []string{"churn"},
		Groups:     []string{"household"},
		Features:   map[string]*Expression{},
	}
}

// Each block of the file is an expression, a line of dashes, and what is said
// about it: its terms, or why it is refused.
func TestWhatTheLanguageTakesAndRefuses(t *testing.T) {
	for _, file := range []string{"testdata/taken.txt", "testdata/refused.txt"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, block := range strings.Split(strings.TrimSpace(string(content)), "\n\n") {
			source, _, _ := strings.Cut(block, "\n----")
			out = append(out, source+"\n----\n"+describe(t, file, source))
		}
		got := strings.Join(out, "\n\n") + "\n"
		if *rewrite {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != string(content) {
			t.Errorf("%s differs; run go test -rewrite and review the difference\n%s", file, firstDifference(string(content), got))
		}
	}
}

func describe(t *testing.T, file, source string) string {
	t.Helper()
	e, err := Compile(source, shop())
	if refused := err != nil; refused != strings.HasSuffix(file, "refused.txt") {
		t.Errorf("%s: in %s, but the error is %v", source, file, err)
	}
	if err != nil {
		return err.Error()
	}
	lines := []string{e.Type.String()}
	for _, term := range e.Terms {
		line := "term " + term.Canonical
		if term.Series != nil && term.Series.Keep > 0 {
			line += ", keeps " + FormatDuration(term.Series.Keep)
		}
		lines = append(lines, line)
	}
	for _, uses := range []struct {
		what  string
		names []string
	}{{"attributes", e.Attributes}, {"scores", e.Scores}, {"audiences", e.Audiences}} {
		if len(uses.names) > 0 {
			lines = append(lines, uses.what+" "+strings.Join(uses.names, ", "))
		}
	}
	return strings.Join(lines, "\n")
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "want " + a[i] + "\ngot  " + b[i]
		}
	}
	return "one ends before the other"
}

// LANGUAGE.md shows expressions in blocks, one a line.
func TestWhatTheLanguageGuideShowsCompiles(t *testing.T) {
	guide, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	environment := Environment{Features: map[string]*Expression{"basket": compiled(t, `events("purchase").avg("amount")`, Environment{})}}
	shown := 0
	for i, block := range strings.Split(string(guide), "\n```\n") {
		if i%2 == 0 {
			continue
		}
		for _, source := range strings.Split(block, "\n") {
			e, err := Compile(source, environment)
			if err != nil {
				t.Errorf("%s\n%v", source, err)
			} else if e.Type != BooleanType && e.Type != AnyType {
				t.Errorf("%s is a %s, not a condition", source, e.Type)
			}
			shown++
		}
	}
	if shown < 20 {
		t.Errorf("only %d expressions found", shown)
	}
}

// `in` is an operator in CEL; where it is called it asks for an audience.
func TestInIsAnAudienceWhereItIsCalled(t *testing.T) {
	for source, want := range map[string]string{
		`in("vip")`: "vip",
		`!in ("vip") && in
("loyal")`: "loyal vip",
		`p.age > 3 ? in("vip") : in("loyal")`:       "loyal vip",
		`[true] == null || in("vip")`:               "!",
		`p.country in ["in(\"vip\")", 'in("x")']`:   "",
		`p.country in(["vip"])`:                     "",
		`p.country in["vip"]`:                       "",
		`(p.age) in [1] && p["x"] in [1]`:           "!", // no such attribute
		`true // in("vip")`:                         "",
		"p.country == \"\"\"in(\"\"\" || in('vip')": "vip",
		`p.country == r"\" || in("vip")`:            "vip",
		`p.country == "\"" || in("vip")`:            "vip",
		`p.country == '"' || in("vip")`:             "vip",
		`inn("vip")`:                                "!",
		`p.in == 1`:                                 "!",
		`in("vip") in [true]`:                       "vip",
		`in(p.country)`:                             "!",
		`in("vip", "loyal")`:                        "!",
		`in()`:                                      "!",
		`in`:                                        "!",
	} {
		e, err := Compile(source, shop())
		switch got := ""; {
		case err != nil && want != "!":
			t.Errorf("%s: %v", source, err)
		case err == nil:
			if got = strings.Join(e.Audiences, " "); got != want {
				t.Errorf("%s asks for %q, want %q", source, got, want)
			}
		}
	}
}
