package definition

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"kairos/processors/expression"
)

// Fingerprint tells plans apart by what they ask of a person's audiences,
// scores and destinations. Rows remember the one that they were last fully
// evaluated under, so that a change of definitions reaches each row once,
// whether by a sweep or by the next message. It is never zero.
func (p *Plan) Fingerprint() int64 {
	h := xxhash.New()
	for i := range p.Features { // an expression speaks of them by name
		fmt.Fprintf(h, "feature %q\n", p.Features[i].Name)
		writeExpression(h, p.Features[i].Expression)
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		fmt.Fprintf(h, "group %q %d %d %q\n", g.Name, g.Version, g.Limit, g.patterns)
		writeExpression(h, g.By)
	}
	for i := range p.Audiences {
		a := &p.Audiences[i]
		fmt.Fprintf(h, "audience %q %d %t\n", a.Name, a.Version, a.UsesScores)
		if a.State != Published || a.From != 0 || a.Until != 0 {
			fmt.Fprintf(h, "%s %d %d\n", a.State, a.From, a.Until)
		}
		writeExpression(h, a.Expression)
	}
	for i := range p.Models {
		m := &p.Models[i]
		fmt.Fprintf(h, "model %q %d %v %v %v\n", m.Name, m.Version, m.Intercept, m.Calibration, m.Trees)
		for _, in := range m.Inputs {
			fmt.Fprintf(h, "%q %v %v %v\n", in.Name, in.Weight, in.Mean, in.Scale)
			writeExpression(h, in.Expression)
		}
	}
	for i := range p.Destinations {
		d := &p.Destinations[i]
		fmt.Fprintf(h, "destination %q %d %q %q %q %q %q\n", d.Name, d.Version, d.Audiences, d.Identifiers, d.Hash, d.Attributes, d.Consent)
		if d.Presumed {
			fmt.Fprintln(h, "presumed")
		}
	}
	return max(int64(h.Sum64()>>1), 1)
}

func writeExpression(h *xxhash.Digest, e *expression.Expression) {
	fmt.Fprintf(h, "%q\n", e.Source)
	for _, t := range e.Terms { // a term's meaning may change under an unchanged name
		fmt.Fprintln(h, t.ID)
	}
}

// ConsentPrefix starts the names of the attributes that hold consent.
const ConsentPrefix = "consent."

// Asks lists the attributes that d's records depend on.
func (d *Destination) Asks() []string {
	names := slices.Clone(d.Attributes)
	for _, purpose := range d.Consent {
		names = append(names, ConsentPrefix+purpose)
	}
	return names
}
