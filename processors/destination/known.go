package destination

import (
	"cmp"
	"slices"

	"kairos/schemas"
)

// known is what the line at work knows of the person.
func (s *settlement) known() schemas.Known {
	k := s.row.Profile
	if s.scored {
		k = s.row.Scored
	}
	if k == nil {
		return schemas.Known{}
	}
	return *k
}

func (s *settlement) setKnown(k schemas.Known) {
	kept := &k
	if empty(kept) {
		kept = nil
	}
	if s.scored {
		s.row.Scored = kept
	} else {
		s.row.Profile = kept
	}
	s.different = true
}

func empty(k *schemas.Known) bool {
	return k == nil || len(k.Identifiers) == 0 && len(k.Attributes) == 0
}

// learn stores what destinations ask for and reports whether any is new.
func (s *settlement) learn(c *schemas.Change) bool {
	asked, known, different := s.rules.line(s.scored), s.known(), false
	if len(c.Identifiers) > 0 {
		if told := asked.visible(c.Identifiers); !slices.Equal(told, known.Identifiers) {
			known.Identifiers, different = told, true
		}
	}
	for _, p := range c.Attributes {
		if asked.attributes[p.Name] {
			var news bool
			known.Attributes, news = known.Attributes.Learn(p)
			different = different || news
		}
	}
	if different {
		s.setKnown(known)
	}
	return different
}

func (l *line) visible(identifiers []schemas.Identifier) []schemas.Identifier {
	var visible []schemas.Identifier
	for _, id := range identifiers {
		if l.identifiers[id.Namespace] {
			visible = append(visible, id)
		}
	}
	return visible
}

// enrol takes over the memberships that m tells of.
func (s *settlement) enrol(m *schemas.Membership) {
	for _, t := range m.Members {
		if s.wants(t.Audience) {
			s.remember(t)
		}
	}
	for _, t := range m.Transitions {
		if s.wants(t.Audience) {
			s.turned = append(s.turned, t)
			s.remember(t)
		}
	}
	slices.SortFunc(s.turned, byAudience)
}

func (s *settlement) wants(name string) bool {
	a := s.rules.wanted[name]
	return a != nil && a.scored == s.scored
}

// remember keeps the memberships that are, not those that were.
func (s *settlement) remember(t schemas.Transition) {
	i, found := findTransition(s.row.Memberships, t.Audience)
	switch {
	case t.Entered && found:
		if s.row.Memberships[i] == t {
			return
		}
		s.row.Memberships[i] = t
	case t.Entered:
		s.row.Memberships = slices.Insert(s.row.Memberships, i, t)
	case found:
		s.row.Memberships = slices.Delete(s.row.Memberships, i, i+1)
	default:
		return
	}
	s.different = true
}

// forget drops what the line knows of a person who is gone.
func (s *settlement) forget() {
	if k := s.known(); !empty(&k) {
		s.setKnown(schemas.Known{})
	}
}

// prune forgets what no definition asks for any more.
func (s *settlement) prune() {
	memberships := slices.DeleteFunc(s.row.Memberships, func(t schemas.Transition) bool { return s.rules.wanted[t.Audience] == nil })
	s.different = s.different || len(memberships) != len(s.row.Memberships)
	s.row.Memberships = memberships
	for _, s.scored = range []bool{false, true} {
		asked, known := s.rules.line(s.scored), s.known()
		identifiers := asked.visible(known.Identifiers)
		attributes := schemas.Properties(slices.DeleteFunc(slices.Clone(known.Attributes), func(p schemas.Property) bool { return !asked.attributes[p.Name] }))
		if len(identifiers) != len(known.Identifiers) || len(attributes) != len(known.Attributes) {
			s.setKnown(schemas.Known{Identifiers: identifiers, Attributes: attributes})
		}
	}
}

func (s *settlement) membership(name string) *schemas.Transition {
	return pick(s.row.Memberships, name)
}

// turn is the transition of an audience in the message at work, or nil.
func (s *settlement) turn(name string) *schemas.Transition { return pick(s.turned, name) }

func pick(transitions []schemas.Transition, name string) *schemas.Transition {
	if i, found := findTransition(transitions, name); found {
		return &transitions[i]
	}
	return nil
}

func byAudience(a, b schemas.Transition) int { return cmp.Compare(a.Audience, b.Audience) }

func findTransition(transitions []schemas.Transition, name string) (int, bool) {
	return slices.BinarySearchFunc(transitions, name, func(t schemas.Transition, n string) int { return cmp.Compare(t.Audience, n) })
}

func findSaid(said []schemas.Said, destination, audience string) (int, bool) {
	return slices.BinarySearchFunc(said, destination, func(s schemas.Said, d string) int {
		return cmp.Or(cmp.Compare(s.Destination, d), cmp.Compare(s.Audience, audience))
	})
}

func (r *rules) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.destinations, name, func(d destination, n string) int { return cmp.Compare(d.name, n) })
}
