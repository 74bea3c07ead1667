// Peers measures kairos beside what a user would pick instead, in turn, each on
// a broker of its own with the same events: kairos' stages from profile on, the
// same job as a Kafka Streams application, and the floor: what franz-go takes to
// carry as many bytes in transactions and do nothing.
//
// In: nothing but Java and Maven. Out: a JSON file and a table. Laws: whoever is
// measured runs in processes of its own; the answers are compared with those of a
// look through all events at every instant, and a run with wrong ones says so.
//
//	go run ./loadtest/peers
//
// Events come resolved: identity is no part of the job, for Kafka Streams has
// nothing like it. The one who writes them ticks as identity does, so all know
// how late it is.
//
// Not here: kairos whole, and at fixed rates (loadtest/load).
package main
