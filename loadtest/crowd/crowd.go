// Package crowd makes as many audiences as are asked for, such as a shop has
// them, and adds to the population's events what they ask.
//
// In: a number and a seed. Out: a folder of definitions. Law: what one event
// touches of them hardly depends on how many there are.
//
// Not here: who does what (loadtest/population); measuring it (loadtest/scale,
// loadtest/bench).
package crowd

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"kairos/schemas"
)

// Shop is what everything is measured with, the crowd aside.
//
//go:embed definitions.yaml
var Shop string

// Crowd is many audiences such as a shop has: most are about one product or one
// store, some about all there is; three fifths have a window. What one event
// touches hardly depends on how many there are, for products and stores grow
// with them.
type Crowd struct {
	many   int
	random *rand.Rand // for products
}

// New makes a crowd.
func New(many int, seed uint64) *Crowd {
	return &Crowd{many, rand.New(rand.NewPCG(seed, uint64(many)))}
}

func (c *Crowd) products() int { return max(c.many/4, 1) }
func (c *Crowd) stores() int   { return max(c.many/10, 1) }

// audience is one of the crowd.
type audience struct {
	when     string
	windowed bool
	touches  func(*schemas.Event) bool // whether an event is one of those that it counts
}

var categories = []string{"shoes", "coats", "books", "music", "garden"}

// audience makes number i. The mix repeats every twenty.
func (c *Crowd) audience(i int) audience {
	product, days, few := fmt.Sprint("p", i/4), []int{1, 7, 30, 90}[i%4], 1+i%3
	about := func(names ...string) func(*schemas.Event) bool {
		return func(e *schemas.Event) bool {
			for _, name := range names {
				if e.Name == name && e.Properties.Get("product") == schemas.TextOf(product) {
					return true
				}
			}
			return false
		}
	}
	never := func(*schemas.Event) bool { return false }
	switch i % 20 {
	default: // nine of twenty
		return audience{fmt.Sprintf(`events("view").where(e, e.product == "%s").within("%dd").count() >= %d`, product, days, few), true, about("view")}
	case 9, 10:
		return audience{fmt.Sprintf(`events("purchase").where(e, e.product == "%s").within("%dd").sum("amount") > %d`, product, days, 50*few), true, about("purchase")}
	case 11:
		return c.broad(i / 20)
	case 12, 13, 14:
		return audience{fmt.Sprintf(`events("cart").where(e, e.product == "%s").any() && p.country == "FR"`, product), false, about("cart")}
	case 15, 16:
		return audience{fmt.Sprintf(`p.store == "s%d" && p.plan == "premium"`, i/10), false, never}
	case 17, 18:
		return audience{fmt.Sprintf(`in("many-%d") && bucket("half-%d") < 50`, i-17, i), false, never}
	case 19:
		return audience{fmt.Sprintf(`events("purchase").where(e, e.product == "%s").any() && p.store != "s%d"`, product, i/10), false, about("purchase")}
	}
}

// broad is about everything of a category: one in five of them about all that
// is looked at.
func (c *Crowd) broad(i int) audience {
	if i%5 == 0 {
		return audience{fmt.Sprintf(`events("view").within("%dd").count() >= %d`, 1+i/5%30, 5+5*(i%4)), true,
			func(e *schemas.Event) bool { return e.Name == "view" }}
	}
	category, price := categories[i%5], 150+i/5%50
	return audience{fmt.Sprintf(`events("view").where(e, e.category == "%s" && e.price > %d).within("30d").count() >= 3`, category, price), true,
		func(e *schemas.Event) bool {
			return e.Name == "view" && e.Properties.Get("category") == schemas.TextOf(category) && e.Properties.Get("price").Number > float64(price)
		}}
}

// Write puts the definitions into a folder.
func (c *Crowd) Write(folder string) error {
	var b strings.Builder
	b.WriteString(Shop)
	for i := range c.many {
		fmt.Fprintf(&b, "---\nkind: audience\nname: many-%d\nwhen: '%s'\n", i, c.audience(i).when)
	}
	return os.WriteFile(filepath.Join(folder, "definitions.yaml"), []byte(b.String()), 0o644)
}

// Furnish adds to an event of the population what the crowd asks for: a
// product, of which few are looked at most, and where somebody shops.
func (c *Crowd) Furnish(e *schemas.Event) {
	switch e.Name {
	case "view", "cart", "purchase":
		product := int(float64(c.products()) * math.Pow(c.random.Float64(), 1.5))
		e.Properties = e.Properties.Set("product", schemas.TextOf(fmt.Sprint("p", product)))
	case "login":
		var person, device int
		if _, err := fmt.Sscanf(e.Identifiers[len(e.Identifiers)-1].Value, "device-%d-%d", &person, &device); err == nil {
			e.Attributes = e.Attributes.Set("store", schemas.TextOf(fmt.Sprint("s", person%c.stores())))
		}
	}
}

// Touched is how many audiences the average of events is one for.
func (c *Crowd) Touched(events []*schemas.Event) float64 {
	sum := 0
	for i := range c.many {
		a := c.audience(i)
		for _, e := range events {
			if a.touches(e) {
				sum++
			}
		}
	}
	return float64(sum) / float64(len(events))
}
