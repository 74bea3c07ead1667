package host

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestOnlyTransactionsOfHostsThatAreGoneAreOrphans(t *testing.T) {
	open := kadm.ListedTransactions{}
	for _, id := range []string{"kairos.person-one-0", "kairos.person-two-3", "kairos.person-pod-7-2", "kairos.identity-two-3", "kairos.operator-grow", "somebody's"} {
		open[id] = kadm.ListedTransaction{TxnID: id, State: "Ongoing"}
	}
	members := func(clients ...string) (all []kadm.DescribedGroupMember) {
		for _, c := range clients {
			all = append(all, kadm.DescribedGroupMember{ClientID: c})
		}
		return all
	}
	for _, c := range []struct {
		what    string
		members []kadm.DescribedGroupMember
		want    []string
	}{
		{"all are there", members("kairos-host-one", "kairos-host-two", "kairos-host-pod-7"), nil},
		{"two is gone", members("kairos-host-one", "kairos-host-pod-7"), []string{"kairos.person-two-3"}},
		{"a name with a dash is gone", members("kairos-host-one", "kairos-host-two"), []string{"kairos.person-pod-7-2"}},
		{"we are no member", members("kairos-host-two"), nil},
		{"an older release is there, which does not say who it is", members("kairos-host-one", "kairos-host"), nil},
	} {
		if got := orphansAmong(open, "kairos.person", c.members, "one"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
