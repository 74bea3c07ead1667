package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kairos/schemas"
)

func TestAStoryIsBlocksOfCommandsAndLines(t *testing.T) {
	const text = `# A comment.
define audience x = true
define destination app
  audiences: [x]
at 2026-03-01T09:00Z email=a b
----
one
advance 30d
----

# Nothing happens.
advance 1d
----
`
	s, err := ParseStory("x.txt", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Blocks) != 3 || len(s.Blocks[0].Commands) != 3 || len(s.Blocks[0].Commands[1].Body) != 1 || s.Blocks[1].Commands[0].Line != 8 {
		t.Fatalf("blocks %+v", s.Blocks)
	}
	var said [][]string
	for _, block := range s.Blocks {
		said = append(said, block.Expected)
	}
	if got := s.Format(said); got != strings.Replace(text, "one\n", "one\n\n", 1) {
		t.Errorf("formatted:\n%s", got)
	}
}

func TestALineThatIsNoCommandIsRefusedWithItsPlace(t *testing.T) {
	_, err := ParseStory("x.txt", "\nbuy 5\n----\n")
	if err == nil || !strings.HasPrefix(err.Error(), "x.txt:2: ") {
		t.Errorf("error %v", err)
	}
}

func TestEveryStoryIsFormattedAsRewritingWould(t *testing.T) {
	files, err := filepath.Glob("stories/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseStory(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		var said [][]string
		for _, block := range s.Blocks {
			said = append(said, block.Expected)
		}
		if s.Format(said) != string(text) {
			t.Errorf("%s would be written differently: run with -rewrite", file)
		}
	}
}

func TestAnEventIsSaidInOneLine(t *testing.T) {
	e, err := parseEvent(`email=s@x device_id=1 purchase amount=5 note="two words" n=NaN set a=true unset b happened 2026-03-01 from crm as o-1`, 1<<41)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Identifiers) != 2 || e.Identifiers[1].Value != "1" || e.Name != "purchase" || e.ID != "o-1" || e.Source != "crm" {
		t.Errorf("%+v", e)
	}
	if e.Time.String() != "2026-03-01T00:00:00Z" || e.Received != 1<<41 {
		t.Errorf("times %v, %v", e.Time, e.Received)
	}
	if e.Properties.Get("amount") != schemas.NumberOf(5) || e.Properties.Get("note") != schemas.TextOf("two words") || e.Properties.Get("n").Kind != schemas.Number {
		t.Errorf("properties %v", e.Properties)
	}
	if !e.Attributes.Get("a").True() || len(e.Attributes) != 2 || e.Attributes.Get("b").Kind != schemas.Null {
		t.Errorf("attributes %v", e.Attributes)
	}
	for _, bad := range []string{"", "purchase", "email=x", "email=x purchase amount", "email=x purchase happened yesterday"} {
		if _, err := parseEvent(bad, 0); err == nil {
			t.Errorf("%q was taken for an event", bad)
		}
	}
}

func TestAMomentIsShownAsShortAsItIsClear(t *testing.T) {
	at := func(text string) schemas.Instant {
		i, err := parseMoment(text)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	today := at("2026-03-01T09:00Z")
	for moment, want := range map[string]string{
		"2026-03-01T09:00Z":         "09:00:00",
		"2026-03-01T23:59:59.999Z":  "23:59:59.999",
		"2026-03-31T09:00Z":         "2026-03-31T09:00Z",
		"2026-03-31T09:00:01Z":      "2026-03-31T09:00:01Z",
		"2026-03-31T00:00:00.001Z":  "2026-03-31T00:00:00.001Z",
		"2026-02-28T23:00:00+01:00": "2026-02-28T22:00Z",
	} {
		if got := showMoment(at(moment), today); got != want {
			t.Errorf("%s is shown as %s, want %s", moment, got, want)
		}
	}
}

func TestASpanOfTimeIsANumberAndAUnit(t *testing.T) {
	for text, want := range map[string]string{"30d": "720h0m0s", "2w": "336h0m0s", "5m": "5m0s", "1ms": "1ms", "1s": "1s"} {
		if d, err := parseSpan(text); err != nil || d.String() != want {
			t.Errorf("%s is %v, %v", text, d, err)
		}
	}
	for _, bad := range []string{"", "d", "5", "-1d", "1 d", "1y", "1.5h"} {
		if d, err := parseSpan(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, d)
		}
	}
}
