package identity

import (
	"cmp"
	"fmt"
	"slices"

	"kairos/schemas"
)

// toRoot lets the component know something: here, if it rests in this row.
func (t *turn) toRoot(m *schemas.IdentityMessage) {
	if t.row.Root != "" {
		forward := *m
		forward.To = t.row.Root
		t.send(&forward)
		return
	}
	switch {
	case m.Link != nil:
		t.addLink(m.Link)
	case m.Parting != nil:
		t.addParting(m.Parting)
	case m.Seen != nil:
		t.addSeen(m.Seen)
	case m.Join != "":
		t.join(m)
	case m.Absorb != nil:
		t.absorb(m.Absorb)
	case m.Erase != "":
		t.erase(m.Erase)
	default:
		panic(fmt.Sprintf("message to %q says nothing", t.key))
	}
}

// open opens the row's component. A row without one is a component of its own.
func (t *turn) open() *schemas.Component {
	if t.component == nil {
		c, err := ComponentOf(t.key, t.row)
		if err != nil {
			panic(err)
		}
		t.component = c
	}
	return t.component
}

// ComponentOf gives the evidence that rests in the row of an identifier: of
// its component if it is the root, of itself alone if it knows no other one.
// A row that names another root holds no evidence: ask there.
func ComponentOf(key string, r *schemas.IdentityRow) (*schemas.Component, error) {
	if r.Root != "" {
		return nil, fmt.Errorf("the row of %q holds no evidence: it lies with %q", key, r.Root)
	}
	if len(r.Component) == 0 {
		return &schemas.Component{
			Version: r.Version,
			Members: []schemas.Member{{Identifier: key, FirstSeen: r.FirstSeen, Hot: r.Hot, Person: r.Person, LastSeen: r.LastSeen}},
		}, nil
	}
	c, err := schemas.ComponentCodec.Decode(r.Component)
	if err != nil {
		return nil, fmt.Errorf("component in the row of %q: %w", key, err)
	}
	return c, nil
}

func (t *turn) addLink(e *schemas.Evidence) {
	c := t.open()
	links, added, changed := upsert(c.Links, *e, compareLinks, joinLink)
	if added && weigh(c)+int64(weighLink(e)) > t.rules.maxWeight {
		t.full(e)
		return
	}
	c.Links = links
	if !changed {
		return
	}
	t.evidence = true
	if added && !t.asleep() {
		t.seek(e.A)
		t.seek(e.B)
	}
	t.settle(linking(e), func(l *schemas.Evidence) bool { return added && l.A == e.A && l.B == e.B })
}

// full refuses a link, and tells those of its ends that are members to report
// no new ones.
func (t *turn) full(e *schemas.Evidence) {
	t.out.Drop(DropFull)
	t.close(e.A)
	t.close(e.B)
}

// close tells a member that there is no room for new links.
func (t *turn) close(key string) {
	switch {
	case key == t.key:
		t.row.Full, t.changed = true, true
	case has(t.component, key):
		t.send(&schemas.IdentityMessage{To: key, Assign: &schemas.Assign{Full: true}})
	}
}

func (t *turn) addParting(p *schemas.Parting) {
	c := t.open()
	partings, added, changed := upsert(c.Partings, *p, comparePartings, joinParting)
	if added && weigh(c) > 2*t.rules.maxWeight {
		t.out.Drop(DropFull)
		return
	}
	c.Partings = partings
	if !changed {
		return
	}
	t.evidence = true
	word := "unlinked "
	if p.Undone {
		word = "relinked "
	}
	t.settle(word+p.A+" and "+p.B+": "+p.Why, nothing)
}

func (t *turn) addSeen(m *schemas.Member) {
	if t.fresh && m.Identifier != t.key { // this root has been forgotten
		t.out.Drop(DropStale)
		return
	}
	c := t.open()
	said := schemas.Member{Identifier: m.Identifier, FirstSeen: m.FirstSeen, Hot: m.Hot, LastSeen: m.LastSeen}
	if !has(c, m.Identifier) {
		c.Heard, _, _ = upsert(c.Heard, said, compareMembers, joinMember)
		t.evidence = true
		return
	}
	known := c.Members[indexOf(c.Members, m.Identifier)].FirstSeen
	members, _, changed := upsert(c.Members, said, compareMembers, joinMember)
	c.Members = members
	if !changed {
		return
	}
	t.evidence = true
	reason := m.Identifier + " was heard of"
	switch {
	case m.Hot:
		reason = m.Identifier + " has too many links"
	case earlier(known, m.FirstSeen) != known:
		reason = m.Identifier + " was seen earlier"
	}
	t.settle(reason, nothing)
}

