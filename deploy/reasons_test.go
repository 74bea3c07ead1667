package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reasonsIn says how reasons are written where they are given: the first group
// of found, behind prefix.
var reasonsIn = []struct{ files, found, prefix string }{
	{"../processors/*/*.go", `"(kairos-(?:identity|profile|segment|propensity|destination|delivery)-[a-z-]+)"`, ""},
	{"../cmd/internal/*/*.go", `"(kairos-ingest-[a-z-]+)"`, ""},
	{"../processors/stage/runner.go", `Reason\w+\s*= "([a-z-]+)"`, "kairos-STAGE-"},
	{"../processors/host/limits.go", `max\w+\s*= "([a-z-]+-too-large)"`, "kairos-STAGE-"},
	{"../processors/identity/*.go", `faultf\("([a-z-]+)"`, "kairos-identity-"},
}

func TestEachReasonIsExplainedAndEachExplanationHasAReason(t *testing.T) {
	given := map[string]bool{}
	for _, in := range reasonsIn {
		files, err := filepath.Glob(in.files)
		if err != nil {
			t.Fatal(err)
		}
		before := len(given)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(in.found).FindAllStringSubmatch(string(text), -1) {
				given[in.prefix+m[1]] = true
			}
		}
		if len(given) == before {
			t.Errorf("no reason is written as %s in %s any more: teach this test how", in.found, in.files)
		}
	}
	delete(given, "kairos-identity-too-large") // as kairos-STAGE-too-large
	text, err := os.ReadFile("REASONS.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .+ \\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		explained = append(explained, m[1])
		if !given[m[1]] {
			t.Errorf("REASONS.md explains %s, which nothing gives", m[1])
		}
	}
	for reason := range given {
		if !slices.Contains(explained, reason) {
			t.Errorf("%s is not explained in REASONS.md", reason)
		}
	}
}
