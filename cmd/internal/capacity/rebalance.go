package capacity

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/processors/host"
)

// Rebalance is what it costs that members come or go.
type Rebalance struct {
	What      string  `json:"what"`
	Moved     int     `json:"partitions_moved"`
	Most      int     `json:"partitions_taken_by_one"` // process, at most
	Rounds    int     `json:"rounds"`                  // of the group's protocol until all is settled
	Recovery  float64 `json:"seconds_to_read_rows"`
	Wait      float64 `json:"seconds_an_event_waits"` // at most; only events of partitions that move
	CaughtUp  float64 `json:"seconds_until_caught_up"`
	Unequally int     `json:"partitions_most_less_least"` // afterwards
}

// rebalances plays the host's own balancer through what happens to a group.
func rebalances(m Measured, p Plan) ([]Rebalance, error) {
	n := int(p.Processes)
	zone := max(1, n/3)
	session := host.DefaultConfig().SessionTimeout.Seconds()
	settled := &group{partitions: int32(p.Partitions)}
	for i := range n {
		settled.join(fmt.Sprintf("process-%04d", i))
	}
	if _, err := settled.settle(); err != nil {
		return nil, err
	}
	before := settled.owners()
	var all []Rebalance
	for _, c := range []struct {
		what   string
		silent float64 // seconds until the group notices
		change func(*group)
	}{
		{"a process is added", 0, func(g *group) { g.join("new") }},
		{"a process ends in good order", 0, func(g *group) { g.leave(1) }},
		{"a process dies", session, func(g *group) { g.leave(1) }},
		{fmt.Sprintf("a third of them die (%d)", zone), session, func(g *group) { g.leave(zone) }},
		{"all are restarted, one after the other", 0, func(*group) {}}, // static members keep what they have
	} {
		g := settled.clone()
		c.change(g)
		if len(g.members) == 0 {
			continue // there was but one
		}
		rounds, err := g.settle()
		if err != nil {
			return nil, err
		}
		all = append(all, cost(m, p, c.what, c.silent, before, g, rounds))
	}
	return all, nil
}

func cost(m Measured, p Plan, what string, silent float64, before map[int32]string, g *group, rounds int) Rebalance {
	r := Rebalance{What: what, Rounds: rounds}
	taken := map[string]int{}
	for number, owner := range g.owners() {
		if before[number] != owner {
			r.Moved++
			taken[owner]++
		}
	}
	for _, n := range taken {
		r.Most = max(r.Most, n)
	}
	least, most := len(g.members[0].owned), 0
	for _, member := range g.members {
		least, most = min(least, len(member.owned)), max(most, len(member.owned))
	}
	r.Unequally = most - least
	if r.Moved == 0 {
		return r
	}
	r.Recovery = float64(r.Most) * p.RowsEach / m.PeoplePerSecond
	r.Wait = silent + r.Recovery
	// What has waited is worked off with what cores have to spare, beside what comes.
	each := p.Load.Events / p.Partitions
	spare := p.Load.CoresEach*1e6/p.MicrosPerEvent - float64(most)*each
	if spare > 0 {
		r.CaughtUp = r.Wait + float64(r.Most)*each*r.Wait/spare
	} else {
		r.CaughtUp = -1
	}
	return r
}

// group is a consumer group whose members talk to nobody: only what they own
// and what the balancer says is real.
type group struct {
	partitions int32
	generation int32
	members    []*member
}

type member struct {
	id    string
	owned []int32
}

func (g *group) join(id string) { g.members = append(g.members, &member{id: id}) }
func (g *group) leave(n int)    { g.members = g.members[:max(0, len(g.members)-n)] }

func (g *group) clone() *group {
	c := &group{partitions: g.partitions, generation: g.generation}
	for _, m := range g.members {
		c.members = append(c.members, &member{m.id, slices.Clone(m.owned)})
	}
	return c
}

const input = "input" // all inputs of a group are shared alike

// settle balances until nothing moves any more, and returns how often it took.
func (g *group) settle() (rounds int, err error) {
	const most = 10
	for {
		before := g.owners()
		if err := g.balance(); err != nil {
			return rounds, err
		}
		rounds++
		after := g.owners()
		if len(after) == int(g.partitions) && same(before, after) {
			return rounds - 1, nil
		}
		if rounds > most {
			return rounds, fmt.Errorf("a group of %d members is not settled after %d rounds", len(g.members), most)
		}
	}
}

func same(a, b map[int32]string) bool {
	for number, owner := range b {
		if a[number] != owner {
			return false
		}
	}
	return len(a) == len(b)
}

// balance is one round of the protocol: all say what they own, the leader
// shares out, all take what they get.
func (g *group) balance() error {
	balancer := host.Balancer()
	g.generation++
	slices.SortFunc(g.members, func(a, b *member) int { return cmp.Compare(a.id, b.id) })
	var joined []kmsg.JoinGroupResponseMember
	for _, m := range g.members {
		j := kmsg.NewJoinGroupResponseMember()
		j.MemberID = m.id
		j.ProtocolMetadata = balancer.JoinGroupMetadata([]string{input}, map[string][]int32{input: m.owned}, g.generation)
		joined = append(joined, j)
	}
	b, _, err := balancer.MemberBalancer(joined)
	if err != nil {
		return err
	}
	shared, err := b.(kgo.GroupMemberBalancerOrError).BalanceOrError(map[string]int32{input: g.partitions}) // as a leader does
	if err != nil {
		return err
	}
	byID := map[string][]byte{}
	for _, a := range shared.IntoSyncAssignment() {
		byID[a.MemberID] = a.MemberAssignment
	}
	for _, m := range g.members {
		assigned, err := kgo.ParseConsumerSyncAssignment(byID[m.id])
		if err != nil {
			return err
		}
		m.owned = assigned[input]
	}
	return nil
}

func (g *group) owners() map[int32]string {
	owners := map[int32]string{}
	for _, m := range g.members {
		for _, number := range m.owned {
			owners[number] = m.id
		}
	}
	return owners
}
