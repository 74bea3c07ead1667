package identity

import (
	"fmt"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// New is the stage under the rules of a plan.
func New(plan *definition.Plan) *stage.Stage {
	return define(prepare(plan.Identity, plan.Events, plan.Profile.Types).planned(plan.Sources))
}

func define(r *rules) *stage.Stage {
	s := &steps{r}
	return stage.Define(topologies.Identity, topologies.IdentityTable,
		stage.On(topologies.Events, s.accept),
		stage.On(topologies.IdentityLoop, s.converse),
		stage.OnWake(s.wake),
		stage.OnSweep(s.reconsider))
}

type steps struct{ rules *rules }

type row = schemas.IdentityRow

// accept takes an event that came through the door.
func (s *steps) accept(in stage.In[row, schemas.Event], out *stage.Out[row]) {
	e, f := s.rules.admit(in.Message)
	switch {
	case f != nil:
		out.Refuse(f.reason, f.detail)
		return
	case e == nil:
		out.Drop(DropBlocked)
		return
	}
	t := s.begin(in.Key, in.Row, in.Time, out)
	primary := e.Identifiers[0]
	switch n := s.rules.namespace(primary.Namespace); {
	case n.session > 0 && !isCommand(e.Name):
		t.send(&schemas.IdentityMessage{To: n.partOf(primary, e.Time), Event: e})
	case isKey(in.Key, primary):
		t.event(e)
	default:
		t.send(&schemas.IdentityMessage{To: primary.String(), Event: e})
	}
	t.end()
}

// isKey says whether key is the identifier's key.
func isKey(key string, id schemas.Identifier) bool {
	n := len(id.Namespace)
	return len(key) == n+1+len(id.Value) && key[n] == ':' && key[:n] == id.Namespace && key[n+1:] == id.Value
}

// converse takes what another row says.
func (s *steps) converse(in stage.In[row, schemas.IdentityMessage], out *stage.Out[row]) {
	m := in.Message
	t := s.begin(in.Key, in.Row, in.Time, out)
	switch {
	case m.Event != nil:
		t.event(m.Event)
	case m.Expire != nil && m.Expire.Done:
		t.forgotten(m)
	case m.Expire != nil:
		t.asked(m.Expire)
	case m.Assign != nil:
		t.told(m.Assign)
	case m.Return != nil:
		t.returned(m.Return)
	case m.Link != nil && (m.Link.A == in.Key || m.Link.B == in.Key):
		t.linked(m)
	case m.Next != 0:
		t.followed(m.Next)
	case m.Erased:
		t.erased()
	case m.Forget != "":
		t.unlearn(m.Forget)
	default:
		t.toRoot(m)
	}
	t.end()
}

// reconsider takes changed rules: a limit of links may be lower, and the
// people of a component others.
func (s *steps) reconsider(in stage.In[row, stage.Sweep], out *stage.Out[row]) {
	t := s.begin(in.Key, in.Row, in.Time, out)
	if t.fresh {
		return
	}
	t.anew = true
	if t.row.LastSeen == 0 {
		t.heard = t.now // nobody is forgotten sooner than that after the rule came
	}
	if !t.row.Hot && neighbours(t.row.Links).len() > s.rules.maxLinks {
		t.heat()
	}
	if t.row.Root == "" && len(t.row.Component) > 0 {
		t.settle("rules changed", nothing)
	}
	t.end()
}

// turn is one step's work on one row.
type turn struct {
	rules     *rules
	key       string
	row       *row
	fresh     bool // there was no row
	now       schemas.Instant
	component *schemas.Component // of the row, once opened
	changed   bool               // the row
	gone      bool               // nothing is to be left of it
	evidence  bool               // the component
	heard     schemas.Instant    // when the identifier was last heard of, as the step says; 0: it does not
	woken     bool               // the step is a wake
	anew      bool               // when the row is to be forgotten must be computed anew
	fading    bool               // its component is being forgotten
	silent    bool               // the row is forgotten
	out       *stage.Out[row]
}

func (s *steps) begin(key string, r *row, now schemas.Instant, out *stage.Out[row]) *turn {
	t := &turn{rules: s.rules, key: key, row: r, now: now, out: out}
	if r == nil {
		t.row, t.fresh = &row{Person: PersonOf(key)}, true
	}
	return t
}

// end says what the step did.
func (t *turn) end() {
	switch {
	case t.gone:
		t.out.Delete()
		t.out.Purge()
		return
	case t.silent || t.expire():
		t.forget()
		return
	}
	if t.evidence {
		sealed, err := schemas.ComponentCodec.Append(nil, t.component)
		if err != nil {
			panic(fmt.Sprintf("component of %q: %v", t.key, err))
		}
		t.row.Component, t.changed = sealed, true
	}
	if t.changed {
		t.out.Set(t.row)
	}
}

func (t *turn) send(m *schemas.IdentityMessage) {
	m.Cause = t.now
	stage.Emit(t.out, &topologies.IdentityLoop, m.To, m)
}
