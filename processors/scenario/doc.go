// Package scenario tells stories to the whole pipeline and compares what it
// says with what the story expects.
//
// In: a story, text that a marketer can read (README.md), and a [World] to
// play it in: pure steps, an embedded broker, a real Kafka. Out: the same
// lines in every world. State: what a world keeps. Laws: every world, any
// number of partitions, chained or separate, prompt or late timers, restarts
// anywhere: the same people, audiences and times.
//
// The tests beside the stories hold the laws of all stages over generated
// histories, against a second implementation in naive/. Not here: the tests of
// one stage, beside the stage.
package scenario
