package host

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// memberClient stands before a run's instance in the client id of its member of
// the group, so that others can tell whose transactions nobody will end.
const memberClient = "kairos-host-"

// endOrphans ends the transactions of hosts that are no members of the group
// any more. They could not commit offsets, so nothing of them can count; but
// until they are decided nobody gets the offsets of their partitions, and the
// broker would leave them open for up to their timeout and ten seconds more. It
// is called when partitions are given out.
func (r *run) endOrphans() {
	ctx, cancel := context.WithTimeout(r.ctx, r.config.TransactionTimeout)
	defer cancel()
	orphans, err := r.orphans(ctx)
	for _, id := range orphans {
		r.config.Logger.Warn("a host that is gone has left a transaction open: it is ended", "transactional_id", id)
		err = errors.Join(err, r.abort(ctx, id))
	}
	if err != nil && ctx.Err() == nil {
		r.config.Logger.Warn("transactions of hosts that are gone are left to the broker, which takes longer", "error", err)
	}
}

// orphans are the transactional ids of the group with an open transaction and
// no member.
func (r *run) orphans(ctx context.Context) ([]string, error) {
	group := r.config.Group.Name
	open, err := r.admin.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return nil, err
	}
	described, err := r.admin.DescribeGroups(ctx, group) // after that: whoever has begun meanwhile was a member before
	if err != nil {
		return nil, err
	}
	return orphansAmong(open, group, described[group].Members, r.instance), nil
}

func orphansAmong(open kadm.ListedTransactions, group string, members []kadm.DescribedGroupMember, own string) (ids []string) {
	alive := map[string]bool{}
	for _, m := range members {
		instance, told := strings.CutPrefix(m.ClientID, memberClient)
		if !told { // of an older release: its transactions cannot be told from orphans
			return nil
		}
		alive[instance] = true
	}
	if !alive[own] { // we are not asked for
		return nil
	}
	for id := range open {
		rest, ours := strings.CutPrefix(id, group+"-")
		if at := strings.LastIndexByte(rest, '-'); ours && at >= 0 && !alive[rest[:at]] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// abort ends a transaction: a client with its id fences who began it.
func (r *run) abort(ctx context.Context, id string) error {
	client, err := kgo.NewClient(append(slices.Clone(r.config.Kafka), kgo.ClientID("kairos-host"), kgo.WithLogger(kafkaLogger{r.config.Logger}),
		kgo.TransactionalID(id), kgo.TransactionTimeout(r.config.TransactionTimeout))...)
	if err != nil {
		return err
	}
	defer client.Close()
	_, _, err = client.ProducerID(ctx)
	return err
}
