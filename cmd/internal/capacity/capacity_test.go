package capacity

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

func measured(t *testing.T) Measured {
	t.Helper()
	m, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func computed(t *testing.T, m Measured, l Load) Plan {
	t.Helper()
	p, err := Compute(m, l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func load(events, people, audiences float64) Load {
	l := Default()
	l.Events, l.People, l.Audiences = events, people, audiences
	return l
}

func TestTwiceTheEventsTakeTwiceTheCoresAndTheLog(t *testing.T) {
	m := measured(t)
	one, two := computed(t, m, load(1e7, 1e6, 100)), computed(t, m, load(2e7, 1e6, 100))
	for what, pair := range map[string][2]float64{
		"cores": {one.Cores, two.Cores}, "broker's cores": {one.BrokerCores, two.BrokerCores},
		"log": {one.LogBytes, two.LogBytes}, "network": {one.NetworkIn, two.NetworkIn},
	} {
		if ratio := pair[1] / pair[0]; math.Abs(ratio-2) > 0.02 {
			t.Errorf("%s: %g becomes %g, want twice that", what, pair[0], pair[1])
		}
	}
	if one.StateBytes != two.StateBytes {
		t.Error("tables grow with events, want only with people")
	}
}

func TestMoreAudiencesCostWhatAnEventTouchesOfThem(t *testing.T) {
	m := measured(t)
	few, many := computed(t, m, load(1e5, 1e5, 20)), computed(t, m, load(1e5, 1e5, 10_000))
	want := m.ClientMicros + m.MicrosPerTouched*(10_000*m.TouchedPerAudience-m.Touched)
	if few.MicrosPerEvent != m.ClientMicros || math.Abs(many.MicrosPerEvent-want) > 0.01 {
		t.Errorf("an event costs %g and %g us, want %g and %g", few.MicrosPerEvent, many.MicrosPerEvent, m.ClientMicros, want)
	}
	asked := load(1e5, 1e5, 10_000)
	asked.Touched = m.Touched
	if p := computed(t, m, asked); p.MicrosPerEvent != m.ClientMicros {
		t.Errorf("who says what is touched is not believed: %g us", p.MicrosPerEvent)
	}
}

func TestTheMorePeopleACoreHasTheMoreAnEventCosts(t *testing.T) {
	m := measured(t)
	few, many := computed(t, m, load(1e6, 1e5, 20)), computed(t, m, load(1e6, 1e8, 20))
	if few.MicrosPerEvent != m.ClientMicros {
		t.Errorf("with few people an event costs %g us, want what was measured, %g", few.MicrosPerEvent, m.ClientMicros)
	}
	want := m.ClientMicros * (1 + m.MorePerTenfold*math.Log10(1e8/many.Cores/m.PeoplePerCore))
	if math.Abs(many.MicrosPerEvent-want) > 0.01*want || many.Cores <= few.Cores {
		t.Errorf("with %.0f people a core an event costs %g us, want %g; %g cores instead of %g", 1e8/many.Cores, many.MicrosPerEvent, want, many.Cores, few.Cores)
	}
}

func TestManyPeopleNeedProcessesForTheirMemoryAlone(t *testing.T) {
	p := computed(t, measured(t), load(10, 1e9, 20))
	if p.Cores > 1 || p.Processes < 100 || p.MemoryEach > memoryProcess*1.01 {
		t.Errorf("%g cores, %g processes of %g bytes", p.Cores, p.Processes, p.MemoryEach)
	}
	if p.RowsEach > mostRows || math.Mod(p.Partitions, p.Processes) != 0 {
		t.Errorf("%g partitions of %g rows for %g processes", p.Partitions, p.RowsEach, p.Processes)
	}
}

func TestWhatBreaksFirstStandsFirst(t *testing.T) {
	p := computed(t, measured(t), load(2e6, 1e8, 1000))
	for i := 1; i < len(p.Limits); i++ {
		if p.Limits[i].Used > p.Limits[i-1].Used {
			t.Errorf("%s (%.2f) stands behind %s (%.2f)", p.Limits[i].What, p.Limits[i].Used, p.Limits[i-1].What, p.Limits[i-1].Used)
		}
	}
	if text := p.Text(); !strings.Contains(text, "what breaks first") || !strings.Contains(text, p.Limits[0].Lift) || !strings.Contains(text, p.Assumptions[0]) {
		t.Errorf("the table lacks limits or assumptions:\n%s", text)
	}
}

func TestALoadThatMakesNoSenseIsRefused(t *testing.T) {
	for _, spoil := range []func(*Load){
		func(l *Load) { l.Events = 0 }, func(l *Load) { l.People = math.NaN() }, func(l *Load) { l.Audiences = -1 },
		func(l *Load) { l.Replicas = 0 }, func(l *Load) { l.Utilisation = 1.5 },
		func(l *Load) { l.Skew = -1 }, func(l *Load) { l.Skew = math.NaN() }, func(l *Load) { l.Partitions = 1.5 }, func(l *Load) { l.Partitions = -1 }, func(l *Load) { l.Partitions = 1e9 },
	} {
		l := load(1, 1, 1)
		spoil(&l)
		if l.Validate() == nil {
			t.Errorf("%+v is not refused", l)
		}
	}
}

func TestTheFiguresAreThoseOfTheResults(t *testing.T) {
	m := measured(t)
	var chained struct {
		Backlog struct {
			Client float64 `json:"client_cpu_us_per_event"`
			Broker float64 `json:"broker_cpu_us_per_event"`
			Bytes  float64 `json:"topic_bytes_per_event"`
		} `json:"backlog"`
	}
	data, err := os.ReadFile("../../../loadtest/results/chained.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &chained); err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]float64{
		"client_us_per_event": {m.ClientMicros, chained.Backlog.Client},
		"broker_us_per_event": {m.BrokerMicros, chained.Backlog.Broker},
		"bytes_per_event":     {m.Bytes, chained.Backlog.Bytes},
	} {
		if math.Abs(pair[0]-pair[1]) > 0.01*pair[1] {
			t.Errorf("measured.json says %s is %g, loadtest/results/chained.json %g", what, pair[0], pair[1])
		}
	}
}

func TestPeopleAlikeMakePartitionsAlike(t *testing.T) {
	l := load(2e6, 1e8, 20)
	l.Partitions, l.Skew = 1000, 0
	p := computed(t, measured(t), l)
	if s := p.asked(); s.Busiest > 1.05 || s.Least < 0.95 || s.Hottest > 1e-7 {
		t.Errorf("nobody does more than others, and yet %+v", s)
	}
	last := Skew{Busiest: 1}
	for _, s := range p.Skews {
		if s.Busiest < last.Busiest || s.Hottest < last.Hottest || s.Least > 1 || s.Process > 1.05*s.Busiest {
			t.Errorf("%+v after %+v: more of a few, and yet less unequal", s, last)
		}
		last = s
	}
	// By hand: of 1e8 people with 1/k the first has 1 of 0.5772 + ln(1e8).
	if s := skew(p, places(p), 1); math.Abs(s.Hottest-1/(0.57722+math.Log(1e8))) > 1e-5 {
		t.Errorf("the first has %g of all events", s.Hottest)
	}
}

func TestOnlyThePartitionsOfWhoGoesMove(t *testing.T) {
	l := load(2e6, 1e8, 1000)
	l.Partitions = 1000
	p := computed(t, measured(t), l)
	n := int(p.Processes)
	fair := 1000/n + 1
	want := map[string]int{"a process is added": fair, "a process dies": fair, "a process ends in good order": fair, "all are restarted, one after the other": 0}
	for _, r := range p.Rebalances {
		if most, known := want[r.What]; known && r.Moved > most {
			t.Errorf("%s: %d of 1000 partitions move, %d are a fair part of %d processes", r.What, r.Moved, most, n)
		}
		if r.Unequally > 1 || r.Moved > 0 && (r.Recovery <= 0 || r.CaughtUp >= 0 && r.CaughtUp < r.Wait) {
			t.Errorf("%+v", r)
		}
	}
	if len(p.Rebalances) != 5 {
		t.Errorf("%d kinds of rebalance, want 5", len(p.Rebalances))
	}
}

func TestALoneProcessHasNobodyToLeaveItsPartitionsTo(t *testing.T) {
	for _, r := range computed(t, measured(t), load(10, 10, 1)).Rebalances {
		if r.What == "a process dies" {
			t.Errorf("%+v", r)
		}
	}
}
