package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/crowd"
	"kairos/cmd/internal/tally"
)

// asked runs a command with --json and reads its answer.
func asked[T any](t *testing.T, args ...string) (value T) {
	t.Helper()
	said := expect(t, 0, append(args, "--json")...)
	if err := json.Unmarshal([]byte(said), &value); err != nil {
		t.Fatalf("kairos %s says %s: %v", strings.Join(args, " "), said, err)
	}
	return value
}

// gauge reads the sizes that a process measures.
func (r *running) gauge(t *testing.T) map[string]int {
	t.Helper()
	response, err := http.Get("http://" + r.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for line := range strings.Lines(string(text)) {
		rest, ours := strings.CutPrefix(line, `kairos_audience_members{audience="`)
		if !ours {
			continue
		}
		name, value, _ := strings.Cut(rest, `"} `)
		size, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if size != 0 {
			sizes[name] = int(size)
		}
	}
	return sizes
}

// counted reads the sizes from the stream of transitions, from its start.
func counted(t *testing.T, brokers string) map[string]int {
	t.Helper()
	client, err := cluster.Connect(t.Context(), []string{strings.TrimPrefix(brokers, "--brokers=")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithCancel(t.Context())
	listened := make(chan error, 1)
	counts := tally.New()
	go func() { listened <- counts.Listen(ctx, client) }()
	if err := counts.CatchUp(ctx, client); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-listened; err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{}
	for _, c := range counts.Counts() {
		if c.Size != 0 {
			sizes[c.Name] = c.Size
		}
	}
	return sizes
}

func inTables(t *testing.T, brokers string) map[string]int {
	t.Helper()
	sizes := map[string]int{}
	for _, a := range asked[[]crowd.Audience](t, "audience", "size", brokers) {
		if a.Size != 0 {
			sizes[a.Name] = a.Size
		}
	}
	return sizes
}

func TestSizesAgreeInTheTableTheTransitionsAndTheMetrics(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=3")
	t.Run("as it goes", func(t *testing.T) {
		r := start(t, brokers, "--clock=log")
		r.await(t, "/readyz", http.StatusOK)
		expect(t, 0, "replay", "cdnow", brokers, "--to=1997-01-12")
		table := inTables(t, brokers)
		if len(table) < 5 {
			t.Fatalf("too little happened to prove anything: %v", table)
		}
		if stream, metric := counted(t, brokers), r.gauge(t); !maps.Equal(table, stream) || !maps.Equal(table, metric) {
			t.Errorf("table\n%v\ntransitions\n%v\nmetrics\n%v", table, stream, metric)
		}
	})
	// Somebody else takes over, and an audience is retired by an edit.
	write(t, filepath.Join(folder, "a.yaml"), "kind: audience\nname: first_purchase\nstate: retired\nwhen: events(\"purchase\").any()\n")
	r := start(t, brokers, "--clock=log")
	r.await(t, "/readyz", http.StatusOK)
	if metric := r.gauge(t); !maps.Equal(inTables(t, brokers), metric) {
		t.Errorf("after a restart the metrics say %v", metric)
	}
	expect(t, 0, "apply", "-f", filepath.Join(folder, "a.yaml"), brokers)
	await(t, "everybody has left the retired audience", func() bool { return inTables(t, brokers)["first_purchase"] == 0 })
	table := inTables(t, brokers)
	await(t, "the metrics say so too", func() bool { return maps.Equal(table, r.gauge(t)) })
	if stream := counted(t, brokers); !maps.Equal(table, stream) {
		t.Errorf("table\n%v\ntransitions\n%v", table, stream)
	}
}

func TestQuestionsAboutAudiencesAreAnswered(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	write(t, filepath.Join(folder, "a.yaml"), `
kind: audience
name: buyers
owner: crm
when: events("purchase").any()
---
kind: audience
name: french
when: p.country == "FR"
---
kind: audience
name: french_buyers
state: draft
schedule: {from: 2126-01-01}
when: in("buyers") && p.country == "FR" && events("purchase").count() >= 2
---
kind: audience
name: curious
state: draft
when: events("view").any() || in("french_buyers")
`)
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=2")
	r := start(t, brokers)
	r.await(t, "/readyz", http.StatusOK)
	door := "--door=http://" + r.door
	for i, country := range []string{"FR", "FR", "DE", "DE", "DE", "FR"} {
		for n := range i % 3 { // 0 1 2 0 1 2 purchases
			expect(t, 0, "send", door, fmt.Sprintf(`{"id": "%d-%d", "name": "purchase", "identifiers": {"email": "p%d@example.org"}}`, i, n, i))
		}
		expect(t, 0, "send", door, fmt.Sprintf(`{"name": "view", "identifiers": {"email": "p%d@example.org"}, "attributes": {"country": %q}}`, i, country))
	}
	await(t, "all of it is in the tables", func() bool { return maps.Equal(inTables(t, brokers), map[string]int{"buyers": 4, "french": 3}) })

	if said := expect(t, 0, "audience", "list", brokers); !strings.Contains(said, "buyers") || !strings.Contains(said, "draft") || !strings.Contains(said, "crm") {
		t.Errorf("list says %s", said)
	}
	if view := asked[crowd.Preview](t, "audience", "preview", "french_buyers", brokers); view.Size != 1 || view.People != 6 || view.Enter != 1 ||
		len(view.Members) != 1 || view.Members[0].Identifiers[0] != "email=p5@example.org" || len(view.Unknown) != 0 {
		t.Errorf("the draft: %+v", view)
	}
	if view := asked[crowd.Preview](t, "audience", "preview", "curious", brokers); view.Size != 6 || view.Doubtful != 0 || len(view.Unknown) != 0 {
		t.Errorf("a draft that asks for events that only timelines keep: %+v", view)
	}
	for draft, size := range map[string]int{"french_buyers": 1, "curious": 6} {
		if view := asked[crowd.Preview](t, "audience", "preview", draft, brokers, "--log"); view.Size != size || view.Enter != size || view.People != 6 || view.Log == 0 {
			t.Errorf("%s by the log: %+v", draft, view)
		}
	}
	if said := expect(t, 3, "audience", "preview", "curious", brokers, "--log", "--most=5"); !strings.Contains(said, "more than the 5") || !strings.Contains(said, "--most") {
		t.Errorf("a log that is too long: %s", said)
	}
	edit := filepath.Join(t.TempDir(), "b.yaml")
	write(t, edit, "kind: audience\nname: buyers\nwhen: events(\"purchase\").none()\n")
	if view := asked[crowd.Preview](t, "audience", "preview", "buyers", brokers, "-f", edit); view.Size != 2 || view.Enter != 2 || view.Exit != 4 {
		t.Errorf("the edit: %+v", view)
	}
	if view := asked[crowd.Preview](t, "audience", "preview", "buyers", brokers, "-f", edit, "--log"); view.Size != 2 || view.Enter != 2 || view.Exit != 4 {
		t.Errorf("the edit by the log: %+v", view)
	}

	first := asked[crowd.Page](t, "audience", "members", "buyers", brokers, "--limit=3")
	rest := asked[crowd.Page](t, "audience", "members", "buyers", brokers, "--limit=3", "--after="+first.Next)
	if first.Size != 4 || len(first.Members) != 3 || len(rest.Members) != 1 || rest.Next != "" || rest.Members[0].Person <= first.Next {
		t.Errorf("pages %+v, %+v", first, rest)
	}
	overlap := asked[crowd.Overlap](t, "audience", "overlap", "buyers", "french", brokers)
	if p := overlap.Pairs[0]; p.Both != 2 || p.Jaccard != 0.4 { // of five who are in any of the two
		t.Errorf("overlap %+v", overlap)
	}
	entered := 0
	for _, h := range asked[[]crowd.Hour](t, "audience", "churn", "buyers", brokers) {
		entered += h.Entered - h.Exited
	}
	if entered != 4 {
		t.Errorf("churn adds up to %d", entered)
	}
	d := asked[crowd.Distinction](t, "audience", "distinguish", "french", brokers, "--least=1")
	if d.Members != 3 || d.People != 6 || len(d.Traits) == 0 || d.Traits[0] != (crowd.Trait{Trait: `p.country == "FR"`, Members: 3, People: 3, Lift: 2}) {
		t.Errorf("distinguish %+v", d)
	}
	for _, question := range []string{"members", "preview", "overlap", "distinguish", "size"} {
		if said := expect(t, exitAsked, "audience", question, "byers", brokers); !strings.Contains(said, "buyers") {
			t.Errorf("%s of a misspelled audience: %s", question, said)
		}
	}
	for question, part := range map[string]string{
		"list":                                "from 1 Jan 2126",
		"size french":                         "french         3\n",
		"members buyers --limit=1":            "1 of 4 people in buyers\nthe next ones: --after=",
		"preview curious":                     "6 of 6 people (100.0 %) would be in curious",
		"overlap buyers french":               " 1 buyers  1.000  0.400\n",
		"churn french":                        "french          3       0   +3\n",
		"distinguish buyers --least=1":        "4 of 6 people are in buyers\nnothing is more frequent",
		"distinguish french --least=1":        `p.country == "FR"  2.00 x        3     100.0 %       3     50.0 %`,
		"explain email=p4@example.org buyers": "is in buyers",
	} {
		if said := expect(t, 0, append(append([]string{"audience"}, strings.Fields(question)...), brokers)...); !strings.Contains(said, part) {
			t.Errorf("kairos audience %s says\n%s", question, said)
		}
	}
	if said := expect(t, exitAsked, "explain", brokers, "email=p4@example.org", "curious"); !strings.Contains(said, "draft") {
		t.Errorf("explaining a draft: %s", said)
	}
}

func TestADiffSaysWhatWouldChangeAndPublishesNothing(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	file := filepath.Join(folder, "a.yaml")
	write(t, file, "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n---\nkind: destination\nname: shop\naudiences: [buyers]\nidentifiers: [email]\n")
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=1")
	if said := expect(t, 0, "apply", "--diff", "-f", folder, brokers); said != "nothing would change\n" {
		t.Errorf("of the same it says %q", said)
	}
	write(t, file, "kind: audience\nname: buyers\nwhen: events(\"purchase\").count() > 1\n---\nkind: destination\nname: shop\naudiences: [buyers]\nidentifiers: [email]\n---\nkind: audience\nname: all\nwhen: \"true\"\n")
	const want = `new        audience  all
changed    audience  buyers  used by destination shop
    when
      - events("purchase").any()
      + events("purchase").count() > 1
`
	for range 2 {
		if said := expect(t, exitNo, "apply", "--diff", "-f", folder, brokers); said != want {
			t.Errorf("it says\n%s", said)
		}
	}
}

func TestDefinitionsWhoseOwnTestsFailAreRefusedWithTheirPlace(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	file := filepath.Join(folder, "shop.yaml")
	const text = "kind: audience\nname: buyers\nwhen: events(\"purchase\").within(\"30d\").any()\ntests:\n  - name: a month\n    steps:\n      - 2026-03-01 purchase\n      - +29d in\n      - +%dd out\n"
	write(t, file, fmt.Sprintf(text, 0))
	if said := expect(t, exitAsked, "audience", "test", "-f", folder); !strings.Contains(said, file+":9:9: ") {
		t.Errorf("a step without a time: %s", said)
	}
	write(t, file, strings.Replace(fmt.Sprintf(text, 1), "+1d out", "+1d in", 1))
	want := file + `:9:9: at 2026-03-31T00:00:00Z somebody@example.org is out of buyers, but must be in: exited at 2026-03-31T00:00:00Z because window of events(purchase) closed`
	if said := expect(t, exitNo, "audience", "test", "-f", folder); !strings.Contains(said, want) || !strings.Contains(said, "1 of 1 tests failed") {
		t.Errorf("test says %s", said)
	}
	for _, args := range [][]string{{"apply", "-f", folder, brokers, "--partitions=1"}, {"apply", "-f", file, brokers}, {"apply", "--check", "-f", folder}} {
		if said := expect(t, exitAsked, args...); !strings.Contains(said, file+`:9:9: test "a month": `) || !strings.Contains(said, "nothing was published") {
			t.Errorf("kairos %s says %s", strings.Join(args, " "), said)
		}
	}
	if names := asked[[]crowd.Audience](t, "audience", "list", brokers); len(names) != 0 {
		t.Errorf("published all the same: %v", names)
	}
	write(t, file, fmt.Sprintf(text, 1))
	expect(t, 0, "apply", "-f", folder, brokers)
	if results := asked[[]testResult](t, "audience", "test", "-f", folder); len(results) != 1 || !results[0].Passed {
		t.Errorf("then %+v", results)
	}
	if said := expect(t, 0, "audience", "test", "-f", "demo/definitions"); !strings.Contains(said, "passed  win_back  is won back") {
		t.Errorf("the demo's: %s", said)
	}
}

func TestLookingAtEverybodyAgainCanBeWatchedHeldAndResumed(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	write(t, filepath.Join(folder, "a.yaml"), "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n")
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=1")
	r := start(t, brokers)
	r.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+r.door, "email=a@example.org", "purchase")
	expect(t, 0, "send", "--door=http://"+r.door, "email=b@example.org", "purchase")
	await(t, "both have bought", func() bool { return inTables(t, brokers)["buyers"] == 2 })

	metrics := "--metrics=" + r.metrics
	state := func() map[string]string {
		states := map[string]string{}
		for _, s := range asked[[]sweepProgress](t, "audience", "progress", metrics) {
			states[s.Stage] = s.State
		}
		return states
	}
	await(t, "the sweep of the start is through", func() bool { return state()["segment"] == "done" })
	expect(t, 0, "audience", "hold", metrics)
	write(t, filepath.Join(folder, "b.yaml"), "kind: audience\nname: once\nwhen: events(\"purchase\").count() == 1\n")
	expect(t, 0, "apply", "-f", folder, brokers)
	await(t, "it is held", func() bool { return state()["segment"] == "held" })
	expect(t, 0, "send", "--door=http://"+r.door, "email=b@example.org", "visit")
	await(t, "who has an event is looked at", func() bool { return inTables(t, brokers)["once"] == 1 })
	if said := expect(t, 0, "audience", "progress", metrics); !strings.Contains(said, "0 of ") || !strings.Contains(said, "held") {
		t.Errorf("progress says\n%s", said)
	}
	expect(t, 0, "audience", "resume", metrics)
	await(t, "everybody is looked at", func() bool { return state()["segment"] == "done" && inTables(t, brokers)["once"] == 2 })

	response, err := http.Post("http://"+r.metrics+"/sweeps/hold", "text/plain", nil) // as a page in a browser could
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("without the operator's header it answers %s", response.Status)
	}
	if said := expect(t, exitFailed, "audience", "progress", "--metrics="+free(t)); !strings.Contains(said, "--metrics") {
		t.Errorf("of a process that does not answer it says %s", said)
	}
}
