package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// withoutEach takes each right of a role away in turn: the command must end, name
// the right and who grants it, and have done nothing. Then it has all of them.
func (g guarded) withoutEach(t *testing.T, acls []topologies.ACL, untouched func() bool, args ...string) {
	t.Helper()
	acls = topologies.Together(acls)
	g.grant(t, acls...)
	for _, a := range acls {
		g.revoke(t, a)
		code, out, said := kairos(t.Context(), "", append(args, g.user...)...)
		if said += out; code == 0 || !strings.Contains(said, a.String()) || !strings.Contains(said, "kairos topology acls") {
			t.Errorf("kairos %s without %s: %d, it says\n%s", strings.Join(args, " "), a, code, said)
		}
		if !untouched() {
			t.Fatalf("kairos %s without %s has done something", strings.Join(args, " "), a)
		}
		g.grant(t, a)
	}
}

func (g guarded) take(t *testing.T, acls []topologies.ACL) {
	t.Helper()
	for _, a := range topologies.Together(acls) {
		g.revoke(t, a)
	}
}

// missing takes each right in turn from a process that runs, gives it work, and gives
// the right back: work is held up at most. It says how many rights were missed.
// give tells whether the work is done by then.
func (g guarded) missing(t *testing.T, all []topologies.ACL, log *lines, give func(n int) (done func() bool)) (named int) {
	t.Helper()
	for n, a := range all {
		before := len(log.said())
		g.revoke(t, a)
		done := give(n)
		missed := func() bool { return strings.Contains(log.said()[before:], "AUTHORIZATION_FAILED") }
		await(t, "the right is missed, or not needed: "+a.String(), func() bool { return missed() || done() })
		if missed() {
			named++
		}
		g.grant(t, a)
		await(t, "the work is done after "+a.String(), done)
	}
	return named
}

