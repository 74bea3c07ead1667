// Package propensity says how likely a person is to do something, as soon as
// an input of a model changes.
//
// In: changes with their transitions ([kairos/topologies.Memberships]). Out:
// scores with their reasons, and with them, as they stood then, the other
// inputs of the audiences that look at scores ([kairos/topologies.Scores]).
// State: the inputs of models and of those audiences, and the last scores.
//
// Laws: scores are those of models computed anew at every change; nothing that
// follows from scores is looked at, so that what segment makes of a score
// never comes back; the same row and message give the same bytes.
//
// Not here: what models are and how they are read (processors/definition),
// what their inputs say (processors/expression).
package propensity
