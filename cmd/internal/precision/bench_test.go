package precision

import "testing"

// BenchmarkAllProtections is a year of a village through the identity stage.
func BenchmarkAllProtections(b *testing.B) {
	p, known := population(b, 1000, 50_000, 1)
	for b.Loop() {
		judgeOne(b, p, known, Trial{Rules: Protected()})
	}
}
