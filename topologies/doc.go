// Package topologies declares what exists: streams, tables, stages and chains,
// with their keys, partitions and retention. Topics, ACLs, diagrams,
// dashboards and alerts derive from it; no other package names a topic.
//
// A stage word (identity, profile, segment, propensity, destination) is its
// folder, package, consumer group `kairos.<word>`, topic prefix and metric
// label. A topic is called `kairos.<writer>.<plural noun>` and has one writer.
//
// Not here: what happens in a stage (processors/<word>), how it runs
// (processors/host). Decisions that are hard to undo: decisions/.
package topologies
