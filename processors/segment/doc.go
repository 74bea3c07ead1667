// Package segment decides which audiences a person is in, the moment that an
// input of one changes.
//
// In: what changed of a profile ([kairos/topologies.Changes]) and of the
// scores ([kairos/topologies.Scores]). Out: transitions, and each change with
// its transitions for the stages behind. State: the inputs that audiences use,
// and a person's standing in each audience ever entered.
//
// Laws: the transitions are those of an evaluator that looks at every audience
// at every change, but the cost follows the audiences that the change touches;
// of audiences that exclude each other at most one is entered at any instant;
// revisions of a person in an audience rise by one, whatever happens between;
// audiences that look at scores are evaluated only on what a Scored record
// carries, and the others never on it, so that the result does not depend on
// how the two lines of records interleave.
//
// Not here: the language (processors/expression), the terms' values
// (processors/profile). Invariants that are not obvious: DESIGN.md.
package segment
