package identity

import (
	"strings"

	"kairos/schemas"
)

// Normalise brings an identifier into the form under which it is known: no
// space around it, e-mail addresses in lower case, telephone numbers as E.164
// writes them, as far as that can be told without knowing the country.
// Normalising twice is normalising once.
func Normalise(id schemas.Identifier) schemas.Identifier {
	id.Namespace = strings.ToLower(strings.TrimSpace(id.Namespace))
	id.Value = strings.TrimSpace(id.Value)
	switch id.Namespace {
	case "email":
		id.Value = strings.ToLower(id.Value)
	case "phone":
		id.Value = phone(id.Value)
	}
	return id
}

// normalise is Normalise where a telephone number may be one of the country of
// its namespace.
func (r *rules) normalise(id schemas.Identifier) (schemas.Identifier, *fault) {
	normal := Normalise(id)
	country := &r.namespace(normal.Namespace).country
	asSent := schemas.Identifier{Namespace: normal.Namespace, Value: strings.TrimSpace(id.Value)}
	if country.Name == "" || !isDigits(normal.Value) || r.worthless(normal) || r.worthless(asSent) {
		return normal, nil
	}
	international, ok := country.International(normal.Value)
	if !ok {
		return normal, faultf("ambiguous-phone", "the telephone number %.40q is none of %s, or may be several: send it with + and its country's code", id.Value, country.Name)
	}
	normal.Value = international
	return normal, nil
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// phone writes a number as E.164 does, as far as that can be told without
// knowing the country. What is no number stays as it is.
func phone(s string) string {
	digits := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" -./()\u00a0\u2011", c) {
			return -1
		}
		return c
	}, s)
	if len(digits) > 2 && digits[:2] == "00" && digits[2] != '0' { // else it is no call abroad, but zeros
		digits = "+" + digits[2:]
	}
	number := strings.TrimPrefix(digits, "+")
	if !isDigits(number) {
		return s
	}
	return digits
}
