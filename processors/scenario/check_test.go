package scenario_test

import (
	"os"
	"strings"
	"testing"

	"kairos/processors/definition"
	"kairos/processors/flow"
	"kairos/processors/scenario"
)

// problems plays all tests in a text.
func problems(t *testing.T, text string) (found []string, tests int) {
	t.Helper()
	set, err := definition.Parse("shop.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	tested, err := set.Tested()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range tested {
		for _, test := range a.Tests {
			tests++
			failed, err := scenario.Check(a.Plan, a.Audience, test, flow.Runner)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range failed {
				found = append(found, p.String())
			}
		}
	}
	return found, tests
}

func TestTheTestsInTheGuidePass(t *testing.T) {
	guide, err := os.ReadFile("../definition/DEFINITIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, part := range strings.Split(string(guide), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		shown = append(shown, block)
	}
	if found, tests := problems(t, strings.Join(shown, "---\n")); tests != 2 || len(found) != 0 {
		t.Errorf("%d tests, of which fail %q", tests, found)
	}
}

func TestAFailingTestSaysWhereAndWhyAndWhatHoldsInstead(t *testing.T) {
	const text = `kind: event
name: purchase
---
kind: audience
name: vip
when: events("purchase").count() >= 2
---
kind: model
name: loyal
inputs: [{name: n, value: 'events("purchase").count()', weight: 1}]
---
kind: audience
name: gift
state: draft
schedule: {from: 2026-03-02}
when: in("vip") || scores.loyal > 0.99
tests:
  - steps:
      - 2026-03-01T09:00Z purchase
      - +1h purchase
      - +0s out
      - 2026-03-02 out
      - +1d purchas
  - name: nobody
    steps: [2026-03-01 in, 2026-03-02 email=a@example.org out]
`
	want := []string{
		"shop.yaml:22:9: at 2026-03-02T00:00:00Z somebody@example.org is in gift, but must be out: entered at 2026-03-02T00:00:00Z because schedule",
		"shop.yaml:23:9: unknown event \"purchas\"; did you mean `purchase`?",
		"shop.yaml:25:13: at 2026-03-01T00:00:00Z somebody@example.org is out of gift, but must be in: never entered",
	}
	if found, _ := problems(t, text); strings.Join(found, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}
