package identity_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kairos/processors/definition"
	"kairos/schemas"
)

// bound are loose rules with devices whose links hold for a session, which half
// an hour of rest ends.
func bound() definition.IdentityRules {
	rules := loose()
	rules.Namespaces[2].Session = 30 * time.Minute
	return rules
}

// at is event for a moment of the first day of 2026.
func at(clock, id string, identifiers ...string) *schemas.Event {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return event(id, t.Hour()*60+t.Minute(), identifiers...)
}

// sessions tells for each part of a device's sessions who else is of its person.
func (w *world) sessions(device string) map[string]string {
	people, of := w.people(), map[string]string{}
	for key, person := range people {
		_, start, ok := schemas.SessionOf(key)
		if !ok || schemas.IdentifierOf(key).String() != device {
			continue
		}
		who := ""
		for other, p := range people {
			if p == person && !schemas.IsSession(other) {
				who += other
			}
		}
		of[start.Time().Format("15:04")] = who
	}
	return of
}

func TestASessionIsThePersonsWhoLogsInAndNoLongerThanItLasts(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []*schemas.Event
		want   map[string]string
	}{
		{"what came before the login is hers at once", []*schemas.Event{at("09:00", "1", "device:x"), at("09:20", "2", "email:a", "device:x")}, map[string]string{"09:00": "email:a"}},
		{"what came after is hers", []*schemas.Event{at("09:00", "1", "email:a", "device:x"), at("09:29", "2", "device:x")}, map[string]string{"09:00": "email:a"}},
		{"until the gap", []*schemas.Event{at("09:00", "1", "email:a", "device:x"), at("09:29", "2", "device:x"), at("09:59", "3", "device:x")}, map[string]string{"09:00": "email:a", "09:30": ""}},
		{"a minute less is no gap", []*schemas.Event{at("09:00", "1", "email:a", "device:x"), at("09:29", "2", "device:x"), at("09:58", "3", "device:x")}, map[string]string{"09:00": "email:a", "09:30": "email:a"}},
		{"a long session is one", []*schemas.Event{at("09:00", "1", "device:x"), at("09:25", "2", "device:x"), at("09:50", "3", "device:x"), at("10:15", "4", "device:x"), at("10:40", "5", "email:a", "device:x")}, map[string]string{"09:00": "email:a", "09:30": "email:a", "10:00": "email:a", "10:30": "email:a"}},
		{"what she does under her name keeps it alive", []*schemas.Event{at("09:10", "1", "device:x"), at("09:20", "2", "email:a", "device:x"), at("09:45", "3", "email:a", "device:x"), at("10:10", "4", "device:x")}, map[string]string{"09:00": "email:a", "09:30": "email:a", "10:00": "email:a"}},
		{"the next one is whose it is", []*schemas.Event{at("09:00", "1", "device:x"), at("09:01", "2", "email:a", "device:x"), at("12:00", "3", "device:x"), at("12:01", "4", "email:b", "device:x"), at("18:00", "5", "device:x")}, map[string]string{"09:00": "email:a", "12:00": "email:b", "18:00": ""}},
		{"two who log in at once have none of it", []*schemas.Event{at("09:00", "1", "device:x"), at("09:01", "2", "email:a", "device:x"), at("09:02", "3", "email:b", "device:x")}, map[string]string{"09:00": ""}},
		{"of one who follows another each has a part, and what lies between is the first one's", []*schemas.Event{at("09:00", "1", "device:x"), at("09:20", "2", "email:a", "device:x"), at("09:40", "3", "device:x"), at("10:05", "4", "email:b", "device:x"), at("10:20", "5", "device:x")}, map[string]string{"09:00": "email:a", "09:30": "email:a", "10:00": "email:b"}},
		{"a session of names only is nobody's", []*schemas.Event{at("09:00", "1", "email:a", "device:x"), at("12:00", "2", "email:b", "device:x")}, map[string]string{}},
		{"an unlink takes all sessions back", []*schemas.Event{at("09:00", "1", "device:x"), at("09:00", "2", "email:a", "device:x"), at("12:00", "3", "device:x"), at("12:00", "4", "email:a", "device:x"), part("email:a", "device:x")}, map[string]string{"09:00": "", "12:00": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := strongestFirst(c.events)
			want := naive(events, bound())
			permutations(len(events), func(order []int) {
				w := run(t, 0, bound(), arranged(events, order), pseudo(uint64(1+order[0])))
				w.checkAgainst(t, events, want)
				if got := w.sessions("device:x"); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Fatalf("sessions are %v, want %v", got, c.want)
				}
			})
		})
	}
}

func part(a, b string) *schemas.Event { return command("$unlink", "part", minutesOfDay-1, a, b) }

// visits draws events that often meet in sessions, told at once or late.
func visits(t *rapid.T, most int) []*schemas.Event {
	events := history(t, most)
	for _, e := range events {
		e.Time = instant(rapid.SampledFrom([]int{0, 1, 9, 10, 29, 30, 31, 55, 60, 89, 90, 150, minutesOfDay - 20, minutesOfDay - 1, minutesOfDay, minutesOfDay + 40}).Draw(t, "time"))
		e.Received = max(e.Received, e.Time)
	}
	return events
}

// boundRules are any rules, with sessions of devices, accounts or both.
func boundRules(t *rapid.T) definition.IdentityRules {
	rules := anyRules(t)
	gap := time.Duration(rapid.SampledFrom([]int{1, 7, 30, 60, 1440}).Draw(t, "gap")) * time.Minute
	which := rapid.IntRange(1, 3).Draw(t, "bound")
	if which&1 != 0 {
		rules.Namespaces[2].Session = gap
	}
	if which&2 != 0 {
		rules.Namespaces[1].Session = gap
	}
	return rules
}

func TestSessionsAreWhatANaiveModelOfTheWholeHistorySays(t *testing.T) {
	chained := 0
	for _, partitions := range []uint32{1, 4, 0} {
		t.Run(fmt.Sprintf("%d partitions", partitions), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rules, events := boundRules(t), visits(t, 40)
				events = admitted(events, rules)
				for range 3 {
					w := run(t, partitions, rules, rapid.Permutation(events).Draw(t, "order"), anyPick(t))
					w.check(t, events, rules)
					for _, key := range w.keys() {
						if s := w.row(key).Session; s != nil && s.Chained {
							chained++
						}
					}
				}
			})
		})
	}
	if chained == 0 && !testing.Short() {
		t.Error("no session had two parts")
	}
}
