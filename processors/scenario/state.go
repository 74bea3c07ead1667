package scenario

import (
	"fmt"
	"slices"
	"strings"

	"kairos/processors/definition"
	"kairos/processors/profile"
	"kairos/schemas"
	"kairos/topologies"
)

// StateOf says in sorted lines all that a world knows of people at t: who they
// are, attributes, the terms that audiences ask for, audiences, scores, and
// what stands in the destinations' lists. Two worlds that say the same are in
// the same state.
func StateOf(w World, plan *definition.Plan, t schemas.Instant) ([]string, error) {
	s := &stateLines{plan: plan, at: t}
	err := s.identities(w)
	if err == nil {
		err = s.profiles(w)
	}
	if err == nil {
		err = s.segments(w)
	}
	if err == nil {
		err = s.scores(w)
	}
	for i := range plan.Destinations {
		if err == nil {
			err = s.list(w, plan.Destinations[i].Name)
		}
	}
	slices.Sort(s.lines)
	return s.lines, err
}

// AsksFor says whether an audience that looks at no score asks for a term.
func AsksFor(plan *definition.Plan, term int64) bool {
	for i := range plan.Audiences {
		for _, t := range plan.Audiences[i].Expression.Terms {
			if t.ID == term && !plan.Audiences[i].UsesScores {
				return true
			}
		}
	}
	return false
}

type stateLines struct {
	plan  *definition.Plan
	at    schemas.Instant
	lines []string
}

func (s *stateLines) add(person, format string, args ...string) {
	filled := make([]any, len(args))
	for i, a := range args {
		filled[i] = a
	}
	s.lines = append(s.lines, person+" "+fmt.Sprintf(format, filled...))
}

func (s *stateLines) identities(w World) error {
	rows, err := rowsOf(w, topologies.IdentityTable)
	if err != nil {
		return err
	}
	known := map[string][]string{}
	for key, row := range rows {
		if row.Arrived {
			known[row.Person] = append(known[row.Person], key)
		}
	}
	for person, ids := range known {
		slices.Sort(ids)
		s.add(person, "is %s", strings.Join(ids, " "))
	}
	return nil
}

func (s *stateLines) profiles(w World) error {
	rows, err := rowsOf(w, topologies.ProfileTable)
	if err != nil {
		return err
	}
	for person, row := range rows {
		for _, a := range profile.View(person, row, s.plan, s.at).Attributes {
			s.add(person, "p.%s = %s", a.Name, a.Value.String())
		}
	}
	return nil
}

func (s *stateLines) segments(w World) error {
	rows, err := rowsOf(w, topologies.SegmentTable)
	if err != nil {
		return err
	}
	for person, row := range rows {
		for _, f := range row.Features {
			for _, term := range s.plan.Terms {
				if term.ID == f.ID && f.Value != term.Empty() {
					s.add(person, "%s = %s", term.Canonical, f.Value.String())
				}
			}
		}
		for _, standing := range row.Standings {
			if standing.Member {
				s.add(person, "in %s", standing.Audience)
			}
		}
	}
	return nil
}

func (s *stateLines) scores(w World) error {
	rows, err := rowsOf(w, topologies.PropensityTable)
	if err != nil {
		return err
	}
	for person, row := range rows {
		for _, score := range row.Scores {
			s.add(person, "score %s = %s", score.Model, fmt.Sprintf("%.9f", score.Value))
		}
	}
	return nil
}

// list reads a destination's compacted topic from the start, as it would.
func (s *stateLines) list(w World, destination string) error {
	messages, err := w.Read(topologies.Activations(destination).Name)
	if err != nil {
		return err
	}
	last := map[string]*schemas.Activation{}
	for _, m := range messages {
		delete(last, m.Key)
		if len(m.Value) > 0 {
			if last[m.Key], err = schemas.ActivationCodec.Decode(m.Value); err != nil {
				return err
			}
		}
	}
	for _, a := range last {
		if !a.Entered {
			continue
		}
		var sees []string
		for _, id := range a.Identifiers {
			sees = append(sees, id.String())
		}
		for _, p := range a.Attributes {
			sees = append(sees, p.Name+"="+p.Value.String())
		}
		s.add(a.Person, "listed at %s in %s as %s", destination, a.Audience, strings.Join(sees, " "))
	}
	return nil
}
