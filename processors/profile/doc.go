// Package profile keeps what is known of a person: attributes, behavioural
// terms, timeline; and of a group of people: what its members did together.
//
// In: [topologies.PersonEvents] and, through [topologies.ProfileLoop], fragments
// from other people, and what people and groups tell each other. Out:
// [topologies.Changes], with the exact time of each cause. State:
// [schemas.ProfileRow], a fragment per identifier. Laws: a fragment is a
// function of the set of its events; what is told is a function of the set of
// fragments and of the time, so merging is a union and merging then unmerging
// is as if nothing had been merged, and so is joining a group and leaving it;
// terms change on the very millisecond, whether by an event or by the passing
// of time.
//
// Not here: who is one person (processors/identity), what a change means for
// audiences (processors/segment). Invariants that are not obvious: DESIGN.md.
package profile