// events are the ids of what lies on the topic of events, each as often as it does.
func (g guarded) events(t *testing.T) map[string]int {
	t.Helper()
	ids := map[string]int{}
	err := g.admin.Scan(t.Context(), topologies.Events.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if e, err := topologies.Events.Codec.Decode(r.Value); err == nil {
			ids[e.ID]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestWithoutAnyOneRightAnImportDoesNothing(t *testing.T) {
	testImporting(t, guardedBroker(t))
}

func testImporting(t *testing.T, g guarded) {
	t.Helper()
	folder, before := t.TempDir(), len(g.events(t))
	definitions, export := filepath.Join(folder, "crm.yaml"), filepath.Join(folder, "crm.csv")
	write(t, definitions, crmMapping)
	write(t, export, "id;mail;changed;country;points\n1;ann@secret.example;01.03.2026;FR;12\n")
	expect(t, 0, append([]string{"apply", "-f", definitions, "--partitions=1"}, g.root...)...)
	args := []string{"import", export, "--mapping=crm"}
	g.withoutEach(t, mustTopology(t).ACLs(topologies.ImportRole), func() bool { return len(g.events(t)) == before }, args...)
	expect(t, 0, append(args, g.user...)...)
	var ids map[string]int // Kafka answers a commit before it shows what was committed
	await(t, "the row is an event", func() bool { ids = g.events(t); return ids["1"] > 0 })
	if len(ids) != before+1 || ids["1"] != 1 {
		t.Errorf("events %v", ids)
	}
}

func TestWithoutAnyOneRightNobodyIsExportedOrErased(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	testErasing(t, g)
}

func testErasing(t *testing.T, g guarded) {
	t.Helper()
	folder := t.TempDir()
	expect(t, 0, append([]string{"erase", "keys"}, g.root...)...)
	r := start(t, append([]string{"--receipts=" + filepath.Join(folder, "key.pem")}, g.root...)...)
	r.await(t, "/readyz", http.StatusOK)
	for _, who := range []string{"ann", "tom"} {
		expect(t, 0, "send", "--door=http://"+r.door, "email="+who+"@example.org", "cancel")
	}
	known := func(who string) bool {
		var a answered
		return get(t, "http://"+r.api+"/v1/profiles/email/"+who+"@example.org", &a) == http.StatusOK && a.in("win_back")
	}
	await(t, "both are in the audience", func() bool { return known("ann") && known("tom") })
	there := func() bool { return known("ann") }

	exporting := mustTopology(t).ACLs(topologies.ExportRole)
	g.withoutEach(t, exporting, there, "export", "email=ann@example.org")
	if said := expect(t, 0, append([]string{"export", "email=ann@example.org"}, g.user...)...); !strings.Contains(said, "win_back") {
		t.Errorf("it exports %s", said)
	}
	if code, _, said := kairos(t.Context(), "", append([]string{"erase", "keys"}, g.user...)...); code != exitFailed || !strings.Contains(said, "to leave no older keys") {
		t.Errorf("who may export changes keys: %d, %s", code, said)
	}
	g.take(t, exporting)

	erasing := mustTopology(t).ACLs(topologies.EraseRole)
	args := []string{"erase", "email=ann@example.org", "--sign=" + filepath.Join(folder, "key.pem")}
	g.withoutEach(t, erasing, there, args...)
	expect(t, 0, append(args, g.user...)...)
	if there() {
		t.Error("Ann is still there")
	}
	expect(t, 0, append([]string{"erase", "renew", "email=ann@example.org"}, g.user...)...)

	// The API erases as the same user as the process that it is part of.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+r.api+"/v1/profiles/email/tom@example.org", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || known("tom") {
		t.Errorf("the API says %s, and Tom is known: %v", response.Status, known("tom"))
	}
}

// The rights of who ingests, and one by one taken from one that runs.
func TestWithoutAnyOneRightIngestLosesNothing(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	testIngesting(t, g)
}

const theirs = "crm.contacts" // a topic of another system

func ingestRights(t *testing.T) []topologies.ACL {
	t.Helper()
	return topologies.Together(append(mustTopology(t).ACLs(topologies.IngestRole), topologies.ACL{Resource: topologies.OnTopic, Name: theirs, Operation: topologies.Read, Why: "to ingest it"}))
}

func testIngesting(t *testing.T, g guarded) {
	t.Helper()
	folder, before := t.TempDir(), len(g.events(t))
	if _, err := g.admin.Admin().CreateTopic(t.Context(), 1, 1, nil, theirs); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, theirs+".avsc"), `{"type": "record", "name": "contact", "fields": [{"name": "who", "type": "string", "kairos.identity": "email"}, {"name": "id", "type": "string", "kairos.id": true}]}`)
	file := filepath.Join(folder, "ingest.yaml")
	write(t, file, "topics: [{topic: "+theirs+", framing: plain}]\nschemas: .\n")
	all := ingestRights(t)
	args := []string{"ingest", "-f", file, "--metrics="}
	g.withoutEach(t, all, func() bool { return len(g.events(t)) == before }, args...)

	ctx, stop := context.WithCancel(t.Context())
	log, ended := &lines{more: make(chan struct{}, 1)}, make(chan int, 1)
	p := &process{Context: ctx, in: strings.NewReader(""), out: log, err: log, width: func() int { return 100 }}
	go func() { ended <- run(p, append(args, g.user...)) }()
	producer, sent := g.admin.Client, 0
	send := func() {
		sent++
		who, id := fmt.Sprintf("p%03d@example.org", sent), fmt.Sprintf("e%03d", sent)
		value := append(append([]byte{byte(2 * len(who))}, who...), append([]byte{byte(2 * len(id))}, id...)...)
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: theirs, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	arrived := func() bool { return g.events(t)[fmt.Sprintf("e%03d", sent)] > 0 }
	send()
	await(t, "the first is ingested", arrived)
	named := g.missing(t, all, log, func(int) func() bool { send(); return arrived })
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("ingest ended with %d:\n%s", code, log.said())
	}
	ids := g.events(t)
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if len(ids) != before+sent || named < 4 {
		t.Errorf("%d of %d events came; %d rights were missed", len(ids)-before, sent, named)
	}
}

// Whoever mends is asked by doctor: that a broker forgets markers cannot be had
// at will.
func TestDoctorNamesEachRightThatMendingNeeds(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	testMending(t, g)
}

func testMending(t *testing.T, g guarded) {
	t.Helper()
	operator := mustTopology(t).ACLs(topologies.OperatorRole)
	g.grant(t, operator...)
	acls := slices.DeleteFunc(mustTopology(t).ACLs(topologies.MendRole), func(a topologies.ACL) bool {
		return slices.ContainsFunc(operator, func(o topologies.ACL) bool {
			return o.Resource == a.Resource && o.Name == a.Name && o.Operation == a.Operation
		})
	})
	g.withoutEach(t, acls, func() bool { return true }, "doctor", "--role=mend")
	// Whether this machine's disk is full is not asked here.
	if _, out, _ := kairos(t.Context(), "", append([]string{"doctor", "--role=mend"}, g.user...)...); !strings.Contains(out, "our user may do what it needs") {
		t.Errorf("with all of them it says\n%s", out)
	}
}
