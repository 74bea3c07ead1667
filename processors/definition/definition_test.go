package definition

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"kairos/schemas"
)

var rewrite = flag.Bool("rewrite", false, "write the expected part of testdata anew; review the difference")

func parsed(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

func plan(t testing.TB, text string) *Plan {
	t.Helper()
	p, err := parsed(t, text).Compile()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// refusal is what is said about a text, whether by reading or by compiling it.
func refusal(text string) string {
	s, err := Parse("shop.yaml", []byte(text))
	if err == nil {
		_, err = s.Compile()
	}
	if err == nil {
		return "nothing is wrong"
	}
	return err.Error()
}

// Each block of the file is a definition file, a line of dashes, and why it is
// refused; ==== parts the blocks.
func TestWhatIsRefusedAndWhere(t *testing.T) {
	const file, between = "testdata/refused.txt", "\n====\n"
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range strings.Split(strings.TrimSuffix(string(content), "\n"), between) {
		text, _, _ := strings.Cut(block, "\n----\n")
		said := refusal(text + "\n")
		if said == "nothing is wrong" {
			t.Errorf("passes:\n%s", text)
		}
		out = append(out, text+"\n----\n"+said)
	}
	got := strings.Join(out, between) + "\n"
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(content) {
		t.Errorf("%s differs; run go test -rewrite and review the difference\n%s", file, got)
	}
}

func TestTheDemosDefinitionsCompile(t *testing.T) {
	s, err := Load(os.DirFS("../../cmd/kairos/demo/definitions"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Audiences) < 8 || len(p.Models) != 1 || len(p.Destinations) < 3 {
		t.Errorf("%d audiences, %d models, %d destinations", len(p.Audiences), len(p.Models), len(p.Destinations))
	}
	for _, a := range p.Audiences {
		if want := a.Name == "high_propensity" || a.Name == "worth_waking"; a.UsesScores != want {
			t.Errorf("audience %s uses scores: %v", a.Name, a.UsesScores)
		}
	}
}

func TestWhatTheGuideShowsCompiles(t *testing.T) {
	guide, err := os.ReadFile("DEFINITIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, part := range strings.Split(string(guide), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		shown = append(shown, block)
	}
	p := plan(t, strings.Join(shown, "---\n"))
	if len(shown) < 8 || len(p.Audiences) != 3 || len(p.Models) != 2 || len(p.Destinations) != 3 || len(p.Features) != 1 || len(p.Models[0].Trees) != 1 || len(p.Mappings) != 2 || len(p.Sources) != 2 {
		t.Errorf("%d blocks, %+v", len(shown), p)
	}
}

func TestAnAudienceAloneIsAPlan(t *testing.T) {
	p := plan(t, "kind: audience\nname: buyers\nowner: crm\ndescription: All of them\nwhen: events(\"purchase\").any() && p.anything == 1\n")
	a := p.Audiences[0]
	if a.Name != "buyers" || a.Owner != "crm" || a.Description != "All of them" || a.Version != 1 || a.UsesScores {
		t.Errorf("%+v", a)
	}
	if len(p.Terms) != 1 || len(p.Series) != 1 || p.Terms[0].Series != p.Series[0] || a.Expression.Terms[0] != p.Terms[0] {
		t.Errorf("terms %v, series %v", p.Terms, p.Series)
	}
	if p.Identity.MaxIdentifiers != 100 || p.Profile.TimelineEvents != 100 || p.Profile.DuplicateWindow != 7*24*time.Hour || p.Profile.ExactPoints != 256 {
		t.Errorf("defaults: %+v %+v", p.Identity, p.Profile)
	}
}

func TestAudiencesComeAfterThoseTheyReferTo(t *testing.T) {
	p := plan(t, audience("a", `in("z") && in("m")`)+audience("m", `in("z")`)+audience("z", `scores.churn > 0.5`)+audience("b", `p.x == 1`)+
		"---\nkind: model\nname: churn\ninputs: [{name: x, value: p.x, weight: 1}]\n")
	var order []string
	scores := map[string]bool{}
	for _, a := range p.Audiences {
		order = append(order, a.Name)
		scores[a.Name] = a.UsesScores
	}
	if !slices.Equal(order, []string{"z", "m", "a", "b"}) {
		t.Errorf("order %v", order)
	}
	if !scores["z"] || !scores["m"] || !scores["a"] || scores["b"] {
		t.Errorf("uses scores: %v", scores)
	}
}

func audience(name, when string) string {
	return "---\nkind: audience\nname: " + name + "\nwhen: '" + strings.ReplaceAll(when, "'", "''") + "'\n"
}

func TestFeaturesAndModelsShareTheTermsOfAudiences(t *testing.T) {
	p := plan(t, `
kind: feature
name: basket
value: features.spent / features.orders
---
kind: feature
name: spent
value: events("purchase").sum("amount")
---
kind: feature
name: orders
value: events("purchase").count()
---
kind: model
name: again
intercept: -1
calibration: {a: 0.5, b: 0.25}
inputs:
  - {name: orders, value: features.orders, weight: 0.3, mean: 2, scale: 1.5}
  - {name: big, value: features.basket > 50, weight: 0.1}
---
kind: audience
name: big
when: features.basket > 50 && in("buyers")
---
kind: audience
name: buyers
when: events("purchase").count() > 0
`)
	var texts []string
	for _, term := range p.Terms {
		texts = append(texts, term.Canonical)
	}
	slices.Sort(texts)
	if want := []string{"purchase count", "purchase count > 0", "purchase take e.amount sum"}; !slices.Equal(texts, want) {
		t.Errorf("terms %q, want %q", texts, want)
	}
	if p.Features[0].Name != "basket" || len(p.Features[0].Expression.Terms) != 2 {
		t.Errorf("features %+v", p.Features)
	}
	m := p.Models[0]
	if m.Intercept != -1 || m.Calibration != (Calibration{0.5, 0.25}) || m.Inputs[0].Mean != 2 || m.Inputs[0].Scale != 1.5 || m.Inputs[1].Scale != 1 {
		t.Errorf("model %+v", m)
	}
}

func TestRulesAreReadAsTheyAreWritten(t *testing.T) {
	p := plan(t, `
kind: identity
max_identifiers: 20
max_links: 7
namespaces:
  - {name: cookie, priority: 1, links: false}
  - {name: email, priority: 9, per_person: 2, window: 7d, strict: true, blocked: ["*@shop.example", usual]}
  - {name: loyalty, priority: 9, session: 45m, blocked: []}
  - {name: tablet, priority: 0, session: true}
---
kind: profile
timeline: 5
duplicate_window: 1d
exact_points: 16
survivorship: {country: first, plan: priority, spent: largest, city: newest}
sources: {crm: 3, web: 1}
attributes: {country: text, consent.ads: boolean}
---
kind: destination
name: ads
audiences: [x]
identifiers: [email, cookie]
hash: [email]
attributes: [country]
consent: [ads]
---
kind: audience
name: x
tags: [a, b]
when: p.country == "FR"
`)
	i := p.Identity
	if i.MaxIdentifiers != 20 || i.MaxLinks != 7 || len(i.Namespaces) != 4 {
		t.Fatalf("%+v", i)
	}
	email, loyalty, cookie := i.Namespaces[0], i.Namespaces[1], i.Namespaces[2]
	if email.Name != "email" || loyalty.Name != "loyalty" || cookie.Name != "cookie" || email.PerPerson != 2 || cookie.Links || !email.Links {
		t.Errorf("%+v", i.Namespaces)
	}
	if email.Window != 7*24*time.Hour || !email.Strict || loyalty.Window != 0 || loyalty.Strict {
		t.Errorf("email %+v, loyalty %+v", email, loyalty)
	}
	if tablet := i.Namespaces[3]; tablet.Session != 30*time.Minute || loyalty.Session != 45*time.Minute || email.Session != 0 {
		t.Errorf("tablet %+v, loyalty %+v", tablet, loyalty)
	}
	for value, want := range map[string][3]bool{ // email, loyalty, cookie
		"":               {true, true, true},
		"null":           {true, false, true},
		"a@shop.example": {true, false, false},
		"ann@x.example":  {false, false, false},
	} {
		if got := [3]bool{email.Blocked(value), loyalty.Blocked(value), cookie.Blocked(value)}; got != want {
			t.Errorf("%q blocked: %v, want %v", value, got, want)
		}
	}
	r := p.Profile
	if r.TimelineEvents != 5 || r.DuplicateWindow != 24*time.Hour || r.ExactPoints != 16 || r.SourcePriority["crm"] != 3 ||
		r.Survivorship["country"] != First || r.Survivorship["plan"] != Priority || r.Survivorship["spent"] != Largest || r.Survivorship["city"] != Newest {
		t.Errorf("%+v", r)
	}
	d := p.Destinations[0]
	if fmt.Sprint(d.Audiences, d.Identifiers, d.Hash, d.Attributes, d.Consent) != "[x] [email cookie] [email] [country] [ads]" {
		t.Errorf("%+v", d)
	}
}

func TestValuesThatIdentifyNobodyAreBlocked(t *testing.T) {
	block := blocked([]string{usual, "+00*", "a*b*c"})
	for _, value := range []string{
		"", " ", "null", "NULL", "undefined", "0", "000000", "00000000-0000-0000-0000-000000000000", "----", "anonymous", "Guest",
		"unknown", "-1", "+000", "test@example.org", "[object Object]", "+0012345", "abc", "a-b-c", "axxbxxc",
	} {
		if !block(value) {
			t.Errorf("%q passes", value)
		}
	}
	for _, value := range []string{"ann@example.org", "1", "100", "contest@example.org", "nullable", "ab", "acb", "+33", "cab"} {
		if block(value) {
			t.Errorf("%q is blocked", value)
		}
	}
}

func TestTheSameTextInOtherFilesIsTheSamePlan(t *testing.T) {
	documents := []string{
		"kind: audience\nname: a\nwhen: in(\"b\") && events(\"x\").any()\n",
		"kind: audience\nname: b\nwhen: events(\"x\").within(\"3d\").count() > 2\n",
		"kind: feature\nname: f\nvalue: events(\"y\").sum(\"z\")\n",
		"kind: identity\nmax_links: 3\n",
		"kind: destination\nname: d\naudiences: [b, a]\n",
	}
	describe := func(p *Plan) (text string) {
		for _, x := range p.Terms {
			text += x.Canonical + "\n"
		}
		for _, x := range p.Audiences {
			text += fmt.Sprintln(x.Name, x.Version)
		}
		return text + fmt.Sprint(p.Destinations, p.Identity.MaxLinks, len(p.Series))
	}
	want := describe(plan(t, strings.Join(documents, "---\n")))
	rapid.Check(t, func(t *rapid.T) {
		files := fstest.MapFS{"notes.txt": {Data: []byte("kind: nonsense")}}
		for _, d := range rapid.Permutation(documents).Draw(t, "order") {
			name := rapid.SampledFrom([]string{"a.yaml", "z.yml", "deep/er/b.yaml"}).Draw(t, "file")
			if files[name] == nil {
				files[name] = &fstest.MapFile{Data: []byte("# only a comment\n")}
			}
			files[name].Data = append(append(files[name].Data, "--- # next\n"...), d...)
		}
		s, err := Load(files)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(p); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestASetMayBeCompiledTwice(t *testing.T) {
	s := parsed(t, audience("a", `in("nobody")`))
	_, first := s.Compile()
	_, second := s.Compile()
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("first %v\nthen %v", first, second)
	}
}

func TestARecordChangesItsVersionOnlyWithItsText(t *testing.T) {
	first := parsed(t, audience("a", "p.x == 1")+audience("b", "p.y == 1")).Records(nil)
	if len(first) != 2 || first[0].Version != 1 || first[0].Kind != "audience" || first[0].Name != "a" || !strings.HasPrefix(first[0].Text, "kind: audience\n") {
		t.Fatalf("%+v", first)
	}
	for i := range first {
		first[i].Cause = 100
	}
	second := parsed(t, audience("c", "p.z == 1")+audience("a", "p.x == 2")).Records(first)
	want := []schemas.Definition{
		{Kind: "audience", Name: "a", Version: 2, Text: strings.Replace(first[0].Text, "1", "2", 1)},
		{Kind: "audience", Name: "b", Version: 2}, // withdrawn
		{Kind: "audience", Name: "c", Version: 1, Text: "kind: audience\nname: c\nwhen: 'p.z == 1'\n"},
	}
	if !slices.Equal(second, want) {
		t.Fatalf("%+v", second)
	}
	third := parsed(t, audience("a", "p.x == 2")+audience("b", "p.y == 1")+audience("c", "p.z == 1")).Records(second)
	if third[0] != second[0] || third[1].Version != 3 || third[1].Text != first[1].Text || third[2] != second[2] {
		t.Fatalf("%+v", third)
	}
	if again := parsed(t, audience("c", "p.z == 1")+audience("a", "p.x == 2")).Records(second); !slices.Equal(again, second) {
		t.Fatalf("a second publication of the same differs: %+v", again)
	}
}

func TestPublishedRecordsGiveThePlanOfTheFiles(t *testing.T) {
	s, err := Load(os.DirFS("../../cmd/kairos/demo/definitions"))
	if err != nil {
		t.Fatal(err)
	}
	records := s.Records(nil)
	for i := range records {
		records[i].Version = int64(i + 2)
	}
	published, err := FromRecords(append(records, schemas.Definition{Kind: "audience", Name: "withdrawn", Version: 7}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Compile()
	if err != nil {
		t.Fatal(err)
	}
	b, err := published.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Terms) != len(b.Terms) || len(a.Audiences) != len(b.Audiences) {
		t.Fatalf("%d and %d terms, %d and %d audiences", len(a.Terms), len(b.Terms), len(a.Audiences), len(b.Audiences))
	}
	for i := range a.Terms {
		if a.Terms[i].ID != b.Terms[i].ID {
			t.Errorf("term %d differs", i)
		}
	}
	for _, x := range b.Audiences {
		i := slices.IndexFunc(records, func(r schemas.Definition) bool { return r.Kind == "audience" && r.Name == x.Name })
		if x.Version != records[i].Version {
			t.Errorf("audience %s has version %d, published was %d", x.Name, x.Version, records[i].Version)
		}
	}
}

func TestARecordUnderAForeignNameIsRefused(t *testing.T) {
	_, err := FromRecords([]schemas.Definition{{Kind: "audience", Name: "a", Version: 1, Text: "kind: audience\nname: b\nwhen: p.x == 1\n"}})
	if problems, ok := AsProblems(err); !ok || problems[0].File != "audience/a" {
		t.Errorf("%v", err)
	}
}

func TestALaterSetReplacesWhatItNames(t *testing.T) {
	base := parsed(t, audience("a", "p.x == 1")+audience("b", `in("a")`))
	p, err := base.With(parsed(t, audience("a", "p.x == 2")+audience("c", `in("b")`))).Compile()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range p.Audiences {
		got = append(got, a.Name+": "+a.Expression.Source)
	}
	if want := []string{"a: p.x == 2", `b: in("a")`, `c: in("b")`}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Whatever the style in which YAML holds an expression, a problem in it points
// to the very character in the file.
func TestAProblemPointsToItsCharacterInEveryStyle(t *testing.T) {
	styles := map[string]func(indent, text string) string{
		"plain": func(_, text string) string { return " " + strings.ReplaceAll(text, "\n", "\n    ") },
		"single": func(_, text string) string {
			return " '" + strings.ReplaceAll(strings.ReplaceAll(text, "'", "''"), "\n", "\n\n    ") + "'"
		},
		"double": func(_, text string) string {
			return ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", "\n\n    ").Replace(text) + `"`
		},
		"literal": func(indent, text string) string { return " |\n" + indent + strings.ReplaceAll(text, "\n", "\n"+indent) },
		"folded": func(indent, text string) string {
			return " >-\n" + indent + strings.ReplaceAll(text, "\n", "\n"+indent)
		},
	}
	parts := []string{`p.a == "x"`, `p.b > 1`, `has(p.c)`, `p.d == 'it'`, `p.é_ == 1`, `!p.e`}
	rapid.Check(t, func(t *rapid.T) {
		style := rapid.SampledFrom([]string{"plain", "single", "double", "literal", "folded"}).Draw(t, "style")
		n := rapid.IntRange(1, 5).Draw(t, "parts")
		wrong := rapid.IntRange(0, n-1).Draw(t, "wrong")
		var text strings.Builder
		for i := range n {
			if i > 0 {
				text.WriteString(rapid.SampledFrom([]string{" && ", " &&\n", "\n|| ", "  ||  "}).Draw(t, "joint"))
			}
			part := rapid.SampledFrom(parts[:4]).Draw(t, "part")
			if i == wrong {
				part = "scores.unknown > 1"
			}
			text.WriteString(part)
		}
		indent := rapid.SampledFrom([]string{"  ", "     "}).Draw(t, "indent")
		before := rapid.SampledFrom([]string{"", "# note\n", "kind: feature\nname: f\nvalue: p.a\n---\n", "\n\n---\n"}).Draw(t, "before")
		file := before + "kind: audience\nwhen:" + styles[style](indent, text.String()) + "\nname: x\n" +
			"---\nkind: model\nname: m\ninputs: [{name: i, value: p.a, weight: 1}]\n"
		s, err := Parse("f.yaml", []byte(file))
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		_, err = s.Compile()
		problems, ok := AsProblems(err)
		if !ok || len(problems) != 1 {
			t.Fatalf("%v\n%s", err, file)
		}
		wantLine, wantColumn := 1, 1
		for i, line := range strings.Split(file, "\n") {
			if before, _, found := strings.Cut(line, "unknown"); found {
				wantLine, wantColumn = i+1, len([]rune(before))+1
			}
		}
		if p := problems[0]; p.Line != wantLine || p.Column != wantColumn {
			t.Fatalf("%d:%d, want %d:%d: %s\n%s", p.Line, p.Column, wantLine, wantColumn, p.Message, file)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/refused.txt", "../../cmd/kairos/demo/definitions/audiences.yaml", "../../cmd/kairos/demo/definitions/repurchase.yaml", "../../cmd/kairos/demo/definitions/identity.yaml"} {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range strings.Split(string(content), "\n====\n") {
			f.Add(text)
		}
	}
	for _, text := range []string{
		"a: &a [*a]", "&a [*a, *a]", "? {a: b}\n: c", "kind: !!binary aGk=", "kind: audience\n...\nkind: audience", "%YAML 9.9\n---\na: b", "--- {kind: audience}",
		"kind: audience\n<<: {name: x}", strings.Repeat("[", 5000), strings.Repeat("- ", 5000), "\x00", "\ufeffkind: audience", "kind: audience\r\nname: a\r\nwhen: p.x\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("fuzz.yaml", []byte(text))
		if err == nil {
			_, err = s.Compile()
		}
		if err == nil {
			return
		}
		problems, ok := AsProblems(err)
		if !ok {
			t.Fatalf("refused without problems: %v", err)
		}
		lines := strings.Count(text, "\n") + 2
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Fatalf("a problem without a place or a message: %+v", p)
			}
		}
	})
}

// A ConfigMap's files are links into a folder beside them.
func TestWhatKubernetesKeepsBehindTheFilesOfAConfigMapIsNotReadTwice(t *testing.T) {
	folder := t.TempDir()
	for _, step := range []error{
		os.Mkdir(folder+"/..2026_11_27", 0o755),
		os.WriteFile(folder+"/..2026_11_27/a.yaml", []byte("kind: audience\nname: a\nwhen: events(\"x\").any()\n"), 0o600),
		os.Symlink("..2026_11_27", folder+"/..data"),
		os.Symlink("..data/a.yaml", folder+"/a.yaml"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	s, err := Load(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Records(nil)); n != 1 {
		t.Errorf("%d definitions are read", n)
	}
}
