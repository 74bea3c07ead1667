package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"kairos/cmd/internal/cluster"
)

func TestTopSaysWhereALagGoes(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	look := func(lag, rows int64, at time.Time, mostLag time.Duration) *sight {
		groups := []cluster.GroupStatus{{Group: "kairos.person", Stages: []string{"profile"}, State: "Stable", Partitions: 4, Owned: 4, Lag: lag, LagSeconds: 12, Rows: rows}}
		return &sight{seen{Status: cluster.Status{Groups: groups}, mostLag: mostLag}, at}
	}
	for want, lags := range map[string][2]int64{
		"catches up by 100 records a second, there in 3s": {500, 300},
		"falls behind by 100 records a second":            {300, 500},
		"nothing waits":                                   {300, 0},
		"keeps its distance":                              {300, 301},
	} {
		before, now := look(lags[0], 1000, at, time.Minute), look(lags[1], 1400, at.Add(2*time.Second), time.Minute)
		said := strings.Join(now.lines(before, false), "\n")
		if !strings.Contains(said, want) || !strings.Contains(said, "200 rows written a second") || !strings.Contains(said, "all is well") {
			t.Errorf("of %v it says\n%s\nwant %s", lags, said, want)
		}
	}
	said := strings.Join(look(5, 0, at, time.Second).lines(nil, false), "\n")
	if wrong, table := strings.Index(said, "! kairos.person: what people did 12s ago"), strings.Index(said, "GROUP"); wrong < 0 || wrong > table {
		t.Errorf("of who is late it does not say first, but %s", said)
	}
}

func TestTopShowsWhatFitsAndSaysWhatDoesNot(t *testing.T) {
	for height, want := range map[int]string{0: "a b c d", 5: "a b c d", 4: "a b … and 2 lines more", 1: "… and 4 lines more"} {
		if got := strings.Join(fitting([]string{"a", "b", "c", "d"}, height), " "); got != want {
			t.Errorf("on %d lines it shows %q, want %q", height, got, want)
		}
	}
}

func TestTopLooksUntilItIsStopped(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "topology", "apply", brokers)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	shown := &lines{more: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() {
		p := &process{Context: ctx, out: shown, err: shown, screen: true, width: func() int { return 100 }}
		ended <- run(p, []string{"top", "--every=50ms", brokers})
	}()
	await(t, "it has drawn twice", func() bool { return strings.Count(shown.said(), "kairos.identity: 4 of 4") >= 2 })
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("it ends with %d: %s", code, shown.said())
	}
}

func TestAnInventedPersonIsMeasuredThroughEverything(t *testing.T) {
	brokers := embedded(t)
	file := t.TempDir() + "/probe.yaml"
	write(t, file, "kind: audience\nname: kairos_probe\nwhen: events(\"kairos_probe\").within(\"1m\").any()\n")
	expect(t, 0, "apply", "-f", file, brokers, "--partitions=2")
	r := start(t, brokers)
	r.await(t, "/ready", http.StatusOK)
	flags := []string{"probe", "--door=http://" + r.door, "--api=http://" + r.api, "--every=1ms", "--verbose"}
	if said := expect(t, 0, append(flags, "--times=3")...); strings.Count(said, "is in the audience") != 3 {
		t.Errorf("it says %s", said)
	}
	if said := expect(t, exitNo, append(flags, "--times=2", "--people=1")...); !strings.Contains(said, "is still in kairos_probe") {
		t.Errorf("of people who come again too soon it says %s", said)
	}
	if said := expect(t, exitNo, append(flags, "--times=1", "--audience=nobody", "--patience=100ms")...); !strings.Contains(said, "step=entry") {
		t.Errorf("of an audience that is not published it says %s", said)
	}
	if said := expect(t, exitNo, append(flags, "--times=1", "--api=http://127.0.0.1:1")...); !strings.Contains(said, "step=api") {
		t.Errorf("without an API it says %s", said)
	}
}
