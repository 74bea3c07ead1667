package crowd

import (
	"testing"

	"kairos/schemas"
)

func TestThreeFifthsOfTheCrowdHaveAWindow(t *testing.T) {
	c, windowed := New(1000, 1), 0
	for i := range c.many {
		if c.audience(i).windowed {
			windowed++
		}
	}
	if windowed != 600 {
		t.Errorf("%d of 1000 have one", windowed)
	}
}

func TestAProductIsLookedAtByFewHoweverManyThereAre(t *testing.T) {
	view := func(product string) []*schemas.Event {
		return []*schemas.Event{{Name: "view", Properties: schemas.Properties{{Name: "product", Value: schemas.TextOf(product)}}}}
	}
	for _, many := range []int{20, 10_000} {
		about := New(many, 1).Touched(view("p1")) - New(many, 1).Touched(view("none"))
		if about != 4 {
			t.Errorf("of %d audiences %v are about looking at p1", many, about)
		}
	}
}
