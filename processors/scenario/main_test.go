package scenario_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain tries fewer histories with -short, unless told how many.
func TestMain(m *testing.M) {
	flag.Parse()
	const checks = "rapid.checks"
	if f := flag.Lookup(checks); testing.Short() && f.Value.String() == f.DefValue {
		if err := flag.Set(checks, "20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
