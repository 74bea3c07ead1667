package expression

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/schemas"
)

// oddZones have days that begin or end in ways that are easily forgotten.
var oddZones = []string{
	"UTC", "Europe/Paris", "America/New_York",
	"Africa/Cairo", "Asia/Beirut", "America/Havana", // clocks change at midnight
	"America/St_Johns",    // they went back at one minute past midnight, to the day before
	"America/Sao_Paulo",   // days began at one o'clock
	"Pacific/Apia",        // left out 2011-12-30
	"Asia/Kathmandu",      // 5:45 from UTC
	"Australia/Lord_Howe", // changes by half an hour
	"Pacific/Kiritimati", "Pacific/Pago_Pago",
}

func zoneOf(t rapid.TB, name string) *time.Location {
	t.Helper()
	zone, err := (&zones{}).zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// A day begins at the first second at which the clock on the wall shows its
// date: found here by looking at the clock every quarter of an hour, and then
// every second.
func TestADayBeginsWhenClocksShowItForTheFirstTime(t *testing.T) {
	for _, name := range oddZones {
		zone := zoneOf(t, name)
		shows := func(second int64) time.Time {
			y, m, d := time.Unix(second, 0).In(zone).Date()
			return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		}
		for _, year := range []int{1987, 2006, 2011, 2018, 2026, 2040} {
			at := time.Date(year-1, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
			until := at + 368*daySeconds
			newest := shows(at)
			for ; at < until; at += 900 {
				if !shows(at).After(newest) {
					continue
				}
				begins := at
				for shows(begins - 1).After(newest) {
					begins--
				}
				newest = shows(at)
				p := (&Calendar{Day, zone}).At(schemas.Instant(begins * 1000))
				before := (&Calendar{Day, zone}).At(schemas.Instant(begins*1000 - 1))
				if got := p.From; got != schemas.Instant(begins*1000) || before.To != got || p.Index != newest.Unix()/daySeconds {
					t.Fatalf("%s: %s begins at %v and is day %d; want %v, day %d; the day before ends at %v", name, newest.Format(time.DateOnly),
						got, p.Index, schemas.Instant(begins*1000), newest.Unix()/daySeconds, before.To)
				}
			}
		}
	}
}

func TestPeriodsFollowEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Calendar{rapid.SampledFrom([]Unit{Day, Week, Month, Year}).Draw(t, "unit"), zoneOf(t, rapid.SampledFrom(oddZones).Draw(t, "zone"))}
		at := schemas.Instant(rapid.Int64Range(-62135596800000, 253402300799000).Draw(t, "at"))
		p := c.At(at)
		if !p.Holds(at) {
			t.Fatalf("%v of %v does not hold %v", p, c, at)
		}
		if c.At(p.From) != p || c.At(p.To-1) != p {
			t.Fatalf("%v of %v is %v at its beginning and %v at its end", p, c, c.At(p.From), c.At(p.To-1))
		}
		if next := c.At(p.To); next.From != p.To || next.Index <= p.Index || c.Unit != Day && next.Index != p.Index+1 {
			t.Fatalf("behind %v of %v comes %v", p, c, next)
		}
		first := time.Unix(c.Unit.first(p.Index)*daySeconds, 0).UTC()
		if c.Unit == Week && first.Weekday() != time.Monday || c.Unit == Month && first.Day() != 1 || c.Unit == Year && first.YearDay() != 1 {
			t.Fatalf("a %v begins on %v", c.Unit, first)
		}
	})
}

func TestEveryZoneCanBeOpened(t *testing.T) {
	var z zones
	if _, err := z.zone("Europe/Paris"); err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, name := range z.names() {
		if name[len(name)-1] == '/' {
			continue
		}
		zone, err := z.zone(name)
		if err != nil {
			t.Fatal(err)
		}
		(&Calendar{Day, zone}).At(0)
		opened++
	}
	if opened < 400 {
		t.Fatalf("only %d zones", opened)
	}
}
