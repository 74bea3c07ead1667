package profile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"kairos/schemas"
)

// mostRecent bounds how many event ids a fragment remembers. Past it the ids
// accepted longest ago are forgotten first, which is counted.
const mostRecent = 4096

// The column Recent: per event id its xxhash64 and the time of its acceptance,
// both fixed, by time and then hash.
const recentBytes = 16

// seen reports whether the event id was accepted within the window, and
// remembers it if not. The window ends at the fragment's now.
func (p *profile) seen(f *schemas.Fragment, id string, cause schemas.Instant) (duplicate, forgot bool) {
	since := f.Now.Add(-p.plan.Profile.DuplicateWindow)
	start := 0
	for start < len(f.Recent) && recentTime(f.Recent[start:]) <= since {
		start += recentBytes
	}
	f.Recent = f.Recent[start:]
	hash := xxhash.Sum64String(id)
	known := 0
	for known < len(f.Recent) && binary.LittleEndian.Uint64(f.Recent[known:]) != hash {
		known += recentBytes
	}
	switch duplicate = known < len(f.Recent); {
	case duplicate && recentTime(f.Recent[known:]) <= cause, !duplicate && cause <= since:
		return duplicate, false
	case duplicate: // the earlier acceptance counts, whichever came first
		f.Recent = slices.Delete(f.Recent, known, known+recentBytes)
	}
	place := len(f.Recent)
	for place > 0 && laterThan(f.Recent[place-recentBytes:], cause, hash) {
		place -= recentBytes
	}
	var entry [recentBytes]byte
	binary.LittleEndian.PutUint64(entry[:], hash)
	binary.LittleEndian.PutUint64(entry[8:], uint64(cause))
	if forgot = len(f.Recent) == mostRecent*recentBytes; forgot { // the oldest makes room, in place
		place = max(place-recentBytes, 0)
		copy(f.Recent, f.Recent[recentBytes:recentBytes+place])
		copy(f.Recent[place:], entry[:])
		return duplicate, forgot
	}
	f.Recent = slices.Insert(f.Recent, place, entry[:]...)
	return duplicate, forgot
}

func recentTime(entry []byte) schemas.Instant {
	return schemas.Instant(binary.LittleEndian.Uint64(entry[8:]))
}

func laterThan(entry []byte, t schemas.Instant, hash uint64) bool {
	return cmp.Or(cmp.Compare(recentTime(entry), t), cmp.Compare(binary.LittleEndian.Uint64(entry), hash)) > 0
}
