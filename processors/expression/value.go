package expression

import (
	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

func hash(text string) int64 { return int64(xxhash.Sum64String(text)) }

// Compared turns the value of t's aggregate into the value of t, by comparing
// it with t's operand where t has one. A comparison by order with something
// that is not a number is Null; such a thing is equal to no number.
func (t *Term) Compared(aggregate schemas.Value) schemas.Value {
	if t.Compare == NoComparison {
		return aggregate
	}
	isNumber := aggregate.Kind == schemas.Number
	switch {
	case t.Compare == Equal && !isNumber:
		return schemas.BooleanOf(false)
	case t.Compare == NotEqual && !isNumber:
		return schemas.BooleanOf(true)
	case !isNumber:
		return schemas.Value{}
	default:
		return schemas.BooleanOf(t.Compare.holdsFor(aggregate.Number, t.Operand))
	}
}

// Empty is the value of t for a person without any point in the window.
func (t *Term) Empty() schemas.Value {
	switch t.Aggregate {
	case Any:
		return t.Compared(schemas.BooleanOf(false))
	case None:
		return t.Compared(schemas.BooleanOf(true))
	case Count, Sum, Unique, Streak:
		return t.Compared(schemas.NumberOf(0))
	case List:
		return ListOf(nil)
	default:
		return t.Compared(schemas.Value{})
	}
}
