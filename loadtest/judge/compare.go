package judge

import (
	"fmt"
	"slices"
	"strings"

	"kairos/schemas"
)

// Observed makes an outcome from the records of the transitions topic, in any
// order across people. Whatever no reader could live with is an error: a
// revision that is missing or comes twice, an entry after an entry.
//
// Kairos takes events one by one; the judge takes all events of an instant
// together. Where a person enters and exits an audience, or exits and enters
// it, at one and the same instant, nothing has happened by the judge's lights:
// such pairs are taken out.
func Observed(records []*schemas.Transition) (Outcome, error) {
	type standing struct{ person, audience string }
	stories := map[standing][]*schemas.Transition{}
	for _, r := range records {
		s := standing{r.Person, r.Audience}
		stories[s] = append(stories[s], r)
	}
	var all []Transition
	for s, story := range stories {
		slices.SortStableFunc(story, func(a, b *schemas.Transition) int { return int(a.Revision - b.Revision) })
		for i, r := range story {
			if r.Revision != int64(i+1) || r.Entered != (i%2 == 0) {
				return Outcome{}, fmt.Errorf("%s in %s: transition %d of %d is %q with revision %d at %v: one was lost or doubled",
					s.person, s.audience, i+1, len(story), r.Word(), r.Revision, r.Cause)
			}
			if i > 0 && r.Cause < story[i-1].Cause {
				return Outcome{}, fmt.Errorf("%s in %s: revision %d is of %v, earlier than the one before, %v",
					s.person, s.audience, r.Revision, r.Cause, story[i-1].Cause)
			}
		}
		all = append(all, settled(story)...)
	}
	return outcomeOf(all), nil
}

// settled leaves out what was undone at its own instant.
func settled(story []*schemas.Transition) []Transition {
	var kept []Transition
	for _, r := range story {
		if n := len(kept); n > 0 && kept[n-1].At == r.Cause {
			kept = kept[:n-1]
			continue
		}
		kept = append(kept, Transition{r.Person, r.Audience, r.Cause, r.Entered})
	}
	return kept
}

// Compare returns nil if got is what was expected, or an error that shows
// where not: the sizes first, then the first transitions.
func Compare(expected, got Outcome) error {
	var lines []string
	want := map[string]Size{}
	for _, s := range expected.Audiences {
		want[s.Name] = s
	}
	for _, s := range got.Audiences {
		if w := want[s.Name]; w != s {
			lines = append(lines, fmt.Sprintf("%-24s size %d, want %d; entered %d, want %d; exited %d, want %d",
				s.Name, s.Size, w.Size, s.Entered, w.Entered, s.Exited, w.Exited))
		}
	}
	missing, extra := without(expected.Transitions, got.Transitions), without(got.Transitions, expected.Transitions)
	lines = append(lines, excerpt("missing", missing)...)
	lines = append(lines, excerpt("not expected", extra)...)
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("the outcome is not the judge's:\n  %s", strings.Join(lines, "\n  "))
}

// without is what of a is not in b.
func without(a, b []Transition) []Transition {
	count := map[Transition]int{}
	for _, t := range b {
		count[t]++
	}
	var rest []Transition
	for _, t := range a {
		if count[t]--; count[t] < 0 {
			rest = append(rest, t)
		}
	}
	return rest
}

// excerpt shows enough to see what kind of difference it is.
func excerpt(word string, all []Transition) []string {
	const enough = 10
	var lines []string
	for i, t := range all {
		if i == enough {
			return append(lines, fmt.Sprintf("%s: %d more", word, len(all)-enough))
		}
		lines = append(lines, fmt.Sprintf("%s: %v", word, t))
	}
	return lines
}
