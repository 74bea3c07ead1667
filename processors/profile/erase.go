package profile

import (
	"kairos/processors/stage"
	"kairos/schemas"
)

// end ends the row of a person who holds nothing any more and only says who
// does. One who holds something lives under another's first identifier: that
// cannot be told from the id, which is a hash, and is left.
func (p *profile) end(in stage.In[schemas.ProfileRow, schemas.PersonEvent], out *stage.Out[schemas.ProfileRow]) {
	if in.Row != nil && len(in.Row.Fragments)+len(in.Row.Parked) > 0 || in.Row == nil && in.Message.Forget {
		out.Drop(DropStale)
		return
	}
	v := p.visit(in.Key, in.Row, in.Time, out)
	v.erased, v.forgot = in.Message.Erased, in.Message.Forget
	v.close(reasonOf(in.Message))
}

// erase ends a visit that took a fragment away for good. All fragments of the
// person go, one word for each, and nothing is told in between: a person of
// whom half is gone must not enter an audience.
func (v *visit) erase() {
	v.unenrol(schemas.ReasonErased)
	v.row.Groups = nil
	if len(v.row.Fragments)+len(v.row.Parked) > 0 {
		v.row.WakeAt = 0
		v.out.Set(v.row)
		return
	}
	v.emit(&schemas.Change{Reason: schemas.ReasonErased, Gone: true, Forgotten: true})
	v.out.Delete()
	v.out.Purge()
}
