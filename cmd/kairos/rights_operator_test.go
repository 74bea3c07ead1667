package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kairos/cmd/internal/catalog"
	"kairos/topologies"
)

// Whatever right operators lack, the command that needs it names it and does
// nothing; doctor goes on with what it may see.
func TestWithoutAnyOneRightOperatorsAreToldWhichAndNothingIsDone(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	testOperating(t, g)
}

func testOperating(t *testing.T, g guarded) {
	t.Helper()
	all := topologies.Together(mustTopology(t).ACLs(topologies.OperatorRole))
	g.grant(t, all...)
	of := func(resource topologies.Resource, operations ...topologies.Operation) (some []topologies.ACL) {
		for _, a := range all {
			if a.Resource == resource && slices.Contains(operations, a.Operation) {
				some = append(some, a)
			}
		}
		if len(some) < len(operations) {
			t.Fatalf("operators have %v on %s, want %v", some, resource, operations)
		}
		return some
	}
	t.Run("publish", func(t *testing.T) { testPublishing(t, g, of) })
	t.Run("set back", func(t *testing.T) {
		const retention, odd = "retention.ms", "86400001"
		topic := topologies.Transitions.Name
		value := odd
		if _, err := g.admin.Admin().AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: retention, Value: &value}}, topic); err != nil {
			t.Fatal(err)
		}
		as := func() string {
			configs, err := g.admin.Admin().DescribeTopicConfigs(t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range configs[0].Configs {
				if c.Key == retention {
					return c.MaybeValue()
				}
			}
			return ""
		}
		await(t, "the setting is another", func() bool { return as() == odd })
		g.withoutEach(t, of(topologies.OnTopic, topologies.AlterConfigs), func() bool { return as() == odd }, "topology", "apply")
		expect(t, 0, append([]string{"topology", "apply"}, g.user...)...)
		await(t, "the setting is back", func() bool { return as() != odd })
	})
	t.Run("look", func(t *testing.T) {
		for _, a := range of(topologies.OnCluster, topologies.Describe, topologies.DescribeConfigs) {
			g.revoke(t, a)
			_, out, said := kairos(t.Context(), "", append([]string{"doctor", "--role=operator"}, g.user...)...)
			if !strings.Contains(out, "cannot be looked at: CLUSTER_AUTHORIZATION_FAILED") || !strings.Contains(out, a.String()) {
				t.Errorf("without %s doctor says\n%s%s", a, out, said)
			}
			g.grant(t, a)
		}
		g.withoutEach(t, of(topologies.OnGroup, topologies.Read), func() bool { return true }, "status")
		g.withoutEach(t, of(topologies.OnTopic, topologies.Read), func() bool { return true }, "audience", "list")
	})
	t.Run("grow", func(t *testing.T) {
		still := func() bool {
			grown, err := g.admin.Growth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return grown == nil
		}
		needed := slices.Concat(of(topologies.OnTopic, topologies.Alter, topologies.Read, topologies.Write), of(topologies.OnGroup, topologies.Read),
			of(topologies.OnTransactionalID, topologies.Write))
		args := []string{"topology", "grow", "--partitions=2"}
		g.withoutEach(t, needed, still, args...)
		if said := expect(t, 0, append(args, g.user...)...); !strings.Contains(said, "2 partitions") {
			t.Errorf("with all of them it says %s", said)
		}
	})
}

// An operator may publish, or what hosts would miss is not there either.
func testPublishing(t *testing.T, g guarded, of func(topologies.Resource, ...topologies.Operation) []topologies.ACL) {
	file := filepath.Join(t.TempDir(), "mail.yaml")
	write(t, file, "kind: destination\nname: mail\naudiences: [win_back]\nidentifiers: [email]\n")
	args := []string{"apply", "-f", file}
	unpublished := func() bool {
		published, err := catalog.Read(t.Context(), g.admin)
		if err != nil {
			t.Fatal(err)
		}
		_, found := published.Find("destination", "mail")
		return !found
	}
	ids := slices.DeleteFunc(of(topologies.OnTransactionalID, topologies.Write), func(a topologies.ACL) bool { return !strings.HasSuffix(a.Name, topologies.OperatorRole) })
	g.withoutEach(t, slices.Concat(of(topologies.OnTopic, topologies.Create, topologies.Read, topologies.Write), ids), unpublished, args...)
	if said := expect(t, 0, append(args, g.user...)...); !strings.Contains(said, fmt.Sprintf("%-9s  destination mail", "new")) {
		t.Errorf("with all of them it says %s", said)
	}
	await(t, "it is published", func() bool { return !unpublished() })
}
