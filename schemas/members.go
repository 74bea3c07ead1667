package schemas

import "fmt"

// MembersOf calls f with each audience that the person of an encoded row is in.
// It takes apart no more than that needs; the bytes are valid until f returns.
func MembersOf(row []byte, f func(audience []byte)) error {
	if len(row) < 10 || [8]byte(row[2:10]) != SegmentRowCodec.fingerprint { // of an earlier release
		r, err := SegmentRowCodec.Decode(row)
		if err != nil {
			return err
		}
		for i := range r.Standings {
			if r.Standings[i].Member {
				f([]byte(r.Standings[i].Audience))
			}
		}
		return nil
	}
	in := &avroReader{rest: row[10:]}
	for range 3 { // the clock and the rules
		in.long()
	}
	for n := in.block(1); n > 0; n = in.block(1) { // features
		for range n {
			in.long()
			in.skipValue()
		}
	}
	for n := in.block(1); n > 0; n = in.block(1) { // attributes
		for range n {
			in.raw()
			in.skipValue()
		}
	}
	for n := in.block(1); n > 0; n = in.block(1) {
		for range n {
			audience, member := in.raw(), in.boolean()
			for range 3 { // revision, since, version
				in.long()
			}
			in.raw()
			in.raw()
			if member && !in.bad {
				f(audience)
			}
		}
	}
	if in.bad {
		return fmt.Errorf("members of a row: %w", errDamaged)
	}
	return nil
}

func (in *avroReader) skipValue() {
	if in.long(); len(in.rest) < 8 {
		in.fail()
		return
	}
	in.rest = in.rest[8:]
	in.raw()
}
