package precision

import (
	"fmt"
	"slices"
	"time"

	"kairos/processors/definition"
)

// Trial is a set of rules that is tried on a population.
type Trial struct {
	Name  string
	Rules definition.IdentityRules
	lets  string // the evidence that the rules let in
}

// protection is one kind of rule that keeps people apart.
type protection struct {
	name    string
	without func(*definition.IdentityRules)
	admits  bool // it decides which evidence is let in
}

const week = 7 * 24 * time.Hour

// plenty is a limit that nothing reaches.
const plenty = 1 << 30

func each(rules *definition.IdentityRules, change func(*definition.Namespace)) {
	rules.Namespaces = slices.Clone(rules.Namespaces)
	for i := range rules.Namespaces {
		change(&rules.Namespaces[i])
	}
}

var protections = []protection{
	{"blocked values", func(r *definition.IdentityRules) {
		each(r, func(n *definition.Namespace) { n.Blocked = nil })
	}, true},
	{"limits per person", func(r *definition.IdentityRules) {
		each(r, func(n *definition.Namespace) {
			if n.Window == 0 {
				n.PerPerson = 0
			}
		})
	}, false},
	{"limits within a window", func(r *definition.IdentityRules) {
		each(r, func(n *definition.Namespace) {
			if n.Window != 0 {
				n.PerPerson, n.Window = 0, 0
			}
		})
	}, false},
	{"strict namespaces", func(r *definition.IdentityRules) {
		each(r, func(n *definition.Namespace) { n.Strict = false })
	}, false},
	{"max_links", func(r *definition.IdentityRules) { r.MaxLinks = plenty }, false},
	{"max_identifiers", func(r *definition.IdentityRules) { r.MaxIdentifiers = plenty }, false},
}

// Trials tell what rules are worth: no protection; each of them alone; all; all
// but each.
func Trials(all definition.IdentityRules) TrialList {
	trial := func(name string, kept func(name string) bool) Trial {
		t := Trial{Name: name, Rules: all}
		for _, p := range protections {
			switch {
			case !kept(p.name):
				p.without(&t.Rules)
			case p.admits:
				t.lets += p.name
			}
		}
		return t
	}
	trials := []Trial{trial(None, func(string) bool { return false })}
	for _, p := range protections {
		trials = append(trials, trial(Only+p.name, func(name string) bool { return name == p.name }))
	}
	trials = append(trials, trial(All, func(string) bool { return true }))
	for _, p := range protections {
		trials = append(trials, trial(AllBut+p.name, func(name string) bool { return name != p.name }))
	}
	return trials
}

// TrialList is trials in the order in which they are shown.
type TrialList []Trial

// Named leaves the trials of these names, all if there is none.
func (l TrialList) Named(names []string) (TrialList, error) {
	if len(names) == 0 {
		return l, nil
	}
	known := []string{}
	for _, t := range l {
		known = append(known, t.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there are no rules %q: choose some of %q", name, known)
		}
	}
	return slices.DeleteFunc(l, func(t Trial) bool { return !slices.Contains(names, t.Name) }), nil
}

// The names of trials.
const (
	None   = "no protection"
	Only   = "only "
	All    = "all protections"
	AllBut = "all but "
)

// Protected are the default rules with every kind of protection in use: what
// they say of limits and values, strict devices, browsers and phones, and at
// most five browsers a week.
func Protected() definition.IdentityRules {
	rules := definition.DefaultIdentity()
	each(&rules, func(n *definition.Namespace) {
		switch n.Name {
		case "device_id", "phone": // families share both
			n.Strict = true
		case "anonymous_id": // the browser of such a device: as strong, or the device would count as another user
			n.Strict, n.Priority, n.PerPerson, n.Window = true, 40, 5, week
		}
	})
	return rules
}
