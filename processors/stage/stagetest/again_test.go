package stagetest_test

import (
	"fmt"
	"strings"
	"testing"

	"kairos/processors/flow/flowtest"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

type (
	in  = stage.In[schemas.SegmentRow, schemas.PersonEvent]
	out = stage.Out[schemas.SegmentRow]
)

func TestAStepThatChangesItsMessageIsFound(t *testing.T) {
	keep := func(in in, o *out) {
		row := in.Row
		if row == nil {
			row = &schemas.SegmentRow{}
		}
		row.Attributes = append(row.Attributes, in.Message.Event.Properties...)
		o.Set(row)
	}
	if found := messages(keep); found != "" {
		t.Errorf("a sound step: %s", found)
	}
	found := messages(func(in in, o *out) {
		keep(in, o)
		if in.Row != nil {
			in.Message.Event.Properties = in.Row.Attributes[:1]
		}
	})
	if !strings.Contains(found, "in used memory") {
		t.Errorf("a step that gives its message a list of its row: %q", found)
	}
}

// messages lets a stage of one step hear some messages, and gives what it panicked with.
func messages(step func(in, *out)) (found string) {
	defer func() {
		if p := recover(); p != nil {
			found = fmt.Sprint(p)
		}
	}()
	declared := topologies.Stage{Word: "toy", Inputs: []topologies.Topic{topologies.PersonEvents.Topic}, Table: topologies.SegmentTable.Topic}
	w := flowtest.NewWorld(flowtest.MustRunner(stage.Define(declared, topologies.SegmentTable, stage.On(topologies.PersonEvents, step))))
	for i := range 4 {
		flowtest.Append(w, topologies.PersonEvents, "p", &schemas.PersonEvent{Event: &schemas.Event{
			Properties: schemas.Properties{{Name: "at", Value: schemas.NumberOf(float64(i))}},
		}})
	}
	w.Settle()
	return ""
}
