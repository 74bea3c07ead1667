// Package definition turns what people write (YAML: audiences, features,
// models, destinations, identity rules) into a [Plan] that the stages follow.
//
// In: definition files, or published [kairos/schemas.Definition] records.
// Out: a checked, immutable Plan; or problems, each with file, line, column
// and the next move. Laws: the same text gives the same plan, the same ids and
// the same order; nothing that a person writes is executed, only evaluated
// with a bounded cost.
//
// DEFINITIONS.md is the guide for people who write them. Not here: the language
// of expressions (processors/expression), and what the stages do with a plan.
package definition
