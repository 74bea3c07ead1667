// Package identity decides which identifiers are one person.
//
// In: events, keyed by any identifier. Out: [schemas.PersonEvent], keyed by
// person. State: a row per identifier; the row of a component's root also
// holds the evidence of the component. Laws: people are a function of the
// evidence set, never of its arrival order; a merge that is taken back never
// was; each event leaves once, and where an identifier's events go changes
// only with a move; a known link says nothing.
//
// DESIGN.md has the protocol between rows and what is not obvious in it.
//
// Not here: which rules are the default (processors/definition), what moves
// with an identifier (processors/profile).
package identity
