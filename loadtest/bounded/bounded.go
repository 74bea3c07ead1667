// Package bounded holds tests to how much memory something may allocate.
//
// In: what is to be done. Out: a failure, if it took more. Law: what other
// goroutines allocate meanwhile counts too, so bounds are for what is out of all
// proportion.
//
// Not here: how much a benchmark allocates; see make bench-check.
package bounded

import (
	"runtime/metrics"
	"testing"
)

// Memory fails if f allocates more than so many bytes.
func Memory(t testing.TB, bytes uint64, f func()) {
	t.Helper()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	if took := sample[0].Value.Uint64() - before; took > bytes {
		t.Fatalf("%d bytes are allocated, at most %d may be", took, bytes)
	}
}
