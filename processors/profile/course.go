package profile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"kairos/schemas"
)

// course is the value of a term and how the passing of time will change it if
// nothing else happens. A group tells its members courses rather than values,
// so that each of them can follow on the very millisecond by itself.
type course struct {
	id    int64
	value schemas.Value
	steps []turn          // rising; the next mostTurns
	due   schemas.Instant // when to look for more of them; 0: there are none
}

// turn says that a term has a value from a time on.
type turn struct {
	at    schemas.Instant
	value schemas.Value
}

// mostTurns bounds a course. Half of them before its end it is told further.
const mostTurns = 16

// courseOf computes the course of a term over what was gathered.
func (t *term) courseOf(g *gathered, now schemas.Instant) course {
	c := course{id: t.ID}
	var due schemas.Instant
	for c.value, due = t.evaluate(g, now); due != 0 && len(c.steps) < mostTurns; {
		next := turn{at: due}
		next.value, due = t.evaluate(g, due)
		c.steps = append(c.steps, next)
	}
	if due != 0 {
		c.due = c.steps[mostTurns/2].at
	}
	return c
}

// advance brings the course to now.
func (c *course) advance(now schemas.Instant) {
	for len(c.steps) > 0 && c.steps[0].at <= now {
		c.value, c.steps = c.steps[0].value, c.steps[1:]
	}
}

// idle reports whether the course says nothing: its term is empty and stays so.
func (c *course) idle(empty schemas.Value) bool { return c.value == empty && len(c.steps) == 0 }

// alike reports whether two courses say the same, as far as both go.
func (c *course) alike(other *course) bool {
	return c.value == other.value && slices.Equal(c.steps, other.steps)
}

// The columns Values: per course, by rising id, fixed id; varint due; value;
// uvarint number of turns, each with uvarint time (the first varint) since the
// one before and value.
func appendCourse(dst []byte, c *course) []byte {
	dst = appendValue(binary.AppendVarint(appendFixed(dst, uint64(c.id)), int64(c.due)), c.value)
	dst = binary.AppendUvarint(dst, uint64(len(c.steps)))
	for i, s := range c.steps {
		if i == 0 {
			dst = binary.AppendVarint(dst, int64(s.at))
		} else {
			dst = binary.AppendUvarint(dst, uint64(s.at-c.steps[i-1].at))
		}
		dst = appendValue(dst, s.value)
	}
	return dst
}

func appendCourses(dst []byte, all []course) []byte {
	for i := range all {
		dst = appendCourse(dst, &all[i])
	}
	return dst
}

func coursesOf(column []byte) ([]course, bool) {
	var all []course
	r := reader{rest: column}
	for len(r.rest) > 0 {
		c := course{id: int64(r.fixed()), due: schemas.Instant(r.varint()), value: r.value()}
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			var s turn
			if len(c.steps) == 0 {
				s.at = schemas.Instant(r.varint())
			} else {
				s.at = c.steps[len(c.steps)-1].at + schemas.Instant(r.uvarint())
			}
			s.value = r.value()
			c.steps = append(c.steps, s)
		}
		all = append(all, c)
	}
	return all, !r.bad
}

// mustCourses unpacks a column of the row's own.
func mustCourses(column []byte) []course {
	all, sound := coursesOf(column)
	(&reader{bad: !sound}).whole("values")
	return all
}

func findCourse(all []course, id int64) (int, bool) {
	return slices.BinarySearchFunc(all, id, func(c course, id int64) int { return cmp.Compare(c.id, id) })
}

// united is before with what after says in place of it.
func united(before, after []course) []course {
	all := slices.Clone(before)
	for _, c := range after {
		if i, found := findCourse(all, c.id); found {
			all[i] = c
		} else {
			all = slices.Insert(all, i, c)
		}
	}
	return all
}
