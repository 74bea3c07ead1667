package cluster

import "testing"

func TestADiskIsFullByItsShareUnlessThatIsALot(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, total uint64
		want        Level
	}{
		{gib / 2, gib, Wrong},
		{4 * gib, 100 * gib, Wrong},
		{10 * gib, 100 * gib, Hint},
		{20 * gib, 100 * gib, Fine},
		{30 * gib, 1000 * gib, Hint},
		{200 * gib, 8000 * gib, Fine},
	} {
		if f := DiskFinding("rows", c.free, c.total, "add room"); f.Level != c.want {
			t.Errorf("%d of %d: %v, %s", c.free, c.total, f.Level, f.Detail)
		}
	}
}
