package scenario_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain tries fewer histories than the hundred that rapid would, for there
// are forty laws, and fewer still with -short, unless told how many.
func TestMain(m *testing.M) {
	flag.Parse()
	const checks = "rapid.checks"
	if f := flag.Lookup(checks); f.Value.String() == f.DefValue {
		few := "50"
		if testing.Short() {
			few = "20"
		}
		if err := flag.Set(checks, few); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
