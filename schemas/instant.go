package schemas

import "time"

// Instant is a point in time in milliseconds since 1970-01-01T00:00:00Z, the
// unit of every `_ms` field on the wire. Zero means "not set".
type Instant int64

// InstantOf truncates t to the millisecond.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time returns i in UTC.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// Add moves i by d; parts of d below a millisecond are cut.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Millisecond }

// String formats i as RFC 3339 in UTC, with milliseconds only where there are any.
func (i Instant) String() string { return i.Time().Format("2006-01-02T15:04:05.999Z07:00") }
