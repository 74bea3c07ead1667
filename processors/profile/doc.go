// Package profile keeps what is known of a person: attributes, behavioural
// terms, timeline.
//
// In: [topologies.PersonEvents] and, from other people, fragments through
// [topologies.ProfileLoop]. Out: [topologies.Changes], with the exact time of
// each cause. State: [schemas.ProfileRow], a fragment per identifier. Laws: a
// fragment is a function of the set of its events; what is told is a function
// of the set of fragments and of the time, so merging is a union and merging
// then unmerging is as if nothing had been merged; terms change on the very
// millisecond, whether by an event or by the passing of time.
//
// Not here: who is one person (processors/identity), what a change means for
// audiences (processors/segment). Invariants that are not obvious: DESIGN.md.
package profile
