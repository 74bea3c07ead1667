package delivery

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
)

// progress says which messages of a partition are settled: told, or dead
// letters. They are in any order, since people do not wait for each other, so
// what is committed is the offset of the oldest that is not, with a note of those
// after it that are. Whoever goes on from there tells none of them again.
type progress struct {
	open   []int64 // offsets in hand, rising
	next   int64   // after the newest that was read
	before *note   // of whoever had the partition before
	dirty  bool
}

// take reports whether a message that was read is to be told.
func (p *progress) take(offset int64) bool {
	p.next, p.dirty = offset+1, true
	if p.before.settled(offset) {
		return false
	}
	p.open = append(p.open, offset)
	return true
}

func (p *progress) settle(offset int64) {
	if i, there := slices.BinarySearch(p.open, offset); there {
		p.open = slices.Delete(p.open, i, i+1)
		p.dirty = true
	}
}

// mark is what to commit.
func (p *progress) mark() (offset int64, text string) {
	n := note{reach: p.next}
	for _, o := range p.open {
		n.add(span{o, o + 1})
	}
	if p.before != nil && p.before.reach > p.next { // not all of it has been read again
		for _, s := range p.before.open {
			if s.to > p.next {
				n.add(span{max(s.from, p.next), s.to})
			}
		}
		n.reach = p.before.reach
	}
	if len(n.open) == 0 {
		return n.reach, ""
	}
	return n.open[0].from, n.encode()
}

// note is which offsets below reach are not settled.
type note struct {
	open  []span // rising, apart
	reach int64
}

// span is offsets from one up to, but not, another.
type span struct{ from, to int64 }

func (n *note) add(s span) {
	if last := len(n.open) - 1; last >= 0 && n.open[last].to == s.from {
		n.open[last].to = s.to
		return
	}
	n.open = append(n.open, s)
}

func (n *note) settled(offset int64) bool {
	if n == nil || offset >= n.reach {
		return false
	}
	_, open := slices.BinarySearchFunc(n.open, offset, func(s span, at int64) int {
		switch {
		case s.to <= at:
			return -1
		case s.from > at:
			return 1
		}
		return 0
	})
	return !open
}

// mostNoted is how long a note gets: Kafka keeps 4096 bytes beside an offset.
const mostNoted = 3500

const notePrefix = "kairos1:"

// encode writes the lengths of what is open and what is settled, by turns, from
// the committed offset on. What does not fit is taken for open.
func (n *note) encode() string {
	var b []byte
	for i, s := range n.open {
		settled := n.reach - s.to
		if i+1 < len(n.open) {
			settled = n.open[i+1].from - s.to
		}
		if settled == 0 {
			break
		}
		more := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(s.to-s.from)), uint64(settled))
		if base64.RawStdEncoding.EncodedLen(len(b)+len(more)) > mostNoted {
			break
		}
		b = append(b, more...)
	}
	if len(b) == 0 {
		return ""
	}
	return notePrefix + base64.RawStdEncoding.EncodeToString(b)
}

// readNote reads what was committed, nil if nothing was. A text that it cannot
// read says nothing: then some are told twice.
func readNote(offset int64, text string) *note {
	if offset < 0 {
		return nil
	}
	nothing, n := &note{reach: offset}, &note{reach: offset}
	text, ours := strings.CutPrefix(text, notePrefix)
	b, err := base64.RawStdEncoding.DecodeString(text)
	if !ours || err != nil {
		return nothing
	}
	for len(b) > 0 {
		var lengths [2]int64
		for i := range lengths {
			length, size := binary.Uvarint(b)
			if size <= 0 || length == 0 || length > 1<<40 {
				return nothing
			}
			lengths[i], b = int64(length), b[size:]
		}
		n.open = append(n.open, span{n.reach, n.reach + lengths[0]})
		n.reach += lengths[0] + lengths[1]
	}
	return n
}
