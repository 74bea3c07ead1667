package flow_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// question is a condition that writes itself in the language of definitions and
// answers itself, in the dumbest way there is, from everything that somebody
// did. The answer shares nothing with the stages, the language included: no
// terms, no series, no rows.
type question struct {
	text    string
	windows []schemas.Instant // that an answer may depend on: those of its parts
	answer  func(*moment) truth
}

// moment is somebody at an instant, as far as was heard by then.
type moment struct {
	person    string
	at        schemas.Instant
	heard     []*schemas.Event // in the order of their coming; none twice
	questions map[string]*question
}

// truth is what CEL makes of comparisons that cannot be made: neither.
type truth int

const (
	no truth = iota
	neither
	yes
)

func truthOf(holds bool) truth {
	if holds {
		return yes
	}
	return no
}

const (
	anHour schemas.Instant = 3_600_000
	aDay                   = 24 * anHour
)

// choices are drawn without rapid: an example of thousands of people is too
// large for it to shrink. See shrink.
type choices struct{ *rand.Rand }

func oneOf[T any](c choices, from ...T) T { return from[c.IntN(len(from))] }

// questions draws so many, under their names. Later ones refer to earlier ones.
func (c choices) questions(many int) (names []string, byName map[string]*question) {
	byName = map[string]*question{}
	for i := range many {
		name := fmt.Sprintf("a%03d", i)
		byName[name] = c.question(2, names, byName)
		names = append(names, name)
	}
	return names, byName
}

func (c choices) question(depth int, names []string, byName map[string]*question) *question {
	switch dice := c.IntN(20); {
	case depth > 0 && dice < 5:
		return both(c.question(depth-1, names, byName), c.question(depth-1, names, byName))
	case depth > 0 && dice < 8:
		return either(c.question(depth-1, names, byName), c.question(depth-1, names, byName))
	case depth > 0 && dice < 9:
		return not(c.question(depth-1, names, byName))
	case dice < 17:
		return c.chain()
	case dice < 18 && len(names) > 0:
		return member(oneOf(c, names...), byName)
	case dice < 19:
		return c.split()
	default:
		return c.attribute()
	}
}

func both(a, b *question) *question {
	return &question{"(" + a.text + " && " + b.text + ")", join(a.windows, b.windows),
		func(m *moment) truth { return min(a.answer(m), b.answer(m)) }}
}

func either(a, b *question) *question {
	return &question{"(" + a.text + " || " + b.text + ")", join(a.windows, b.windows),
		func(m *moment) truth { return max(a.answer(m), b.answer(m)) }}
}

func not(a *question) *question {
	return &question{"!(" + a.text + ")", a.windows, func(m *moment) truth { return yes - a.answer(m) }}
}

