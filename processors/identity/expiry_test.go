package identity_test

import (
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// Rows from before components were forgotten did not note when that was.
func TestWhoNeverNotedWhenTheyWereHeardOfCountsFromNow(t *testing.T) {
	w := newWorld(t, 1, definition.IdentityRules{Namespaces: []definition.Namespace{
		{Name: "cookie", Expires: 90 * 24 * time.Hour, Links: true},
	}})
	w.put(event("1", 0, "cookie:a", "cookie:b"))
	w.rest(loopFirst)
	old := w.row("cookie:b")
	old.LastSeen = 0
	value, err := schemas.IdentityRowCodec.Append(nil, old)
	if err != nil {
		t.Fatal(err)
	}
	w.rows["cookie:b"] = value
	asked := instant(100 * minutesOfDay)
	word, err := schemas.IdentityMessageCodec.Append(nil, &schemas.IdentityMessage{
		To: "cookie:b", Cause: asked, Expire: &schemas.Expiry{Identifier: "cookie:b", Root: "cookie:a", LastSeen: instant(2 * minutesOfDay)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.enqueue(0, stage.Message{Topic: topologies.IdentityLoop.Name, Key: "cookie:b", Value: word})
	w.rest(loopFirst)
	if w.rows["cookie:b"] == nil || w.row("cookie:b").LastSeen < asked {
		t.Errorf("the row of cookie:b is %+v", w.row("cookie:b"))
	}
	if c := w.component("cookie:a"); len(c.Members) != 2 || c.Members[1].LastSeen < asked {
		t.Errorf("its root knows %+v", c.Members)
	}
}
