package stage_test

import "testing"

// BenchmarkOneMessageThroughTwoStages is what the runner itself costs: the
// toys' own work is small.
func BenchmarkOneMessageThroughTwoStages(b *testing.B) {
	store, run, m := rows{}, chain(b), message(b, "k", 10, "pass=k")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := run.Message(store, m); err != nil {
			b.Fatal(err)
		}
	}
}
