package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestGarbageMayTakeMostOfAContainerOrHalfOfAMachine(t *testing.T) {
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for _, c := range []struct {
		name               string
		container, machine memlimit.Provider
		want               uint64
	}{
		{"a container", memlimit.Limit(1000), memlimit.Limit(8000), 900},
		{"no container", none, memlimit.Limit(8000), 4000},
	} {
		if got, err := memoryLimit(c.container, c.machine)(); got != c.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", c.name, got, err, c.want)
		}
	}
	if got, err := memoryLimit(none, none)(); err == nil {
		t.Errorf("nobody knows how much there is, but the limit is %d", got)
	}
}

func TestMemoryIsBoundedUnlessTheEnvironmentSaysHow(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(limit)
	t.Setenv("GOMEMLIMIT", "off")
	spendMemoryOnSpeed()
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("the environment says off, and the limit is %d", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	spendMemoryOnSpeed()
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		t.Error("there is no limit")
	}
}
