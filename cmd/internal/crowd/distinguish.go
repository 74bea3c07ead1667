package crowd

import (
	"cmp"
	"context"
	"slices"

	"kairos/processors/definition"
	"kairos/processors/profile"
	"kairos/schemas"
)

// Distinction says what members of an audience have more often than people
// have in general.
type Distinction struct {
	Audience string   `json:"audience"`
	Members  int      `json:"members"`
	People   int      `json:"people"`
	Traits   []Trait  `json:"traits"`   // the highest lift first
	LeftOut  []string `json:"left_out"` // attributes with too many different values to say anything of
}

// Trait is a value of an attribute, or another audience.
type Trait struct {
	Trait   string  `json:"trait"`   // such as p.country == "FR" or in("vip")
	Members int     `json:"members"` // that have it
	People  int     `json:"people"`  // that have it, members included
	Lift    float64 `json:"lift"`    // how much more frequent it is among members than among people
}

// mostValues is how many values of one attribute are counted.
const mostValues = 1000

// Distinguish compares members with all people who have a profile. Traits that
// fewer than least members have are left out, and those that are no more
// frequent among them.
func Distinguish(ctx context.Context, tables Tables, plan *definition.Plan, audience string, least, most int) (Distinction, error) {
	d := Distinction{Audience: audience, Traits: []Trait{}, LeftOut: []string{}}
	counts := map[string]map[string]*Trait{} // by attribute, then trait
	reader := profile.NewReader(plan)
	err := eachPerson(ctx, tables, func(person string, row *schemas.ProfileRow, standings *schemas.SegmentRow) {
		member := isMember(standings, audience)
		d.People++
		if member {
			d.Members++
		}
		for _, a := range reader.Look(person, row, row.Now).Attributes() {
			note(counts, "p."+a.Name, "p."+a.Name+" == "+literal(a.Value), member)
		}
		if standings == nil {
			return
		}
		for _, s := range standings.Standings {
			if s.Member && s.Audience != audience {
				note(counts, "", `in("`+s.Audience+`")`, member)
			}
		}
	})
	for attribute, traits := range counts {
		if attribute != "" && len(traits) > mostValues {
			d.LeftOut = append(d.LeftOut, attribute)
			continue
		}
		for _, t := range traits {
			if t.Members < max(least, 1) {
				continue
			}
			t.Lift = float64(t.Members) / float64(d.Members) / (float64(t.People) / float64(d.People))
			if t.Lift > 1 {
				d.Traits = append(d.Traits, *t)
			}
		}
	}
	slices.Sort(d.LeftOut)
	slices.SortFunc(d.Traits, func(a, b Trait) int {
		return cmp.Or(cmp.Compare(b.Lift, a.Lift), cmp.Compare(b.Members, a.Members), cmp.Compare(a.Trait, b.Trait))
	})
	d.Traits = d.Traits[:min(len(d.Traits), most)]
	return d, err
}

func note(counts map[string]map[string]*Trait, attribute, trait string, member bool) {
	if counts[attribute] == nil {
		counts[attribute] = map[string]*Trait{}
	}
	traits := counts[attribute]
	t := traits[trait]
	if t == nil {
		if attribute != "" && len(traits) > mostValues { // one too many says that it is left out
			return
		}
		t = &Trait{Trait: trait}
		traits[trait] = t
	}
	t.People++
	if member {
		t.Members++
	}
}

// literal is v as one writes it in a condition.
func literal(v schemas.Value) string {
	if v.Kind == schemas.Text {
		return `"` + v.Text + `"`
	}
	return v.String()
}
