package host_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRecordsBecomeRowsAndRecords(t *testing.T) {
	w := newWorld(t, toys(3, true))
	h := w.start(w.config("writer"))
	w.write("a 1 pass=x say=fine", "b 2 hello", "a 3 tell=c:pass=y")
	w.drain(h)
	equal(t, "page a", h.page(writerTable, "a"), []string{"1 pass=x say=fine", "3 tell=c:pass=y"})
	equal(t, "page c", h.page(writerTable, "c"), []string{"3 pass=y"})
	equal(t, "page a of the reader", h.page(readerTable, "a"), []string{"1 x"})
	equal(t, "echoes c", w.notesOf(echoes.Name)["c"], []string{"3 echo 1 y"})
	equal(t, "said a/fine", w.notesOf(said.Name)["a/fine"], []string{"1 fine"})
	equal(t, "table", w.pages(writerTable)["b"], []string{"2 hello"})
	h.mustEnd()
}

func TestTimersFireWhenTheDoorTicks(t *testing.T) {
	w := newWorld(t, toys(3, false))
	h, behind := w.start(w.config("writer")), w.start(w.config("reader"))
	w.write("a 1 wake=20 then:pass=late", "b 2 wake=30")
	w.tick(20)
	w.drain(h, behind)
	equal(t, "page a", h.page(writerTable, "a"), []string{"1 wake=20 then:pass=late", "20 woken"})
	equal(t, "page b", h.page(writerTable, "b"), []string{"2 wake=30"})
	equal(t, "echoes a", w.notesOf(echoes.Name)["a"], []string{"20 echo 1 late"})
	for _, p := range behind.Status().Partitions {
		if p.Time != 20 {
			t.Errorf("partition %d of the reader believes it is %d", p.Number, p.Time)
		}
	}
}

// The memory of rows that have changed is written again (DESIGN 34); spoiled, in tests.
func TestARowThatWasAskedForStaysAsItWasWhileRowsChange(t *testing.T) {
	w := newWorld(t, toys(1, true))
	h := w.start(w.config("writer"))
	w.write("a 1 one")
	w.drain(h)
	row, err := h.Row(writerTable.Name, "a")
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(row)
	for n := range 10 { // more than two blocks
		w.write(fmt.Sprintf("a %d %s", n+2, strings.Repeat("x", 1000)))
		w.drain(h)
	}
	if !bytes.Equal(row, before) {
		t.Errorf("%q has become %q", before, row)
	}
}
