// Package chaos holds tests alone: real purchases go through kairos while it is
// killed, restarted, fed in other orders and spread over other numbers of
// partitions, and the judge says whether anybody could tell from outside.
//
// In: the kairos binary, driven by its command line; a real Kafka for the kills,
// a broker within the test for what is not about Kafka. Out: failures with the
// seed that leads to them. Law: whatever happens to the process, a
// read-committed reader of the public transitions sees each one once, at its time.
//
// Not here: what is right, see loadtest/judge; crashes at chosen points of a
// transaction, see processors/host.
package chaos
