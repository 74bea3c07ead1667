// Package stage says what a stage is: a pure function from a row, one message
// and a time to a new row and records out; and it runs such functions, alone
// or chained, on bytes.
//
// In: [Message], a record of a topic, and [Rows], the table rows of its key.
// Out: [Effects]. State: none. Laws: no clock, no Kafka, no goroutine; the
// same message on the same rows gives the same effects; wakes of a key before
// time t come before a record of time t; a message that cannot be processed
// has exactly one effect, a dead letter.
//
// Not here: what the stages do (processors/<word>), and where messages and
// rows come from (processors/host, processors/scenario).
package stage
