package expression

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day

	longestWindow = 100 * year
)

// units in falling order. A month is not among them: it has no fixed length.
var units = [...]struct {
	letter string
	length time.Duration
}{{"y", year}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// ParseDuration reads a window such as "30d", "12h", "90m", "2w", "1y" (365
// days) or "1d12h".
func ParseDuration(text string) (time.Duration, error) {
	var total time.Duration
	rest := text
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		count, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || digits == len(rest) {
			return 0, fmt.Errorf("%q is not a duration; write a number and one of y, w, d, h, m, s, such as \"30d\"", text)
		}
		length := unit(rest[digits : digits+1])
		if length == 0 {
			return 0, fmt.Errorf("%q is not a duration: the unit %q is unknown; use y (365 days), w, d, h, m or s", text, rest[digits:digits+1])
		}
		if count > int64(longestWindow/length) || total > longestWindow-time.Duration(count)*length {
			return 0, fmt.Errorf("%q is longer than 100 years; leave within() out to look at everything", text)
		}
		total += time.Duration(count) * length
		rest = rest[digits+1:]
	}
	if total <= 0 {
		return 0, fmt.Errorf("%q is not a duration above zero; write one such as \"30d\"", text)
	}
	return total, nil
}

func unit(letter string) time.Duration {
	for _, u := range units {
		if u.letter == letter {
			return u.length
		}
	}
	return 0
}

// FormatDuration writes d in days, hours, minutes and seconds, each once at
// most, such as "30d" or "1d12h": equal durations have equal texts.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range units[2:] {
		if n := d / u.length; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.letter)
			d -= n * u.length
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
