package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/cluster"
	"kairos/loadtest/kafka"
	"kairos/topologies"
)

// guarded is a cluster that lets users do only what they are allowed to. Its
// administrator is allowed everything.
type guarded struct {
	admin *cluster.Client
	root  []string // flags of the administrator
	user  []string // flags of the user kairos
}

func guardedBroker(t *testing.T) guarded {
	t.Helper()
	t.Setenv("KAIROS_TEST_PASSWORD", kafka.Password)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "root", kafka.Password), kfake.User("PLAIN", "kairos", kafka.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	how := access.Config{Brokers: broker.ListenAddrs(), SASL: access.Plain, User: "root", Password: "env:KAIROS_TEST_PASSWORD"}
	admin, err := cluster.Open(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	flags := func(user string) []string {
		return []string{"--brokers=" + broker.ListenAddrs()[0], "--sasl=plain", "--sasl-user=" + user, "--sasl-password=env:KAIROS_TEST_PASSWORD"}
	}
	return guarded{admin, flags("root"), flags("kairos")}
}

func (g guarded) prepare(t *testing.T) {
	t.Helper()
	expect(t, 0, append([]string{"topology", "apply", "--partitions=1"}, g.root...)...)
	expect(t, 0, append([]string{"apply", "-f", "demo/definitions"}, g.root...)...)
}

func (g guarded) grant(t *testing.T, acls ...topologies.ACL) {
	t.Helper()
	if err := g.admin.Grant(t.Context(), "User:kairos", acls); err != nil {
		t.Fatal(err)
	}
	for _, a := range acls {
		await(t, "the right counts: "+a.String(), func() bool { return g.has(t, a) })
	}
}

// has asks whether a right counts: a broker hears of it a moment after the answer.
func (g guarded) has(t *testing.T, a topologies.ACL) bool {
	t.Helper()
	f, request := filterOf(t, a), kmsg.NewPtrDescribeACLsRequest()
	request.ResourceType, request.ResourceName, request.ResourcePatternType = f.ResourceType, f.ResourceName, f.ResourcePatternType
	request.Principal, request.Operation, request.PermissionType = f.Principal, f.Operation, f.PermissionType
	response, err := request.RequestWith(t.Context(), g.admin.Client)
	if err != nil {
		t.Fatal(err)
	}
	return len(response.Resources) > 0
}

func (g guarded) revoke(t *testing.T, a topologies.ACL) {
	t.Helper()
	request := kmsg.NewPtrDeleteACLsRequest()
	request.Filters = append(request.Filters, filterOf(t, a))
	response, err := request.RequestWith(t.Context(), g.admin.Client)
	if err != nil || len(response.Results) != 1 || len(response.Results[0].MatchingACLs) != 1 {
		t.Fatalf("revoke %s: %+v, %v", a, response, err)
	}
	await(t, "the right is gone: "+a.String(), func() bool { return !g.has(t, a) })
}

func filterOf(t *testing.T, a topologies.ACL) kmsg.DeleteACLsRequestFilter {
	t.Helper()
	filter := kmsg.NewDeleteACLsRequestFilter()
	operation, err := kmsg.ParseACLOperation(string(a.Operation))
	if err != nil {
		t.Fatal(err)
	}
	kind, err := kmsg.ParseACLResourceType(string(a.Resource))
	if err != nil {
		t.Fatal(err)
	}
	user := "User:kairos"
	filter.Principal = &user
	filter.ResourceType, filter.Operation, filter.ResourceName = kind, operation, &a.Name
	filter.ResourcePatternType, filter.PermissionType = kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLPermissionTypeAny
	if a.Prefixed {
		filter.ResourcePatternType = kmsg.ACLResourcePatternTypePrefixed
	}
	return filter
}

// entries counts how often each person entered an audience.
func (g guarded) entries(t *testing.T, audience string) map[string]int {
	t.Helper()
	entered := map[string]int{}
	err := g.admin.Scan(t.Context(), topologies.Transitions.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		if transition, err := topologies.Transitions.Codec.Decode(r.Value); err == nil && transition.Audience == audience && transition.Entered {
			entered[transition.Person]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entered
}

// needed is what one process needs that runs everything.
func needed(t *testing.T) []topologies.ACL {
	t.Helper()
	return topologies.Together(mustTopology(t).ACLs(topologies.DoorRole, "identity", "person"))
}

func mustTopology(t *testing.T) *topologies.Topology {
	t.Helper()
	config := topologies.DefaultConfig()
	config.Destinations = []string{"app"}
	topology, err := topologies.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// refused runs everything as the user until it ends by itself, or says words.
func (g guarded) refused(t *testing.T, words string) (code int, said string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, ended := &lines{more: make(chan struct{}, 1)}, make(chan int, 1)
	p := &process{Context: ctx, in: strings.NewReader(""), out: log, err: log, width: func() int { return 100 }}
	addresses := apart(t, 2)
	args := append([]string{"run", "--door=" + addresses[0], "--metrics=" + addresses[1], "--api="}, g.user...)
	go func() { ended <- run(p, args) }()
	await(t, "it is refused", func() bool { return len(ended) > 0 || strings.Contains(log.said(), words) })
	stop()
	return <-ended, log.said()
}

func TestWithoutAnyOneRightRunDoesNotStartAndNamesIt(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	all := needed(t)
	g.grant(t, all...)
	for _, a := range all {
		g.revoke(t, a)
		code, said := g.refused(t, "GROUP_AUTHORIZATION_FAILED")
		if a.Resource == topologies.OnGroup && a.Operation == topologies.Read && code == 0 {
			// The embedded broker does not say so before somebody joins; a real one does.
			if !strings.Contains(said, "GROUP_AUTHORIZATION_FAILED") || !strings.Contains(said, a.Name) {
				t.Errorf("without %s it says %s", a, said)
			}
		} else if code != exitFailed || !strings.Contains(said, a.String()) || !strings.Contains(said, "kairos topology acls") {
			t.Errorf("without %s it says %s", a, said)
		}
		g.grant(t, a)
	}
}

// The rights are those that a running process uses; the others are used at the
// start only.
func TestARightThatIsTakenAwayIsNamedAndNothingIsLost(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	all := needed(t)
	g.grant(t, all...)
	r := start(t, g.user...)
	r.await(t, "/readyz", http.StatusOK)
	people := 0
	send := func() bool {
		code, _, _ := kairos(t.Context(), "", "send", "--door=http://"+r.door, fmt.Sprintf("email=p%d@example.org", people), "cancel")
		return code == 0
	}
	in := func() bool {
		var a answered
		return get(t, fmt.Sprintf("http://%s/v1/profiles/email/p%d@example.org", r.api, people), &a) == http.StatusOK && a.in("win_back")
	}
	named := 0
	for _, a := range all {
		people++
		before := len(r.log.said())
		g.revoke(t, a)
		refused := func() bool {
			said := r.log.said()[before:]
			return strings.Contains(said, "AUTHORIZATION_FAILED") && (a.Prefixed || strings.Contains(said, a.Name))
		}
		sent, used := false, false
		await(t, "the right is missed, or not needed: "+a.String(), func() bool {
			sent = sent || send()
			used = refused() || !sent && a.Name == topologies.Events.Name && a.Operation == topologies.Write
			return used || sent && in()
		})
		if used {
			named++
		}
		g.grant(t, a)
		await(t, "events are taken again after "+a.String(), func() bool { sent = sent || send(); return sent })
		await(t, "the person is in the audience after "+a.String(), in)
	}
	var entered map[string]int
	await(t, "all entries are told", func() bool { entered = g.entries(t, "win_back"); return len(entered) >= people })
	for person, n := range entered {
		if n != 1 {
			t.Errorf("%s entered %d times", person, n)
		}
	}
	if len(entered) != people || named < 8 {
		t.Errorf("%d of %d people entered; %d rights were missed", len(entered), people, named)
	}
	t.Logf("%d of %d rights were missed by a running process", named, len(all))
}

// What people type, in the order in which they would.
func TestAnOperatorMayDoWhatTheCommandsDo(t *testing.T) {
	g := guardedBroker(t)
	g.grant(t, mustTopology(t).ACLs(topologies.OperatorRole)...)
	for _, args := range [][]string{
		{"topology", "apply", "--partitions=1"}, {"apply", "-f", "demo/definitions"}, {"topology", "check"}, {"topology", "diff"},
		{"doctor", "--role=operator"}, {"deadletters", "list"}, {"audience", "list"}, {"replay", "cdnow", "--to=1997-01-02", "--no-wait"},
		{"apply", "--diff", "-f", "demo/definitions"}, {"status"}, {"inspect", "person", "email=nobody@example.org"},
	} {
		code, out, said := kairos(t.Context(), "", append(args, g.user...)...)
		if code == exitFailed || strings.Contains(said, "AUTHORIZATION") || strings.Contains(out, "AUTHORIZATION") {
			t.Errorf("kairos %s: %d\n%s%s", strings.Join(args, " "), code, out, said)
		}
	}
}
