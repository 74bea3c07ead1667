package profile

import (
	"bytes"
	"encoding/binary"
	"slices"

	"kairos/schemas"
)

// Moment is one line of a timeline.
type Moment struct {
	Time       schemas.Instant
	Received   schemas.Instant
	ID         string
	Name       string
	Source     string
	Properties schemas.Properties
	Future     bool // it claimed to be from the future and was taken as of when it was accepted
	Cut        bool // it was too large: properties are missing
}

const (
	flagFuture = 1
	flagCut    = 2
	flagWords  = 4 // names are written as words: see words.go. Older entries are not
	flagAtOnce = 8 // received when it happened, which is not said again

	largestMoment = 2048 // bytes; a larger event loses its properties, last first
)

// The column Timeline: per event, by time and then by these bytes, uvarint
// length of what follows; varint time; flags; uvarint received-time unless at
// once; text id; words name, source; per property word name, value.
func appendMoment(dst []byte, m *Moment) []byte {
	flags := byte(flagWords)
	if m.Received == m.Time {
		flags |= flagAtOnce
	}
	if m.Future {
		flags |= flagFuture
	}
	if m.Cut {
		flags |= flagCut
	}
	dst = binary.AppendVarint(dst, int64(m.Time))
	if dst = append(dst, flags); flags&flagAtOnce == 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Received-m.Time))
	}
	dst = appendWord(appendWord(appendText(dst, m.ID), m.Name), m.Source)
	for i := range m.Properties {
		dst = appendValue(appendWord(dst, m.Properties[i].Name), m.Properties[i].Value)
	}
	return dst
}

func momentOf(entry []byte) (Moment, bool) {
	r := reader{rest: entry}
	m := Moment{Time: schemas.Instant(r.varint())}
	flags := r.byte()
	m.Future, m.Cut = flags&flagFuture != 0, flags&flagCut != 0
	m.Received = m.Time
	if flags&flagAtOnce == 0 {
		m.Received += schemas.Instant(r.uvarint())
	}
	name := r.text
	if flags&flagWords != 0 {
		name = r.wordText
	}
	m.ID, m.Name, m.Source = r.text(), name(), name()
	for len(r.rest) > 0 {
		m.Properties = append(m.Properties, schemas.Property{Name: name(), Value: r.value()})
	}
	return m, !r.bad
}

// nameOf is what the event of a packed moment is called, and when it happened.
func nameOf(entry []byte) (name string, t schemas.Instant) {
	r := reader{rest: entry}
	t = schemas.Instant(r.varint())
	flags := r.byte()
	if flags&flagAtOnce == 0 {
		r.uvarint()
	}
	r.bytes()
	if flags&flagWords == 0 {
		return r.text(), t
	}
	return r.wordText(), t
}

// moments unpacks a timeline, oldest first.
func moments(column []byte) ([]Moment, bool) {
	var all []Moment
	r := reader{rest: column}
	for len(r.rest) > 0 {
		m, ok := momentOf(r.bytes())
		if !ok {
			r.fail()
			break
		}
		all = append(all, m)
	}
	return all, !r.bad
}

// fitting packs m, without what makes it too large, into the memory of dst.
func fitting(dst []byte, m *Moment) (entry []byte, wasCut bool) {
	entry = appendMoment(dst[:0], m)
	for len(entry) > largestMoment && len(m.Properties) > 0 {
		m.Cut, m.Properties = true, m.Properties[:len(m.Properties)/2]
		entry = appendMoment(entry[:0], m)
	}
	for longest := 256; len(entry) > largestMoment; longest /= 2 {
		m.Cut, m.ID, m.Name, m.Source = true, cut(m.ID, longest), cut(m.Name, longest), cut(m.Source, longest)
		entry = appendMoment(entry[:0], m)
	}
	return entry, m.Cut
}

// remember puts a packed moment of time t in its place and cuts the timeline
// to the newest most entries. It reuses the column's memory.
func remember(column, entry []byte, t schemas.Instant, most int) []byte {
	if most <= 0 {
		return nil
	}
	count, place := 1, -1
	r := reader{rest: column}
	for ; len(r.rest) > 0; count++ {
		at := len(column) - len(r.rest)
		if other := r.bytes(); place < 0 && momentBefore(entry, t, other) {
			place = at
		}
	}
	r.whole("timeline")
	if place >= 0 {
		return newest(slices.Insert(column, place, appendBytes(nil, entry)...), count, most)
	}
	rest := newest(column, count, most)
	return appendBytes(append(column[:0], rest...), entry)
}

func momentBefore(entry []byte, t schemas.Instant, other []byte) bool {
	v, _ := binary.Varint(other)
	return t < schemas.Instant(v) || t == schemas.Instant(v) && bytes.Compare(entry, other) < 0
}

// newest cuts a timeline of count entries to the newest most.
func newest(column []byte, count, most int) []byte {
	r := reader{rest: column}
	for ; count > max(most, 0); count-- {
		r.bytes()
	}
	r.whole("timeline")
	return r.rest
}
