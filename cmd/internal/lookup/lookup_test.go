package lookup_test

import (
	"context"
	"errors"
	"testing"

	"kairos/cmd/internal/lookup"
	"kairos/schemas"
	"kairos/topologies"
)

// tables are rows in memory.
type tables map[string][]byte

func (t tables) Row(_ context.Context, table topologies.Topic, key string) ([]byte, error) {
	return t[table.Name+" "+key], nil
}

func put[R any](t *testing.T, rows tables, table topologies.Table[R], key string, row R) {
	t.Helper()
	encoded, err := table.Codec.Append(nil, &row)
	if err != nil {
		t.Fatal(err)
	}
	rows[table.Name+" "+key] = encoded
}

// sarah is a device and an e-mail address, which became one person.
func sarah(t *testing.T) tables {
	t.Helper()
	component, err := schemas.ComponentCodec.Append(nil, &schemas.Component{Version: 2, Links: []schemas.Evidence{{A: "device_id:d", B: "email:s"}}})
	if err != nil {
		t.Fatal(err)
	}
	rows := tables{}
	put(t, rows, topologies.IdentityTable, "device_id:d", schemas.IdentityRow{Person: "aa", Arrived: true, Component: component})
	put(t, rows, topologies.IdentityTable, "email:s", schemas.IdentityRow{Person: "aa", Arrived: true, Root: "device_id:d"})
	put(t, rows, topologies.ProfileTable, "aa", schemas.ProfileRow{Fragments: []schemas.Fragment{{Identifier: "device_id:d"}, {Identifier: "email:s"}}})
	put(t, rows, topologies.ProfileTable, "bb", schemas.ProfileRow{ForwardTo: "aa"})
	put(t, rows, topologies.SegmentTable, "aa", schemas.SegmentRow{Standings: []schemas.Standing{{Audience: "vip", Member: true}}})
	return rows
}

func TestAPersonIsFoundByAnyIdentifierAndByAnIDOfThePast(t *testing.T) {
	rows := sarah(t)
	for _, asked := range []string{"device_id:d", "email:s", "person:aa", "person:bb"} {
		p, err := lookup.Find(t.Context(), rows, schemas.IdentifierOf(asked))
		if err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		if p.ID != "aa" || p.Component == nil || p.Profile == nil || p.Standing("vip") == nil || p.Standing("other") != nil {
			t.Errorf("%s: %+v", asked, p)
		}
	}
}

func TestNobodyIsNotFound(t *testing.T) {
	rows := sarah(t)
	for _, asked := range []string{"email:nobody", "person:cc"} {
		var unknown *lookup.NotFoundError
		if _, err := lookup.Find(t.Context(), rows, schemas.IdentifierOf(asked)); !errors.As(err, &unknown) {
			t.Errorf("%s: %v", asked, err)
		}
	}
}
