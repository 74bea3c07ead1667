package cdnow

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"kairos/schemas"
)

func read(t *testing.T) []Purchase {
	t.Helper()
	purchases, err := Purchases()
	if err != nil {
		t.Fatal(err)
	}
	return purchases
}

func TestTheDataAreTheOnesThatWerePublished(t *testing.T) {
	unzipped, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	original, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(original)
	const want = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("sha256 is %s, want %s", got, want)
	}
}

func TestEveryLineIsAPurchaseRepeatsAndFreeOnesIncluded(t *testing.T) {
	purchases := read(t)
	type customerDay struct {
		customer int
		day      schemas.Instant
	}
	people, days := map[int]bool{}, map[customerDay]bool{}
	free := 0
	for i, p := range purchases {
		if p.Line != i+1 {
			t.Fatalf("purchase %d says it is line %d", i+1, p.Line)
		}
		people[p.Customer], days[customerDay{p.Customer, p.Day}] = true, true
		if p.Cents == 0 {
			free++
		}
	}
	for _, count := range []struct {
		of        string
		got, want int
	}{
		{"purchases", len(purchases), 69_659},
		{"people", len(people), 23_570},
		{"repeats of a customer's day", len(purchases) - len(days), 2_068},
		{"purchases that cost nothing", free, 80},
	} {
		if count.got != count.want {
			t.Errorf("%d %s, want %d", count.got, count.of, count.want)
		}
	}
	want := Purchase{3, 2, schemas.InstantOf(time.Date(1997, 1, 12, 0, 0, 0, 0, time.UTC)), 5, 7700}
	if purchases[2] != want {
		t.Errorf("the third line is %+v, want %+v", purchases[2], want)
	}
}

func TestALineThatIsNotAPurchaseIsRefused(t *testing.T) {
	for _, line := range []string{"", " 00002 19970112  5", " x 19970112  5   77.00", " 1 19970132  5   77.00", " 1 19970112  x   77.00", " 1 19970112  5   77", " 1 19970112  5   7x.00"} {
		if p, err := parse(line); err == nil {
			t.Errorf("%q was read as %+v", line, p)
		}
	}
}

// tell lists the ids of a variant's events in order and checks the days.
func tell(t *testing.T, v Variant, seed uint64) []string {
	t.Helper()
	days, err := Days(v, seed)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	last := schemas.Instant(0)
	for day := range days {
		if day.Start <= last || day.Start >= End {
			t.Fatalf("a day starts at %v after %v, and the log ends at %v", day.Start, last, End)
		}
		last = day.Start
		for _, e := range day.Events {
			if e.Time != day.Start || e.Received != day.Start {
				t.Fatalf("%s is of %v, not of its day %v", e.ID, e.Time, day.Start)
			}
			ids = append(ids, e.ID)
		}
	}
	if last.Add(24*time.Hour) != End {
		t.Errorf("the last day is %v, not the one before %v", last, End)
	}
	return ids
}

func TestTheVariantsTellTheSameStory(t *testing.T) {
	plain := tell(t, Plain, 0)
	set := func(ids []string) map[string]int {
		counts := map[string]int{}
		for _, id := range ids {
			counts[id]++
		}
		return counts
	}
	if len(plain) != 69_659 || len(set(plain)) != len(plain) {
		t.Errorf("plain has %d events with %d ids", len(plain), len(set(plain)))
	}
	twice := set(plain)
	for id := range twice {
		twice[id] = 2
	}
	if !maps.Equal(set(tell(t, Doubled, 0)), twice) {
		t.Error("doubled does not hold every event twice")
	}
	const seed = 7
	shuffled := tell(t, Shuffled, seed)
	if !maps.Equal(set(shuffled), set(plain)) {
		t.Errorf("shuffled (seed %d) does not hold the events of plain", seed)
	}
	if slices.Equal(shuffled, plain) || slices.Equal(shuffled, tell(t, Shuffled, seed+1)) {
		t.Error("shuffled does not depend on its seed")
	}
	if !slices.Equal(shuffled, tell(t, Shuffled, seed)) {
		t.Errorf("shuffled (seed %d) differs from itself", seed)
	}
}

func TestAnEventHasTheFieldsOfItsLine(t *testing.T) {
	e := read(t)[2].Event()
	if e.ID != "cdnow-3" || e.Name != "purchase" || e.Source != "shop" || len(e.Identifiers) != 1 ||
		e.Identifiers[0].String() != "crm_id:2" || e.Properties.Get("cds") != schemas.NumberOf(5) ||
		e.Properties.Get("amount") != schemas.NumberOf(77) {
		t.Errorf("got %+v", e)
	}
}

func TestAVariantThatDoesNotExistIsRefusedWithThoseThatDo(t *testing.T) {
	if v, err := VariantOf("doubled"); err != nil || v != Doubled {
		t.Errorf("got %q, %v", v, err)
	}
	if _, err := VariantOf("tripled"); err == nil {
		t.Error("tripled was accepted")
	}
}
