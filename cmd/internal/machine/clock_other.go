//go:build !linux

package machine

// ClockKept reports whether something keeps the clock right (NTP), and whether
// the system tells that at all.
func ClockKept() (kept, known bool) { return false, false }
