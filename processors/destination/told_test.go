package destination_test

import (
	"slices"
	"strings"
	"testing"

	"kairos/processors/destination"
	"kairos/processors/flow/flowtest"
	"kairos/schemas"
	"kairos/topologies"
)

// named says that the person has these e-mail addresses from now on, and no other
// identifier; without any: that nothing is left.
func named(at schemas.Instant, addresses ...string) *schemas.Membership {
	m := &schemas.Membership{Change: schemas.Change{Cause: start + at, Reason: "moved"}}
	for _, address := range addresses {
		m.Change.Identifiers = append(m.Change.Identifiers, schemas.Identifier{Namespace: "email", Value: address})
	}
	if len(addresses) == 0 {
		m.Change.Identifiers = []schemas.Identifier{{}}
	}
	return m
}

// addresses says of each record from the before-th on what it puts on a list of
// addresses (+) and what it takes off (-).
func addresses(w *flowtest.World, before int) (said []string) {
	for _, a := range flowtest.RecordsOf(w, "mail")[before:] {
		sign, word := "+", "exited"
		if a.Entered {
			word = "entered"
		} else {
			sign = "-"
		}
		parts := []string{word}
		for _, id := range a.Former {
			parts = append(parts, "-"+id.Value)
		}
		for _, id := range a.Identifiers {
			parts = append(parts, sign+id.Value)
		}
		said = append(said, strings.Join(parts, " "))
	}
	return said
}

func plainMail() *flowtest.World {
	plan := mail()
	plan.Destinations[0].Hash = nil
	return world(plan)
}

func TestAnExitNamesTheAddressThatWasToldWhateverTheAddressIsNow(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "old@x"), turn("winback", true, 1, 5))
	exit := named(9, "new@x")
	exit.Transitions = turn("winback", false, 2, 9).Transitions
	tell(w, exit)
	expect(t, addresses(w, 0), "entered +old@x", "exited -old@x")
}

func TestAnAddressThatHoldsNoLongerIsTakenOffAndStaysInNoCurrentList(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "a@x", "b@x"), turn("winback", true, 1, 5))
	tell(w, named(6, "b@x", "c@x"))
	expect(t, addresses(w, 1), "entered -a@x +b@x +c@x", "entered +b@x +c@x")
	tell(w, named(7, "b@x", "c@x", "d@x")) // nothing is gone
	tell(w, named(8))
	expect(t, addresses(w, 3), "entered +b@x +c@x +d@x", "entered -b@x -c@x -d@x", "entered")
	tell(w, turn("winback", false, 2, 9))
	expect(t, addresses(w, 6), "exited")
}

func TestAnExitForWantOfConsentTellsNoNewAddress(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "a@x"), turn("winback", true, 1, 5))
	m := consent(false, 6)
	m.Change.Identifiers = named(6, "secret@x").Change.Identifiers
	tell(w, m)
	expect(t, addresses(w, 1), "exited -a@x")
}

func TestADestinationThatWantsAddressesHashedFromNowOnTakesThePlainOnesOff(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "sarah@example.org"), turn("winback", true, 1, 5))
	w.Become(flowtest.MustRunner(destination.New(mail())))
	w.Sweep("destination", start+10)
	const hash = "c4409c14be3ee0d725747604218ece22fb4ac9b93047c325d55dfd37fb4b28ff"
	expect(t, addresses(w, 1), "entered -sarah@example.org +"+hash, "entered +"+hash)
}

func TestWhoIsNoLongerWantedIsTakenOffByAddress(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "a@x"), turn("winback", true, 1, 5))
	plan := mail()
	plan.Destinations[0].Audiences = []string{"vip"}
	w.Become(flowtest.MustRunner(destination.New(plan)))
	w.Sweep("destination", start+10)
	expect(t, addresses(w, 1), "exited -a@x")
}

func TestARowNotesEachAddressOnceAndOnlyWhileSomebodyWasToldIt(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "b@x", "a@x"), turn("winback", true, 1, 5), turn("vip", true, 1, 6))
	row := flowtest.RowOf(w, topologies.DestinationTable, "sarah")
	want := []schemas.Identifier{{Namespace: "email", Value: "a@x"}, {Namespace: "email", Value: "b@x"}}
	if !slices.Equal(row.Told, want) || !slices.Equal(row.Said[0].Told, []int32{1, 0}) || !slices.Equal(row.Said[1].Told, []int32{1, 0}) {
		t.Errorf("the row notes %v, and %+v", row.Told, row.Said)
	}
	tell(w, turn("winback", false, 2, 7), turn("vip", false, 2, 8))
	if row := flowtest.RowOf(w, topologies.DestinationTable, "sarah"); len(row.Told) > 0 || len(row.Said) > 0 {
		t.Errorf("it still notes %v, and %+v", row.Told, row.Said)
	}
}

// A row from before rows noted what was told, read as today's release reads it.
func TestOfARowThatNotesNothingYetWhatItKnewWasTold(t *testing.T) {
	w := plainMail()
	tell(w, consent(true, 0), named(1, "old@x"), turn("winback", true, 1, 5))
	row := flowtest.RowOf(w, topologies.DestinationTable, "sarah")
	row.Told, row.Noted, row.Said[0].Told = nil, false, nil
	value, err := topologies.DestinationTable.Codec.Append(nil, row)
	if err != nil {
		t.Fatal(err)
	}
	w.Rows[flowtest.RowKey{Table: topologies.DestinationTable.Name, Key: "sarah"}] = value
	tell(w, named(6, "new@x"), turn("winback", false, 2, 7))
	expect(t, addresses(w, 1), "entered -old@x +new@x", "entered +new@x", "exited -new@x")
}
