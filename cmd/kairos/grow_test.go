package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestALiveTopologyGrowsWhileItsProcessGoesOn(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2")
	r := start(t, brokers, "--partitions=2", "--instance=one")
	r.await(t, "/readyz", http.StatusOK)
	people := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	send := func(amount int) {
		t.Helper()
		for _, name := range people {
			expect(t, 0, "send", "--door=http://"+r.door, "email="+name+"@example.org", "purchase", fmt.Sprintf("amount=%d", amount))
		}
	}
	known := func(amount string) {
		t.Helper()
		for _, name := range people {
			await(t, name+" has bought for "+amount, func() bool {
				code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email="+name+"@example.org")
				return code == 0 && strings.Contains(out, amount)
			})
		}
	}
	send(17)
	known("17")

	planned := expect(t, 0, "topology", "grow", brokers, "--partitions=4", "--dry-run")
	for _, line := range []string{"grow  kairos.identity-table from 2 to 4 partitions", "grow  kairos.profile-loop from 2 to 4", "keep  kairos.door.events", "keep  kairos.segment.transitions", "50 % of the rows"} {
		if !strings.Contains(planned, line) {
			t.Errorf("the plan does not say %q:\n%s", line, planned)
		}
	}
	if said := expect(t, exitAsked, "topology", "grow", brokers, "--partitions=3"); !strings.Contains(said, "choose 4") {
		t.Errorf("to no multiple: %s", said)
	}
	if said := expect(t, exitAsked, "topology", "grow", brokers, "--partitions=4", "--abort"); !strings.Contains(said, "nothing to abort") {
		t.Errorf("to abort nothing: %s", said)
	}
	if said := expect(t, exitAsked, "topology", "grow", brokers, "--partitions=1"); !strings.Contains(said, "kairos.door.events is public and keeps its 2 partitions") {
		t.Errorf("to fewer than the door has: %s", said)
	}
	if said := expect(t, 0, "topology", "grow", brokers, "--partitions=4", "--json"); !strings.Contains(said, `"partitions":4`) || !strings.Contains(said, `"put_out":0`) ||
		strings.Contains(said, `"rows":0`) || !strings.Contains(said, `"working":true`) || !strings.Contains(said, `{"step":"hosts","seconds":`) {
		t.Errorf("it says %s", said)
	}
	owned := func(partitions int32) {
		t.Helper()
		await(t, fmt.Sprintf("all %d partitions are with somebody", partitions), func() bool {
			code, s, _ := statusOf(t, brokers)
			return code == 0 && s.Partitions == partitions && s.Groups[0].Owned == int(partitions) && s.Groups[1].Owned == int(partitions)
		})
	}
	owned(4)
	send(25) // and those of before are still there
	known("25")
	known("17")
	if said := expect(t, 0, "topology", "grow", brokers, "--partitions=4"); !strings.Contains(said, "nothing to do") {
		t.Errorf("again: %s", said)
	}
	expect(t, 0, "topology", "diff", brokers)
	if said := expect(t, exitNo, "topology", "diff", brokers, "--partitions=8"); !strings.Contains(said, "kairos topology grow") {
		t.Errorf("what is to differ: %s", said)
	}

	planned = expect(t, 0, "topology", "grow", brokers, "--partitions=2", "--dry-run")
	if !strings.Contains(planned, "4 partitions of tables and of streams between stages to 2") {
		t.Errorf("the plan to have fewer:\n%s", planned)
	}
	expect(t, 0, "topology", "grow", brokers, "--partitions=2")
	owned(2)
	send(39)
	known("39")
	known("17")
	expect(t, 0, "topology", "diff", brokers)
}
