package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
)

// Email is an e-mail address without any space, in lower case: the form in which
// advertising systems hash it.
func Email(text string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text))
}

// Gmail is Email, and of gmail.com and googlemail.com without what Google does
// not tell apart: dots, and whatever follows a plus.
func Gmail(text string) string {
	text = Email(text)
	local, domain, _ := strings.Cut(text, "@")
	if domain != "gmail.com" && domain != "googlemail.com" {
		return text
	}
	local, _, _ = strings.Cut(local, "+")
	return strings.ReplaceAll(local, ".", "") + "@" + domain
}

// Digits is a telephone number with its country's code, in digits only, without
// zeros in front, nor the one in +49 (0)171 that is dialled only inside the country.
func Digits(text string) string {
	text = strings.ReplaceAll(text, "(0)", "")
	return strings.TrimLeft(strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text), "0")
}

// E164 is a telephone number as ITU's E.164 writes it, +491711234567: nothing, if
// it does not say its country by a plus, or is too short or long to be one.
func E164(text string) string {
	text = strings.TrimSpace(text)
	digits := Digits(text)
	if !strings.HasPrefix(text, "+") || len(digits) < 7 || len(digits) > 15 {
		return ""
	}
	return "+" + digits
}

// SHA256 is a text's hash in lower-case hexadecimal; of nothing, nothing.
func SHA256(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// slack is a text in which nothing calls anybody or becomes a link.
func slack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
