// Bench measures kairos beside what a user would pick instead, in turn, each on
// a broker of its own with the same events: kairos' stages from profile on, the
// same job as a Kafka Streams application and as a plain Goka one, and the
// floor: what franz-go takes to carry as many bytes in transactions and do
// nothing. Then kairos whole, and how that changes with people, audiences,
// partitions and the size of events.
//
// In: nothing but Java and Maven. Out: a report, its data and figures in
// loadtest/results. State: what is kept, after every step; an interruption
// loses the step that it interrupts. Laws: whoever is measured runs in
// processes of its own; the answers are compared with those of a look through
// all events at every instant, and a run with wrong ones says so and names some;
// who leaves and comes back within one instant may be told or not; reports and
// figures are functions of the data.
//
//	go run ./loadtest/bench          twenty-five minutes
//	go run ./loadtest/bench -quick   one: does it all work?
//	go run ./loadtest/bench -plot    reports and figures anew from the data
//
// In the same job events come resolved: identity is no part of it, for Kafka
// Streams and Goka have nothing like it. The one who writes them ticks as
// identity does, so all know how late it is.
//
// Not here: the peers in Java and Goka, and Apache Unomi (loadtest/peers); one
// configuration of kairos whole with profiles (loadtest/load).
//
//go:generate go run . -plot -results ../results
package main
