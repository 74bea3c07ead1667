package host_test

import (
	"fmt"
	"strings"

	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// The toys: a writer that keeps what it is told on a page per key and passes
// it on, and a reader behind it, chained or separate. What a note says is what
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
)

func toyStream(name, writer string, public bool) topologies.Stream[note] {
	return topologies.Stream[note]{Codec: noteCodec, Topic: topologies.Topic{
		Name: name, Writer: writer, Key: "toy", Public: public, Records: []schemas.Record{noteCodec},
	}}
}

func toyTable(word string) topologies.Table[page] {
	return topologies.Table[page]{Codec: pageCodec, Topic: topologies.Topic{
		Name: "toys." + word + "-table", Writer: word, Key: "toy", Compacted: true, Records: []schemas.Record{pageCodec},
	}}
}

var (
	notes  = toyStream("toys.notes", "door", true)
	loop   = toyStream("toys.writer-loop", "writer", false)
	passed = toyStream("toys.passed", "writer", false)
	said   = toyStream("toys.said", "writer", true)
	echoes = toyStream("toys.echoes", "reader", true)

	writerTable = toyTable("writer")
	readerTable = toyTable("reader")

	writerDeclared = topologies.Stage{
		Word: "writer", Key: "toy", Table: writerTable.Topic,
		Inputs:  []topologies.Topic{notes.Topic, loop.Topic},
		Outputs: []topologies.Topic{loop.Topic, passed.Topic, said.Topic},
	}
	readerDeclared = topologies.Stage{
		Word: "reader", Key: "toy", Table: readerTable.Topic,
		Inputs:  []topologies.Topic{passed.Topic},
		Outputs: []topologies.Topic{echoes.Topic},
	}
)

// toys is the topology of the toys.
func toys(partitions int32, chained bool) *topologies.Topology {
	t := &topologies.Topology{Config: topologies.Config{Partitions: partitions, Replication: 1, Chained: chained}}
	if chained {
		t.Groups = []topologies.Group{{Name: "toys.chain", Stages: []topologies.Stage{writerDeclared, readerDeclared}}}
	} else {
		t.Groups = []topologies.Group{
			{Name: "toys.writer", Stages: []topologies.Stage{writerDeclared}},
			{Name: "toys.reader", Stages: []topologies.Stage{readerDeclared}},
		}
	}
	return t
}

type out = stage.Out[page]

// act does what the words of a text say, in order.
func act(o *out, key string, row *page, t schemas.Instant, text string) {
	for word := range strings.FieldsSeq(text) {
		verb, rest, _ := strings.Cut(word, "=")
		switch verb {
		case "wake": // at a time, or after one: wake=20, wake=+5
			var ms schemas.Instant
			_, _ = fmt.Sscan(strings.TrimPrefix(rest, "+"), &ms)
			if strings.HasPrefix(rest, "+") {
				ms += t
			}
			row.WakeAt = ms
		case "pass": // to the stage behind
			stage.Emit(o, &passed, key, &note{t, rest})
		case "say": // in public, under a key finer than what the partition is made of
			stage.EmitKeyed(o, &said, key+"/"+rest, key, &note{t, rest})
		case "tell": // another key, through the loop
			other, what, _ := strings.Cut(rest, ":")
			stage.Emit(o, &loop, other, &note{t, what})
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

func keep(row *page, t schemas.Instant, what string) *page {
	if row == nil {
		row = &page{}
	}
	row.Lines = append(row.Lines, fmt.Sprintf("%d %s", t, what))
	return row
}

func take(in stage.In[page, note], o *out) {
	if home, away := strings.CutPrefix(in.Key, schemas.AwayKey); away {
		stage.Emit(o, &loop, home, in.Message)
		return
	}
	row := keep(in.Row, in.Time, in.Message.Text)
	o.Set(row)
	act(o, in.Key, row, in.Time, in.Message.Text)
}

// rise does what the last line says after "then:", with commas for spaces.
func rise(in stage.In[page, stage.Wake], o *out) {
	_, then, _ := strings.Cut(in.Row.Lines[len(in.Row.Lines)-1], "then:")
	then, _, _ = strings.Cut(then, " ")
	row := keep(in.Row, in.Time, "woken")
	row.WakeAt = 0
	o.Set(row)
	stage.EmitKeyed(o, &said, in.Key, in.Key, &note{in.Time, "woken"})
	act(o, in.Key, row, in.Time, strings.ReplaceAll(then, ",", " "))
}

func resweep(in stage.In[page, stage.Sweep], o *out) {
	row := keep(in.Row, in.Time, "swept")
	o.Set(row)
	stage.EmitKeyed(o, &said, in.Key, in.Key, &note{in.Time, "swept"})
}

func echo(in stage.In[page, note], o *out) {
	row := keep(in.Row, in.Time, in.Message.Text)
	o.Set(row)
	stage.Emit(o, &echoes, in.Key, &note{in.Time, fmt.Sprintf("echo %d %s", len(row.Lines), in.Message.Text)})
}

func writer() *stage.Stage {
	return stage.Define(writerDeclared, writerTable, stage.On(notes, take), stage.On(loop, take), stage.OnWake(rise), stage.OnSweep(resweep))
}

func reader() *stage.Stage {
	return stage.Define(readerDeclared, readerTable, stage.On(passed, echo))
}

// runnerOf runs the toys of a group.
func runnerOf(g topologies.Group) *stage.Runner {
	var stages []*stage.Stage
	for _, s := range g.Stages {
		switch s.Word {
		case "writer":
			stages = append(stages, writer())
		case "reader":
			stages = append(stages, reader())
		}
	}
	r, err := stage.NewRunner(g, stages...)
	if err != nil {
		panic(err)
	}
	return r
}
