package stage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// The toys: two stages of one chain. The writer keeps what it is told and
// passes it on; the reader echoes what it is passed. What a note says is what
// a step does with it, see act.

type note struct {
	Time schemas.Instant `avro:"at_ms"`
	Text string          `avro:"text"`
}

func (n *note) At() schemas.Instant { return n.Time }

type page struct {
	schemas.Clock
	Lines []string `avro:"lines"`
}

var (
	noteCodec = schemas.NewCodec[note]("Note")
	pageCodec = schemas.NewCodec[page]("Page")

	notes   = topologies.Stream[note]{Topic: topologies.Topic{Name: "toys.notes"}, Codec: noteCodec}
	loop    = topologies.Stream[note]{Topic: topologies.Topic{Name: "toys.writer-loop"}, Codec: noteCodec}
	passed  = topologies.Stream[note]{Topic: topologies.Topic{Name: "toys.passed"}, Codec: noteCodec}
	replies = topologies.Stream[note]{Topic: topologies.Topic{Name: "toys.replies", Public: true}, Codec: noteCodec}
	echoes  = topologies.Stream[note]{Topic: topologies.Topic{Name: "toys.echoes", Public: true}, Codec: noteCodec}

	writerTable = topologies.Table[page]{Topic: topologies.Topic{Name: "toys.writer-table"}, Codec: pageCodec}
	readerTable = topologies.Table[page]{Topic: topologies.Topic{Name: "toys.reader-table"}, Codec: pageCodec}

	writerDeclared = topologies.Stage{
		Word: "writer", Table: writerTable.Topic,
		Inputs:  []topologies.Topic{notes.Topic, loop.Topic, replies.Topic},
		Outputs: []topologies.Topic{loop.Topic, passed.Topic},
	}
	readerDeclared = topologies.Stage{
		Word: "reader", Table: readerTable.Topic,
		Inputs:  []topologies.Topic{passed.Topic},
		Outputs: []topologies.Topic{replies.Topic, echoes.Topic},
	}
	chained  = topologies.Group{Name: "toys", Stages: []topologies.Stage{writerDeclared, readerDeclared}}
	separate = []topologies.Group{
		{Name: "toys.writer", Stages: []topologies.Stage{writerDeclared}},
		{Name: "toys.reader", Stages: []topologies.Stage{readerDeclared}},
	}
)

type out = stage.Out[page]

// act does what the words of a text say, in order.
func act(o *out, row *page, t schemas.Instant, text string) {
	for word := range strings.FieldsSeq(text) {
		verb, rest, _ := strings.Cut(word, "=")
		var ms schemas.Instant
		_, _ = fmt.Sscan(rest, &ms) // of verbs that take a time
		switch verb {
		case "wake":
			row.WakeAt = ms
			o.Set(row)
		case "pass": // to the other stage, at a time of its own if it says one
			stage.Emit(o, &passed, rest, &note{t, "passed"})
		case "late-pass":
			stage.Emit(o, &passed, "k", &note{ms, "passed"})
		case "tell": // another key, through the loop
			stage.Emit(o, &loop, rest, &note{t, "told"})
		case "fail-behind":
			stage.Emit(o, &passed, "k", &note{t, "panic"})
		case "refuse":
			o.Refuse("kairos-writer-unwanted", "the note says so; write another")
		case "panic":
			panic("planted")
		case "drop":
			o.Drop("dull")
		case "delete":
			o.Delete()
		}
	}
}

func log(row *page, key string, t schemas.Instant, what string) *page {
	if row == nil {
		row = &page{}
	}
	row.Lines = append(row.Lines, fmt.Sprintf("%s %d %s", key, t, what))
	return row
}

func take(in stage.In[page, note], o *out) {
	row := log(in.Row, in.Key, in.Time, in.Message.Text)
	o.Set(row)
	act(o, row, in.Time, in.Message.Text)
}

// wakeUp does what the last line says after "then:".
func wakeUp(in stage.In[page, stage.Wake], o *out) {
	_, then, _ := strings.Cut(in.Row.Lines[len(in.Row.Lines)-1], "then:")
	row := log(in.Row, in.Key, in.Time, "woken")
	if !strings.Contains(then, "keep-wake") {
		row.WakeAt = 0
	}
	if !strings.Contains(then, "forget-row") {
		o.Set(row)
	}
	act(o, row, in.Time, then)
}

