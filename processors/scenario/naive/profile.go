package naive

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"kairos/processors/definition"
	"kairos/processors/expression"
	"kairos/schemas"
)

// told is an event as a profile takes it: by whom, and when it happened.
type told struct {
	by    string // primary identifier
	at    schemas.Instant
	event schemas.Event
	again bool // it counted before
}

// heard lists the events until t that count, in the order of the log:
// duplicates and commands left out, those from the future as of now.
func heard(history []schemas.Event, plan *definition.Plan, t schemas.Instant) []told {
	return slices.DeleteFunc(messages(history, plan, t), func(e told) bool { return e.again })
}

// messages lists the duplicates as well.
func messages(history []schemas.Event, plan *definition.Plan, t schemas.Instant) []told {
	type id struct{ by, event string }
	accepted := map[id]schemas.Instant{}
	var all []told
	for _, e := range history {
		ids := strongestFirst(e.Identifiers, plan.Identity)
		if e.Received > t || len(ids) == 0 || e.Name == "$unlink" || e.Name == "$relink" {
			continue
		}
		same := id{keyOf(plan.Identity, ids[0], e), e.ID}
		if at, ok := accepted[same]; ok && e.Received < at.Add(plan.Profile.DuplicateWindow) {
			all = append(all, told{same.by, at, e, true})
			continue
		}
		accepted[same] = e.Received
		all = append(all, told{same.by, min(e.Time, e.Received), e, false})
	}
	return all
}

// value computes a term at t by looking at every event.
func value(term *expression.Term, events []told, t schemas.Instant) schemas.Value {
	if term.Sequence != nil {
		return sequence(term, events, t)
	}
	var points []point
	for _, e := range events {
		s := term.Series
		if s.Event != "" && s.Event != e.event.Name || !within(e.at, t, term.Window) || s.Calendar != nil && !samePeriod(s.Calendar, e.at, t) {
			continue
		}
		event := e.event
		event.Time = e.at
		if s.Match != nil && !s.Match(&event) {
			continue
		}
		p := point{at: e.at}
		if s.Value != nil {
			p.value = s.Value(&event)
		}
		points = append(points, p)
	}
	slices.SortFunc(points, byTime)
	points = limited(points, term.Limit)
	if term.Aggregate > expression.Unique {
		return term.Compared(movingAggregate(term, points, t))
	}
	var values []schemas.Value
	for _, p := range points {
		if p.value.Kind != schemas.Null {
			values = append(values, p.value)
		}
	}
	return term.Compared(aggregate(term.Aggregate, len(points), values))
}

func within(at, t schemas.Instant, window time.Duration) bool {
	return at <= t && (window == 0 || t < at.Add(window))
}

// aggregate is what the values, oldest first, come to.
func aggregate(a expression.Aggregate, points int, values []schemas.Value) schemas.Value {
	var numbers []float64
	var different []schemas.Value
	micros := new(big.Int)
	for _, v := range values {
		if v.Kind == schemas.Number {
			numbers = append(numbers, v.Number)
			micros.Add(micros, big.NewInt(int64(math.Round(v.Number*1e6))))
		}
		if !slices.Contains(different, v) {
			different = append(different, v)
		}
	}
	sum, _ := new(big.Float).SetInt(micros).Float64()
	switch {
	case a == expression.Any:
		return schemas.BooleanOf(points > 0)
	case a == expression.None:
		return schemas.BooleanOf(points == 0)
	case a == expression.Count:
		return schemas.NumberOf(float64(points))
	case a == expression.Sum:
		return schemas.NumberOf(sum / 1e6)
	case a == expression.Unique:
		return schemas.NumberOf(float64(len(different)))
	case a == expression.First && len(values) > 0:
		return values[0]
	case a == expression.Last && len(values) > 0:
		return values[len(values)-1]
	case a == expression.Avg && len(numbers) > 0:
		return schemas.NumberOf(sum / 1e6 / float64(len(numbers)))
	case a == expression.Min && len(numbers) > 0:
		return schemas.NumberOf(slices.Min(numbers))
	case a == expression.Max && len(numbers) > 0:
		return schemas.NumberOf(slices.Max(numbers))
	}
	return schemas.Value{}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// words are the attributes that an event sets, with what it says of consent.
func words(e *schemas.Event) schemas.Properties {
	all := map[string]schemas.Value{}
	if e.Name == "consent" {
		for _, p := range e.Properties {
			if p.Value.Kind == schemas.Boolean && p.Name != "gpc" {
				all["consent."+p.Name] = p.Value
			}
		}
	}
	if e.Properties.Get("gpc").True() {
		for _, purpose := range []string{"sale", "sharing", "targeted_advertising"} {
			all["consent."+purpose] = schemas.BooleanOf(false)
		}
	}
	for _, p := range e.Attributes {
		all[p.Name] = p.Value
	}
	var said schemas.Properties
	for name, value := range all {
		said = said.Set(name, value)
	}
	return said
}

// attributes lets the claims of all events compete, field by field.
func attributes(events []told, rules definition.ProfileRules) schemas.Properties {
	type claim struct {
		told
		value schemas.Value
	}
	claims := map[string][]claim{}
	for _, e := range events {
		for _, p := range words(&e.event) {
			claims[p.Name] = append(claims[p.Name], claim{e, p.Value})
		}
	}
	var all schemas.Properties
	for name, about := range claims {
		rule := rules.Survivorship[name]
		if rule == definition.First || rule == definition.Largest || rule == definition.Union { // a removal takes what was before it
			removed := schemas.Instant(-1)
			for _, c := range about {
				if c.value.Kind == schemas.Null {
					removed = max(removed, c.at)
				}
			}
			about = slices.DeleteFunc(about, func(c claim) bool { return c.value.Kind == schemas.Null || c.at < removed })
		}
		if len(about) == 0 {
			continue
		}
		if rule == definition.Union {
			var values []schemas.Value
			for _, c := range about {
				if !slices.Contains(values, c.value) {
					values = append(values, c.value)
				}
			}
			slices.SortFunc(values, schemas.Value.Compare)
			all = all.Set(name, expression.ListOf(values))
			continue
		}
		best := slices.MaxFunc(about, func(a, b claim) int {
			newer := cmp.Compare(a.at, b.at)
			stronger := cmp.Compare(rules.SourcePriority[a.event.Source], rules.SourcePriority[b.event.Source])
			greater := a.value.Compare(b.value)
			if strings.HasPrefix(name, "consent.") { // of two words at one moment the refusal
				return cmp.Or(newer, b2i(!a.value.True())-b2i(!b.value.True()), greater)
			}
			switch rule {
			case definition.Priority:
				return cmp.Or(stronger, newer, greater)
			case definition.First:
				return cmp.Or(-newer, stronger, greater)
			case definition.Largest:
				return cmp.Or(greater, newer, stronger)
			}
			return cmp.Or(newer, stronger, greater)
		})
		if best.value.Kind != schemas.Null {
			all = all.Set(name, best.value)
		}
	}
	return all
}
