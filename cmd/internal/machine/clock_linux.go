package machine

import "syscall"

// ClockKept reports whether something keeps the clock right (NTP), and whether
// the system tells that at all.
func ClockKept() (kept, known bool) {
	const unsynchronised = 5 // TIME_ERROR
	state, err := syscall.Adjtimex(&syscall.Timex{})
	return state != unsynchronised, err == nil
}