// seek asks for the component of an identifier that evidence names, unless it
// is here.
func (t *turn) seek(key string) {
	if !has(t.component, key) {
		t.send(&schemas.IdentityMessage{To: key, Sought: key, Join: t.key, Weight: weigh(t.component)})
	}
}

// join makes one component of this one and the one of another root. The
// greater root gives itself up to the smaller one, so roots only ever point to
// smaller ones, and every chain of them ends.
func (t *turn) join(m *schemas.IdentityMessage) {
	root := m.Join
	switch {
	case root == t.key:
		return
	case t.fresh: // it has been forgotten: evidence passes both ends, so what is sought has a row
		t.out.Drop(DropStale)
		return
	}
	c := t.open()
	ours := weigh(c)
	if ours+m.Weight > t.rules.maxWeight {
		t.out.Drop(DropFull)
		if ours > t.rules.maxWeight/8*7 { // it is this one that has no room
			t.close(m.Sought)
		}
		return
	}
	if t.key < root {
		t.send(&schemas.IdentityMessage{To: root, Join: t.key, Weight: ours})
		return
	}
	t.noteLastSeen(c)
	t.send(&schemas.IdentityMessage{To: root, Absorb: c})
	t.row.Root, t.row.Component = root, nil
	t.component, t.evidence, t.changed = nil, false, true
}

// absorb takes a component in. One that does not fit goes back: its weight was
// weighed before it came, but others may have come in between.
func (t *turn) absorb(d *schemas.Component) {
	c := t.open()
	if weigh(c)+weigh(d) > t.rules.maxWeight {
		t.out.Drop(DropFull)
		t.send(&schemas.IdentityMessage{To: d.Members[0].Identifier, Return: d})
		return
	}
	ours := slices.Clone(c.Members)
	joins := func(l *schemas.Evidence) bool { return hasMember(ours, l.A) != hasMember(ours, l.B) }
	absorb(c, d)
	t.evidence = true
	t.settle("evidence met", joins)
}

// returned makes the row a root again. A root is the smallest of its members.
func (t *turn) returned(d *schemas.Component) {
	t.row.Root, t.component = "", d
	t.evidence = true
	t.settle("evidence came back", nothing)
}

// nothing is the new link of what brought none.
func nothing(*schemas.Evidence) bool { return false }

// countParted counts those of the links that the cap refuses that it did not
// refuse before: their ends were one person's.
func (t *turn) countParted(capped []*schemas.Evidence, people []string) {
	for _, l := range capped {
		a, b := indexOf(t.component.Members, l.A), indexOf(t.component.Members, l.B)
		if t.component.Members[a].Person == t.component.Members[b].Person && people[a] != people[b] {
			t.out.Drop("refused-" + RuleIdentifiers)
		}
	}
}

func linking(e *schemas.Evidence) string { return "linked " + e.A + " and " + e.B }

// settle computes the people again and tells those whose person changed. New
// links that a rule refuses are counted by the rule, once, and so are old ones
// that give way to new ones at the cap: that is the operators' alarm. The
// strongest new link that is taken is the reason.
func (t *turn) settle(reason string, isNew func(*schemas.Evidence) bool) {
	c, by := t.open(), ""
	var capped []*schemas.Evidence
	people := unite(c, t.rules, func(l *schemas.Evidence, rule, _ string) {
		switch {
		case rule == RuleIdentifiers && !isNew(l):
			capped = append(capped, l)
		case rule == RuleNotJoined || !isNew(l):
		case rule != "":
			t.out.Drop("refused-" + rule)
		case by == "":
			by = linking(l)
		}
	})
	reason = cmp.Or(by, reason)
	t.countParted(capped, people)
	var founded map[string]bool
	for i := range c.Members {
		m := &c.Members[i]
		if m.Person == people[i] {
			continue
		}
		if founded == nil {
			c.Version++
			founded, t.evidence = peopleFoundedBy(c.Members), true
		}
		a := &schemas.Assign{Person: people[i], Root: t.key, Version: c.Version, Reason: reason, Ended: !founded[m.Person]}
		m.Person = a.Person
		if m.Identifier == t.key {
			t.told(a)
		} else {
			t.send(&schemas.IdentityMessage{To: m.Identifier, Assign: a})
		}
	}
}

func peopleFoundedBy(members []schemas.Member) map[string]bool {
	founded := make(map[string]bool, len(members))
	for i := range members {
		founded[PersonOf(members[i].Identifier)] = true
	}
	return founded
}