func join(a, b []schemas.Instant) []schemas.Instant {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

func member(name string, byName map[string]*question) *question {
	return &question{"in(\"" + name + "\")", byName[name].windows,
		func(m *moment) truth { return truthOf(m.questions[name].answer(m) == yes) }}
}

func (c choices) split() *question {
	share := float64(10 * (1 + c.IntN(9)))
	return &question{fmt.Sprintf("bucket(\"split\") < %v", share), nil, func(m *moment) truth {
		return truthOf(float64(xxhash.Sum64String("split\x00"+m.person)%10_000)/100 < share)
	}}
}

// attribute asks for the newest word about something.
func (c choices) attribute() *question {
	country, age := oneOf(c, "FR", "DE", "ES"), float64(20+10*c.IntN(5))
	return oneOf(c,
		&question{"p.country == \"" + country + "\"", nil, func(m *moment) truth { return truthOf(m.attribute("country") == schemas.TextOf(country)) }},
		&question{"p.country != \"" + country + "\"", nil, func(m *moment) truth { return truthOf(m.attribute("country") != schemas.TextOf(country)) }},
		&question{"p.country in [\"" + country + "\", \"IT\"]", nil, func(m *moment) truth {
			return truthOf(m.attribute("country") == schemas.TextOf(country) || m.attribute("country") == schemas.TextOf("IT"))
		}},
		&question{"has(p.age)", nil, func(m *moment) truth { return truthOf(m.attribute("age").Kind != schemas.Null) }},
		&question{fmt.Sprintf("(p.age >= %v)", age), nil, func(m *moment) truth { return compared(m.attribute("age"), ">=", age) }},
	)
}

func (m *moment) attribute(name string) (newest schemas.Value) {
	var of schemas.Instant
	for _, e := range m.heard {
		for _, p := range e.Attributes {
			if p.Name == name && (e.Time > of || e.Time == of && p.Value.Compare(newest) > 0) {
				newest, of = p.Value, e.Time
			}
		}
	}
	return newest
}

func compared(v schemas.Value, operator string, with float64) truth {
	switch {
	case operator == "==":
		return truthOf(v == schemas.NumberOf(with))
	case operator == "!=":
		return truthOf(v != schemas.NumberOf(with))
	case v.Kind != schemas.Number:
		return neither
	}
	switch operator {
	case "<":
		return truthOf(v.Number < with)
	case "<=":
		return truthOf(v.Number <= with)
	case ">":
		return truthOf(v.Number > with)
	default:
		return truthOf(v.Number >= with)
	}
}

// chain asks about what somebody did.
func (c choices) chain() *question {
	name := oneOf(c, "view", "view", "cart", "purchase", "purchase", "refund", "cancel", "")
	text := "events()"
	if name != "" {
		text = "events(\"" + name + "\")"
	}
	passes := []func(*schemas.Event) bool{func(e *schemas.Event) bool { return name == "" || e.Name == name }}
	for range c.IntN(3) {
		more, pass := c.restriction()
		if strings.HasPrefix(more, ".from") && strings.Contains(text, ".from") || strings.HasPrefix(more, ".on") && strings.Contains(text, ".on") {
			continue // only once
		}
		text, passes = text+more, append(passes, pass)
	}
	window := schemas.Instant(0)
	if c.IntN(10) < 6 {
		w := oneOf(c, windows...)
		text, window = text+".within(\""+w.text+"\")", w.length
	}
	sees := func(m *moment) (seen []*schemas.Event) {
		for _, e := range m.heard {
			if (window == 0 || m.at < e.Time+window) && !slices.ContainsFunc(passes, func(pass func(*schemas.Event) bool) bool { return !pass(e) }) {
				seen = append(seen, e)
			}
		}
		slices.SortStableFunc(seen, func(a, b *schemas.Event) int { return cmp.Compare(a.Time, b.Time) })
		return seen
	}
	end, answer := c.result()
	q := &question{text: strings.ReplaceAll(end, "CHAIN", text), answer: func(m *moment) truth { return answer(sees(m)) }}
	if window > 0 {
		q.windows = []schemas.Instant{window}
	}
	return q
}

type window struct {
	text   string
	length schemas.Instant
}

var windows = []window{
	{"10m", anHour / 6}, {"1h", anHour}, {"2h", 2 * anHour}, {"1d", aDay}, {"7d", 7 * aDay}, {"14d", 14 * aDay},
	{"30d", 30 * aDay}, {"30d", 30 * aDay}, {"90d", 90 * aDay}, {"180d", 180 * aDay}, {"1y", 365 * aDay},
}

func (c choices) restriction() (text string, pass func(*schemas.Event) bool) {
	amount, channel, source := float64(25*(1+c.IntN(8))), oneOf(c, "app", "web", "shop"), oneOf(c, "app", "web")
	from := 1 + c.IntN(300)
	to := from + 1 + c.IntN(60)
	switch c.IntN(8) {
	case 0:
		operator := oneOf(c, "<", "<=", ">", ">=", "==")
		return fmt.Sprintf(".where(e, e.amount %s %v)", operator, amount),
			func(e *schemas.Event) bool { return compared(e.Properties.Get("amount"), operator, amount) == yes }
	case 6:
		return fmt.Sprintf(".where(e, %v <= e.amount && e.campaign in [\"%s\", 3, null])", amount, channel), func(e *schemas.Event) bool {
			of := e.Properties.Get("campaign")
			return compared(e.Properties.Get("amount"), ">=", amount) == yes && (of == schemas.TextOf(channel) || of == schemas.NumberOf(3) || of.Kind == schemas.Null)
		}
	case 7:
		return ".where(e, e.channel in [\"" + channel + "\", \"tv\"])", func(e *schemas.Event) bool { return e.Properties.Get("channel") == schemas.TextOf(channel) }
	case 1:
		return ".where(e, e.channel == \"" + channel + "\")", func(e *schemas.Event) bool { return e.Properties.Get("channel") == schemas.TextOf(channel) }
	case 2:
		return fmt.Sprintf(".where(e, e.channel != \"%s\" || e.amount <= %v)", channel, amount), func(e *schemas.Event) bool {
			return e.Properties.Get("channel") != schemas.TextOf(channel) || compared(e.Properties.Get("amount"), "<=", amount) == yes
		}
	case 3:
		return ".from(\"" + source + "\")", func(e *schemas.Event) bool { return e.Source == source }
	case 4:
		return ".on(\"saturday\", \"sunday\")", func(e *schemas.Event) bool {
			day := e.Time.Time().Weekday()
			return day == time.Saturday || day == time.Sunday
		}
	default:
		day := func(n int) schemas.Instant { return newYear + schemas.Instant(n)*aDay }
		return fmt.Sprintf(".between(\"%s\", \"%s\")", day(from).Time().Format(time.DateOnly), day(to).Time().Format(time.DateOnly)),
			func(e *schemas.Event) bool { return e.Time >= day(from) && e.Time < day(to) }
	}
}

// result ends a chain with something that is true or not.
func (c choices) result() (end string, answer func(seen []*schemas.Event) truth) {
	operator, few, amount := oneOf(c, ">=", ">", "<", "<=", "==", "!="), float64(c.IntN(5)), float64(50*(1+c.IntN(10)))
	aggregate := func(text string, bound float64, of func([]*schemas.Event) schemas.Value) (string, func([]*schemas.Event) truth) {
		return fmt.Sprintf("(CHAIN.%s %s %v)", text, operator, bound), func(seen []*schemas.Event) truth { return compared(of(seen), operator, bound) }
	}
	switch c.IntN(14) {
	case 0, 1:
		return "CHAIN.any()", func(seen []*schemas.Event) truth { return truthOf(len(seen) > 0) }
	case 2, 3:
		return "CHAIN.none()", func(seen []*schemas.Event) truth { return truthOf(len(seen) == 0) }
	case 4, 5, 6:
		return aggregate("count()", few, func(seen []*schemas.Event) schemas.Value { return schemas.NumberOf(float64(len(seen))) })
	case 7:
		return aggregate("sum(\"amount\")", amount, sumOf)
	case 8:
		return aggregate("avg(\"amount\")", amount/2, func(seen []*schemas.Event) schemas.Value {
			if n := len(amountsOf(seen)); n > 0 {
				return schemas.NumberOf(sumOf(seen).Number / float64(n))
			}
			return schemas.Value{}
		})
	case 9:
		return aggregate("max(\"amount\")", amount/2, func(seen []*schemas.Event) schemas.Value {
			return endOf(slices.Sorted(slices.Values(amountsOf(seen))), -1)
		})
	case 10:
		return aggregate("min(\"amount\")", amount/4, func(seen []*schemas.Event) schemas.Value {
			return endOf(slices.Sorted(slices.Values(amountsOf(seen))), 0)
		})
	case 11:
		return aggregate("unique(\"channel\")", float64(1+c.IntN(3)), func(seen []*schemas.Event) schemas.Value {
			different := map[schemas.Value]bool{}
			for _, e := range seen {
				if v := e.Properties.Get("channel"); v.Kind != schemas.Null {
					different[v] = true
				}
			}
			return schemas.NumberOf(float64(len(different)))
		})
	case 12:
		return aggregate("ratio(e, e.channel == \"app\")", 0.5, func(seen []*schemas.Event) schemas.Value {
			apps := slices.DeleteFunc(slices.Clone(seen), func(e *schemas.Event) bool { return e.Properties.Get("channel") != schemas.TextOf("app") })
			if len(seen) == 0 {
				return schemas.Value{}
			}
			return schemas.NumberOf(float64(len(apps)) / float64(len(seen)))
		})
	default:
		which, channel := oneOf(c, "first", "last"), oneOf(c, "app", "web", "shop")
		return fmt.Sprintf("(CHAIN.%s(\"channel\") == \"%s\")", which, channel), func(seen []*schemas.Event) truth {
			return truthOf(endOfAll(seen, which == "last") == schemas.TextOf(channel))
		}
	}
}

func amountsOf(seen []*schemas.Event) (amounts []float64) {
	for _, e := range seen {
		if v := e.Properties.Get("amount"); v.Kind == schemas.Number {
			amounts = append(amounts, v.Number)
		}
	}
	return amounts
}

// sumOf adds up amounts, which are whole: the order does not matter.
func sumOf(seen []*schemas.Event) schemas.Value {
	sum := 0.0
	for _, amount := range amountsOf(seen) {
		sum += amount
	}
	return schemas.NumberOf(sum)
}

// endOf is the first or, at -1, the last of sorted numbers.
func endOf(sorted []float64, at int) schemas.Value {
	if len(sorted) == 0 {
		return schemas.Value{}
	}
	return schemas.NumberOf(sorted[(at+len(sorted))%len(sorted)])
}

// endOfAll is the oldest or newest channel; of two at one instant the lesser is older.
func endOfAll(seen []*schemas.Event, last bool) (end schemas.Value) {
	var at schemas.Instant
	for _, e := range seen {
		v := e.Properties.Get("channel")
		order := cmp.Or(cmp.Compare(e.Time, at), v.Compare(end))
		if v.Kind != schemas.Null && (end.Kind == schemas.Null || last == (order > 0)) {
			end, at = v, e.Time
		}
	}
	return end
}
