package schemas_test

import (
	"testing"

	"kairos/schemas"
)

// How a record may grow: these are what Thing was and what it became.

type thingOne struct {
	Name  string `avro:"name"`
	Extra int64  `avro:"extra"` // taken away later
}

type thingTwo struct {
	Name  string  `avro:"name"`
	Grade float64 `avro:"grade,default=0"` // new, with a default
	Note  *note   `avro:"note"`            // new, optional
}

type note struct {
	Text string `avro:"text"`
}

type thingBroken struct {
	Name  string  `avro:"name"`
	Grade float64 `avro:"grade"` // new, without a default
}

func TestAnEarlierReleaseIsStillRead(t *testing.T) {
	first := schemas.NewCodec[thingOne]("Thing")
	second := schemas.NewCodec[thingTwo]("Thing", first.Schema())
	old, err := first.Append(nil, &thingOne{"bolt", 7})
	if err != nil {
		t.Fatal(err)
	}
	got, err := second.Decode(old)
	if err != nil {
		t.Fatal(err)
	}
	if *got != (thingTwo{Name: "bolt"}) {
		t.Errorf("got %+v", got)
	}
}

func TestARecordThatEarlierReleasesCannotBecomeIsRefused(t *testing.T) {
	first := schemas.NewCodec[thingOne]("Thing")
	defer func() {
		if recover() == nil {
			t.Error("a new field without a default was taken: rows of the last release could not be read")
		}
	}()
	schemas.NewCodec[thingBroken]("Thing", first.Schema())
}

func TestARecordOfALaterReleaseIsAnUnknownSchema(t *testing.T) {
	first := schemas.NewCodec[thingOne]("Thing")
	later := schemas.NewCodec[thingTwo]("Thing", first.Schema())
	b, err := later.Append(nil, &thingTwo{Name: "bolt"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Decode(b); err == nil {
		t.Error("read a schema that did not exist then")
	}
}
