package foreign

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/avro"

	"kairos/schemas"
)

// Day is a date without a time.
type Day time.Time

// String is the date as ISO 8601 has it.
func (d Day) String() string { return time.Time(d).Format(time.DateOnly) }

// exact is up to where every whole number is a float64.
const exact = 1 << 53

// valueOf is a scalar as it is, and a text of JSON for what is none.
func valueOf(v any) schemas.Value {
	switch v := v.(type) {
	case nil:
		return schemas.Value{}
	case bool:
		return schemas.BooleanOf(v)
	case string:
		return schemas.TextOf(v)
	case float64:
		return schemas.NumberOf(v)
	case float32:
		return schemas.NumberOf(widened(v))
	case *big.Rat:
		x, _ := v.Float64()
		return schemas.NumberOf(x)
	case json.Number:
		return numberOf(v)
	case []any, Row:
		text, _ := json.Marshal(plain(v)) // plain values only
		return schemas.TextOf(string(text))
	}
	if n, ok := wholeOf(v); ok {
		if n > exact || n < -exact {
			return schemas.TextOf(strconv.FormatInt(n, 10))
		}
		return schemas.NumberOf(float64(n))
	}
	text, _ := textOf(v)
	return schemas.TextOf(text)
}

// widened is a float32 as it was written: 1.1 and not 1.10000002384185791.
func widened(v float32) float64 {
	x, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return x
}

func numberOf(v json.Number) schemas.Value {
	if n, err := v.Int64(); err == nil && (n > exact || n < -exact) {
		return schemas.TextOf(v.String())
	}
	x, err := v.Float64()
	if err != nil { // too large for one, or not a number at all
		return schemas.TextOf(v.String())
	}
	return schemas.NumberOf(x)
}

func wholeOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	}
	return 0, false
}

// textOf is a scalar's text with all its digits; false for booleans, times and
// what is no scalar.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case []byte:
		return base64.StdEncoding.EncodeToString(v), true
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:]), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), !math.IsNaN(v) && !math.IsInf(v, 0)
	case float32:
		return textOf(widened(v))
	case *big.Rat:
		digits, _ := v.FloatPrec() // of a decimal it is exact
		return v.FloatString(digits), true
	case Day:
		return v.String(), false
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), false
	case time.Duration: // a time of day
		return time.Time{}.Add(v).Format("15:04:05.999999"), false
	case avro.Duration:
		return v.String(), false
	}
	if n, ok := wholeOf(v); ok {
		return strconv.FormatInt(n, 10), true
	}
	if n, ok := v.(uint64); ok {
		return strconv.FormatUint(n, 10), true
	}
	return "", false
}

// booleanOf reads a yes or a no in the ways that people and systems write one.
func booleanOf(v any) (value, ok bool) {
	if b, is := v.(bool); is {
		return b, true
	}
	text, _ := textOf(v)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "y", "1", "granted", "opted_in", "opt_in":
		return true, true
	case "false", "no", "n", "0", "denied", "revoked", "opted_out", "opt_out":
		return false, true
	}
	return false, false
}

// plain is v in the values that JSON has.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case Row:
		object := make(Row, len(v)) // encoding/json sorts the names
		for name := range v {
			object[name] = plain(v[name])
		}
		return object
	case nil, bool, string, json.Number:
		return v
	}
	value := valueOf(v)
	if value.Kind == schemas.Number && !math.IsNaN(value.Number) && !math.IsInf(value.Number, 0) {
		return value.Number
	}
	return value.String()
}
