// Package naive is the pipeline a second time, deliberately dumb: people by
// trying links one after another on sets, features by looking at every event
// again, audiences by evaluating all of them at each instant.
//
// In: the whole history and a plan. Out: what must be true at an instant, and
// every transition on the way. State: none. Laws: it shares no code with the
// stages, only records, definitions and the evaluation of expressions; it is
// slow and obvious, so that the stages can be fast.
package naive
