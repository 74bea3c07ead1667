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
	seen := func(lag, rows int64, at time.Time) *sight {
		return &sight{cluster.Status{Groups: []cluster.GroupStatus{{Group: "kairos.person", Stages: []string{"profile"}, State: "Stable", Partitions: 4, Owned: 4, Lag: lag, LagSeconds: 12, Rows: rows}}}, at}
	}
	for want, lags := range map[string][2]int64{
		"catches up by 100 records a second, there in 3s": {500, 300},
		"falls behind by 100 records a second":            {300, 500},
		"nothing waits":                                   {300, 0},
		"keeps its distance":                              {300, 301},
	} {
		said := strings.Join(seen(lags[1], 1400, at.Add(2*time.Second)).lines(seen(lags[0], 1000, at), time.Minute), "\n")
		if !strings.Contains(said, want) || !strings.Contains(said, "200 rows written a second") || !strings.Contains(said, "all is well") {
			t.Errorf("of %v it says\n%s\nwant %s", lags, said, want)
		}
	}
	if said := strings.Join(seen(5, 0, at).lines(nil, time.Second), "\n"); !strings.Contains(said, "! kairos.person: what people did 12 s ago") {
		t.Errorf("of who is late it says %s", said)
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
