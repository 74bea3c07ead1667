package definition

import "strings"

// usual stands in a list of blocked patterns for the values that the field's
// tools send in place of an identifier.
const usual = "usual"

// blocked makes the test for values that identify nobody: those that patterns
// name, in which * is any text and case does not count.
func blocked(patterns []string) func(string) bool {
	whole := map[string]bool{}
	var parts [][]string
	withUsual := false
	for _, p := range patterns {
		p = strings.ToLower(strings.TrimSpace(p))
		switch {
		case p == usual:
			withUsual = true
		case strings.Contains(p, "*"):
			parts = append(parts, strings.Split(p, "*"))
		default:
			whole[p] = true
		}
	}
	return func(value string) bool {
		value = strings.ToLower(strings.TrimSpace(value))
		if value == "" || whole[value] || withUsual && usuallyBlocked(value) {
			return true
		}
		for _, p := range parts {
			if matchesParts(value, p) {
				return true
			}
		}
		return false
	}
}

// usuallyBlocked is for values in lower case, without space around.
func usuallyBlocked(value string) bool {
	switch value {
	case "null", "nil", "none", "undefined", "nan", "n/a", "na", "0", "-1", "true", "false", "test",
		"anonymous", "anon", "guest", "unknown", "[object object]", "(null)", "not set", "(not set)":
		return true
	}
	return strings.Trim(value, "+0-") == "" || strings.HasPrefix(value, "test@") || strings.HasPrefix(value, "noreply@") ||
		strings.HasPrefix(value, "no-reply@") || strings.HasPrefix(value, "none@") || strings.HasPrefix(value, "unknown@")
}

// matchesParts tells whether value consists of parts with any text between.
func matchesParts(value string, parts []string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(value) < len(first)+len(last) || !strings.HasPrefix(value, first) || !strings.HasSuffix(value, last) {
		return false
	}
	value = value[len(first) : len(value)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(value, part)
		if i < 0 {
			return false
		}
		value = value[i+len(part):]
	}
	return true
}
