package identity

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// erase takes a person out of the component: the members, and all evidence that
// names one of them. Their rows are told to leave nothing, and rows of others
// that have links with them are told to forget those.
//
// An identifier that is no member here (any more) has a row that others' words
// made or left behind: that goes too.
func (t *turn) erase(key string) {
	c := t.open()
	i := indexOf(c.Members, key)
	if i < 0 {
		t.send(&schemas.IdentityMessage{To: key, Erased: true})
		return
	}
	person := c.Members[i].Person
	var erased, others []string
	for _, m := range c.Members {
		if m.Person == person {
			erased = append(erased, m.Identifier)
		} else {
			others = append(others, m.Identifier)
		}
	}
	t.forgetLinks(c, erased)
	if len(others) == 0 {
		t.component, t.evidence, t.row.Component = nil, false, nil
	}
	for _, m := range erased {
		if m != t.key {
			t.send(&schemas.IdentityMessage{To: m, Erased: true})
		}
	}
	own := slices.Contains(erased, t.key)
	switch {
	case own && len(others) == 0:
		t.erased()
	case own:
		t.abdicate(others)
	default:
		t.enthrone(c, t.key)
		t.settle("erased", nothing)
	}
}

// enthrone tells every member where the evidence is: some may find it only
// through a row that is erased.
func (t *turn) enthrone(c *schemas.Component, root string) {
	c.Version++
	for _, m := range c.Members {
		if m.Identifier != root {
			t.send(&schemas.IdentityMessage{To: m.Identifier, Assign: &schemas.Assign{Person: m.Person, Root: root, Version: c.Version, Reason: "erased"}})
		}
	}
}

// forgetLinks removes identifiers from the evidence, and tells the rows of
// those that had links with them.
func (t *turn) forgetLinks(c *schemas.Component, erased []string) {
	named := func(key string) bool { return slices.Contains(erased, key) }
	member := func(m schemas.Member) bool { return named(m.Identifier) }
	c.Members = slices.DeleteFunc(c.Members, member)
	c.Heard = slices.DeleteFunc(c.Heard, member)
	tell := func(a, b string) {
		switch {
		case named(a) && !named(b):
			t.tellForget(b, a)
		case named(b) && !named(a):
			t.tellForget(a, b)
		}
	}
	for i := range c.Links {
		tell(c.Links[i].A, c.Links[i].B)
	}
	for i := range c.Partings { // which may rest with the other end, too
		tell(c.Partings[i].A, c.Partings[i].B)
	}
	c.Links = slices.DeleteFunc(c.Links, func(l schemas.Evidence) bool { return named(l.A) || named(l.B) })
	c.Partings = slices.DeleteFunc(c.Partings, func(p schemas.Parting) bool { return named(p.A) || named(p.B) })
	t.evidence = true
}

func (t *turn) tellForget(to, erased string) {
	if to == t.key {
		t.unlearnNeighbour(erased)
		return
	}
	t.send(&schemas.IdentityMessage{To: to, Forget: erased})
}

// abdicate hands the evidence of those who stay to the smallest of them and
// tells the others. The row stays as a sign to the new root, for words that are
// under way; the next word to erase it finds no member by its name, and ends it.
func (t *turn) abdicate(others []string) {
	c := t.component
	root := others[0]
	t.enthrone(c, root)
	t.send(&schemas.IdentityMessage{To: root, Return: c})
	t.component, t.evidence = nil, false
	t.leave(schemas.PersonEvent{Erased: true})
	t.row = &row{Person: t.row.Person, Root: root, Version: c.Version}
	t.changed = true
	t.out.Purge()
}

// erased leaves nothing of the row's identifier.
func (t *turn) erased() {
	t.leave(schemas.PersonEvent{Erased: true})
	t.gone = true
}

// leave tells profile that nothing is to be left of the identifier, and of the
// person that it founded, if another one holds it now: who only says who does.
func (t *turn) leave(word schemas.PersonEvent) {
	if t.row.Arrived {
		t.tell(word, t.row.Person, t.row.Epoch)
	}
	if founded := PersonOf(t.key); founded != t.row.Person || !t.row.Arrived {
		t.tell(word, founded, noEpoch)
	}
}

// noEpoch is the epoch of a word about a person who may hold nothing any more.
const noEpoch = -1

func (t *turn) tell(word schemas.PersonEvent, person string, epoch int64) {
	word.Person, word.Identifier, word.Epoch, word.Cause = person, t.key, epoch, t.now
	stage.Emit(t.out, &topologies.PersonEvents, person, &word)
}

// unlearn takes a link with an erased identifier back, as if it had never been,
// here and at the root. Heat stays: it is for ever.
func (t *turn) unlearn(erased string) {
	if t.fresh {
		return
	}
	t.unlearnNeighbour(erased)
	if t.row.Root != "" {
		t.send(&schemas.IdentityMessage{To: t.row.Root, Forget: erased})
		return
	}
	c := t.open()
	known := len(c.Links) + len(c.Partings)
	c.Links = slices.DeleteFunc(c.Links, func(l schemas.Evidence) bool { return l.A == erased || l.B == erased })
	c.Partings = slices.DeleteFunc(c.Partings, func(p schemas.Parting) bool { return p.A == erased || p.B == erased })
	if len(c.Links)+len(c.Partings) != known {
		t.evidence = true
		t.out.Purge()
		t.settle("erased", nothing)
	}
}

func (t *turn) unlearnNeighbour(erased string) {
	links := neighbours(t.row.Links)
	for _, hash := range []uint64{xxhash.Sum64String(erased), hashOfDevice(schemas.IdentifierOf(erased))} {
		if i, known := links.find(hash); known {
			links = slices.Delete(slices.Clone(links), i*neighbourBytes, (i+1)*neighbourBytes)
			t.changed = true
		}
	}
	t.row.Links = links
}