func hear(in stage.In[page, note], o *out) {
	o.Set(log(in.Row, in.Key, in.Time, "reply "+in.Message.Text))
}

func echo(in stage.In[page, note], o *out) {
	row := log(in.Row, in.Key, in.Time, in.Message.Text)
	o.Set(row)
	stage.Emit(o, &echoes, in.Key, &note{in.Time, "echo"})
	stage.Emit(o, &replies, in.Key, &note{in.Time, "heard"})
	act(o, row, in.Time, in.Message.Text)
}

func sweep(in stage.In[page, stage.Sweep], o *out) {
	row := log(in.Row, in.Key, in.Time, "swept")
	o.Set(row)
	_, then, _ := strings.Cut(row.Lines[0], "swept:")
	act(o, row, in.Time, then)
}

func writer() *stage.Stage {
	return stage.Define(writerDeclared, writerTable, stage.On(notes, take), stage.On(loop, take),
		stage.On(replies, hear), stage.OnWake(wakeUp), stage.OnSweep(sweep))
}

func reader() *stage.Stage {
	return stage.Define(readerDeclared, readerTable, stage.On(passed, echo))
}

func runner(t testing.TB, group topologies.Group, stages ...*stage.Stage) *stage.Runner {
	t.Helper()
	r, err := stage.NewRunner(group, stages...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func chain(t testing.TB) *stage.Runner { return runner(t, chained, writer(), reader()) }

// rows is a store of encoded rows.
type rows map[[2]string][]byte

func (r rows) Row(table, key string) ([]byte, error) { return r[[2]string{table, key}], nil }

func (r rows) apply(e stage.Effects) {
	for _, c := range e.Rows {
		if c.Value == nil {
			delete(r, [2]string{c.Table, c.Key})
		} else {
			r[[2]string{c.Table, c.Key}] = c.Value
		}
	}
}

func (r rows) lines(t testing.TB, table topologies.Table[page], key string) []string {
	t.Helper()
	encoded := r[[2]string{table.Name, key}]
	if encoded == nil {
		return nil
	}
	p, err := table.Codec.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return p.Lines
}

func message(t testing.TB, key string, at schemas.Instant, text string) stage.Message {
	t.Helper()
	value, err := noteCodec.Append(nil, &note{at, text})
	if err != nil {
		t.Fatal(err)
	}
	return stage.Message{Topic: notes.Name, Partition: 3, Offset: 42, Key: key, Value: value}
}

// say applies a note and keeps what it did.
func (r rows) say(t testing.TB, run *stage.Runner, key string, at schemas.Instant, text string) stage.Effects {
	t.Helper()
	effects, err := run.Message(r, message(t, key, at, text))
	if err != nil {
		t.Fatal(err)
	}
	r.apply(effects)
	return effects
}

func (r rows) wake(t testing.TB, run *stage.Runner, key string, until schemas.Instant) stage.Effects {
	t.Helper()
	effects, err := run.Wake(r, key, until)
	if err != nil {
		t.Fatal(err)
	}
	r.apply(effects)
	return effects
}

// letters takes the dead letters out of effects.
func letters(t testing.TB, e stage.Effects) []*schemas.DeadLetter {
	t.Helper()
	var all []*schemas.DeadLetter
	for _, record := range e.Records {
		if !strings.HasSuffix(record.Topic, ".deadletters") {
			continue
		}
		letter, err := schemas.DeadLetterCodec.Decode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, letter)
	}
	return all
}

// onlyLetter checks that an effect is one dead letter and nothing else.
func onlyLetter(t testing.TB, e stage.Effects) *schemas.DeadLetter {
	t.Helper()
	all := letters(t, e)
	if len(all) != 1 || len(e.Records) != 1 || len(e.Rows) != 0 || len(e.Drops) != 1 {
		t.Fatalf("want exactly one dead letter, counted once, got %d letters, %d records, %d rows, drops %v", len(all), len(e.Records), len(e.Rows), e.Drops)
	}
	if e.Drops[0].Reason != all[0].Reason || e.Drops[0].Stage != all[0].Stage {
		t.Fatalf("the drop %v is not the letter's %s %s", e.Drops[0], all[0].Stage, all[0].Reason)
	}
	return all[0]
}

func topicsOf(e stage.Effects) []string {
	var all []string
	for _, record := range e.Records {
		all = append(all, record.Topic)
	}
	return all
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
