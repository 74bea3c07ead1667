// Package expression is the language in which audiences, features and model
// inputs are written: CEL over attributes, scores, other audiences, and
// behavioural terms such as
//
//	events("purchase").where(e, e.amount > 50.0).within("30d").count() >= 3
//
// In: source text. Out: an [Expression] that evaluates on [Inputs], the
// [Term]s that profile must keep for it and the [Series] of events below them.
// Laws: an expression is total (what cannot be computed is null), has no
// side effect and a bounded cost; equal terms have equal ids wherever they are
// written.
//
// LANGUAGE.md is the guide for people who write them. Not here: files and
// names (processors/definition), the state of terms (processors/profile).
package expression
