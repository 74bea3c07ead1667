package expression

import "kairos/schemas"

// New makes an expression out of a Go function, for tests and for whatever
// builds conditions without source text. Eval must be a pure function of what
// it asks of its inputs, and ask for nothing that is not listed.
func New(source string, terms []*Term, attributes, scores, audiences []string, eval func(Inputs) schemas.Value) *Expression {
	return &Expression{Source: source, Terms: terms, Attributes: attributes, Scores: scores, Audiences: audiences, eval: eval}
}
