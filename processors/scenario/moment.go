package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kairos/schemas"
)

// Times and values as people write them in stories.

var layouts = []string{"2006-01-02T15:04:05.999Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02"}

func parseMoment(text string) (schemas.Instant, error) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return schemas.InstantOf(t), nil
		}
	}
	return 0, fmt.Errorf("%q is no time: write 2026-03-01T09:00Z, with seconds if need be, or 2026-03-01", text)
}

var units = map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond}

func parseSpan(text string) (time.Duration, error) {
	number := strings.TrimRight(text, "wdhms")
	n, err := strconv.Atoi(number)
	unit, ok := units[text[len(number):]]
	if err != nil || !ok || n < 0 {
		return 0, fmt.Errorf("%q is no span of time: write 30d, 12h, 5m, 1s, 1ms or 2w", text)
	}
	return time.Duration(n) * unit, nil
}

// showMoment writes only the clock on the day of the story's last event.
func showMoment(t, today schemas.Instant) string {
	if t == 0 {
		return "never"
	}
	at, day := t.Time(), today.Time()
	clock := at.Format("15:04:05.999")
	if at.Truncate(24 * time.Hour).Equal(day.Truncate(24 * time.Hour)) {
		return clock
	}
	return at.Format("2006-01-02T") + strings.TrimSuffix(clock, ":00") + "Z"
}

// parseValue takes digits for a number, true and false for what they are, null
// for nothing and all else for text; quotes make text of anything.
func parseValue(text string) schemas.Value {
	if unquoted, err := strconv.Unquote(text); err == nil {
		return schemas.TextOf(unquoted)
	}
	switch text {
	case "true", "false":
		return schemas.BooleanOf(text == "true")
	case "null":
		return schemas.Value{}
	}
	if strings.ContainsAny(text[:min(len(text), 1)], "+-.0123456789") || text == "NaN" {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return schemas.NumberOf(f)
		}
	}
	return schemas.TextOf(text)
}

// fields splits at spaces outside of double quotes.
func fields(text string) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}
