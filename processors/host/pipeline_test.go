package host

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A group is in its next generation before its members hear of it.
func TestOffsetsAreOfferedAgainInTheNextGenerationOfTheSameMember(t *testing.T) {
	for _, c := range []struct {
		name     string
		member   string // a moment later
		refusals int
		then     error
		want     error
		commits  int
	}{
		{"nobody moves", "one", 0, nil, nil, 1},
		{"the next generation", "one", 1, nil, nil, 2},
		{"the one behind that", "one", 2, nil, nil, 3},
		{"another member by now", "two", 1, nil, kerr.IllegalGeneration, 1},
		{"no generation comes", "one", 100, nil, kerr.IllegalGeneration, 4},
		{"another refusal", "one", 1, kerr.FencedInstanceID, kerr.FencedInstanceID, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, commits := time.Now(), 0
				metadata := func() (string, int32) { // a generation in 20 ms, three in all
					n := min(3, int32(time.Since(began)/(20*time.Millisecond)))
					if n > 0 {
						return c.member, 7 + n
					}
					return "one", 7
				}
				offsets := kmsg.NewPtrTxnOffsetCommitRequest()
				offsets.MemberID, offsets.Generation = "one", 7
				err := offerInTime(t.Context(), metadata, offsets, func() error {
					if commits++; commits <= c.refusals {
						return kerr.IllegalGeneration
					}
					return c.then
				})
				if !errors.Is(err, c.want) || commits != c.commits {
					t.Errorf("%v after %d tries, want %v after %d", err, commits, c.want, c.commits)
				}
			})
		})
	}
}
