package cdnow

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"kairos/schemas"
)

// Variant is a way of telling the same story.
type Variant string

// The variants.
const (
	Plain    Variant = "plain"    // by day, then customer
	Doubled  Variant = "doubled"  // every event twice, the second right after the first
	Shuffled Variant = "shuffled" // within a day in random order, by the seed
)

// VariantOf checks a variant's name.
func VariantOf(name string) (Variant, error) {
	if v := Variant(name); slices.Contains([]Variant{Plain, Doubled, Shuffled}, v) {
		return v, nil
	}
	return "", fmt.Errorf("variant %q does not exist: choose %s, %s or %s", name, Plain, Doubled, Shuffled)
}

// Day is a day of the log and what was bought on it.
type Day struct {
	Start  schemas.Instant // midnight, UTC: the time of all its events
	Events []*schemas.Event
}

// End is the midnight after the last day of the log: where a replay's last
// tick belongs.
var End = schemas.InstantOf(time.Date(1998, time.July, 1, 0, 0, 0, 0, time.UTC))

// Days gives the log as events, one day after the other, days without a
// purchase left out. Seed matters to [Shuffled] only.
func Days(variant Variant, seed uint64) (iter.Seq[Day], error) {
	purchases, err := Purchases()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(purchases, func(a, b Purchase) int { return cmp.Compare(a.Day, b.Day) })
	return func(yield func(Day) bool) {
		random := rand.New(rand.NewPCG(seed, 0))
		for start := 0; start < len(purchases); {
			end := start
			for end < len(purchases) && purchases[end].Day == purchases[start].Day {
				end++
			}
			if !yield(dayOf(purchases[start:end], variant, random)) {
				return
			}
			start = end
		}
	}, nil
}

func dayOf(purchases []Purchase, variant Variant, random *rand.Rand) Day {
	day := Day{Start: purchases[0].Day}
	for _, p := range purchases {
		event := p.Event()
		day.Events = append(day.Events, event)
		if variant == Doubled {
			day.Events = append(day.Events, event)
		}
	}
	if variant == Shuffled {
		random.Shuffle(len(day.Events), func(i, j int) {
			day.Events[i], day.Events[j] = day.Events[j], day.Events[i]
		})
	}
	return day
}

// Event is the purchase as the door would accept it at midnight of its day.
func (p Purchase) Event() *schemas.Event {
	return &schemas.Event{
		ID:          "cdnow-" + strconv.Itoa(p.Line),
		Name:        "purchase",
		Time:        p.Day,
		Received:    p.Day,
		Source:      "shop",
		Identifiers: []schemas.Identifier{{Namespace: "crm_id", Value: strconv.Itoa(p.Customer)}},
		Properties: schemas.Properties{
			{Name: "amount", Value: schemas.NumberOf(float64(p.Cents) / 100)},
			{Name: "cds", Value: schemas.NumberOf(float64(p.CDs))},
		},
	}
}
