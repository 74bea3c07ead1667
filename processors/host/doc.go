// Package host runs the stages of one group on Kafka, exactly once: Goka on
// franz-go. It is the only package that imports either.
//
// In: the group's streams and ticks. Out: the group's streams, tables, dead
// letters and ticks, committed together with the input offsets in one Kafka
// transaction. State: rows in memory (and in Pebble below Config.StateDir), a
// cache of the table topics, never ahead of them. Laws: no byte of an aborted
// batch is ever visible; the same log gives the same rows and records however
// often the host is restarted; a row's wakes before t come before a record of t.
//
// Use: New(Config), then Run(ctx) once; it returns nil after ctx ends. While it
// runs: Status, Positions, Row, Scan, Redefine, Changed; and Drain for several
// hosts. Topics must exist.
//
// Not here: what stages do (processors/<word>), what exists (topologies).
// Before a change read DESIGN.md, its "Non-obvious" section first.
package host
