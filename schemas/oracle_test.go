package schemas_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"kairos/schemas"
)

// typed is a record's codec with its type hidden, for tests over all records.
type typed struct {
	name   string
	schema string
	arbit  func(*rapid.T) reflect.Value // a pointer to an arbitrary record
	encode func(reflect.Value) ([]byte, error)
	decode func([]byte) (reflect.Value, error)
	room   func(whole bool) func([]byte) (reflect.Value, error) // decodes in the same memory again and again
}

func typedOf[T any](c *schemas.Codec[T]) typed {
	return typed{
		name:   c.Name(),
		schema: c.Schema(),
		arbit: func(t *rapid.T) reflect.Value {
			v := reflect.New(reflect.TypeFor[T]())
			fill(t, v.Elem())
			return v
		},
		encode: func(v reflect.Value) ([]byte, error) { return c.Append(nil, v.Interface().(*T)) },
		decode: func(b []byte) (reflect.Value, error) {
			v, err := c.Decode(b)
			return reflect.ValueOf(v), err
		},
		room: func(whole bool) func([]byte) (reflect.Value, error) {
			room := &schemas.Room[T]{Whole: whole}
			return func(b []byte) (reflect.Value, error) {
				v, err := c.DecodeIn(room, b)
				return reflect.ValueOf(v), err
			}
		},
	}
}

// everyRecord lists all codecs with their types; a test compares it with
// schemas.Records.
func everyRecord() []typed {
	return []typed{
		typedOf(schemas.EventCodec), typedOf(schemas.PersonEventCodec), typedOf(schemas.IdentityMessageCodec),
		typedOf(schemas.ProfileMessageCodec), typedOf(schemas.ChangeCodec), typedOf(schemas.TransitionCodec),
		typedOf(schemas.MembershipCodec), typedOf(schemas.ScoredCodec), typedOf(schemas.ActivationCodec),
		typedOf(schemas.DeadLetterCodec), typedOf(schemas.DefinitionCodec), typedOf(schemas.ImportCodec), typedOf(schemas.KeyRingCodec), typedOf(schemas.GrowthCodec), typedOf(schemas.TickCodec),
		typedOf(schemas.HostStateCodec),
		typedOf(schemas.ComponentCodec), typedOf(schemas.IdentityRowCodec), typedOf(schemas.ProfileRowCodec), typedOf(schemas.SegmentRowCodec),
		typedOf(schemas.PropensityRowCodec), typedOf(schemas.DestinationRowCodec),
	}
}

// fill gives v an arbitrary value, the awkward ones included.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "bytes"))
			return
		}
		n := rapid.IntRange(0, 2).Draw(t, "length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.StringN(0, 5, -1), rapid.SampledFrom([]string{"", "\x00tick", "é\u2028", "null"})).Draw(t, "text"))
	case reflect.Int64, reflect.Int32:
		v.SetInt(int64(rapid.Int32().Draw(t, "whole")))
		if v.Kind() == reflect.Int64 {
			v.SetInt(rapid.Int64().Draw(t, "long"))
		}
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Float64:
		v.SetFloat(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)})).Draw(t, "number"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	default:
		t.Fatalf("no arbitrary %s: teach fill", v.Type())
	}
}

// native says v in goavro's words. It knows nothing of the typed codec, only
// the struct tags.
func native(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		nativeFields(v, fields)
		return fields
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return goavro.Union("kairos."+v.Type().Elem().Name(), native(v.Elem()))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i] = native(v.Index(i))
		}
		return items
	case reflect.Int64:
		return v.Int()
	case reflect.Int32:
		return int32(v.Int())
	case reflect.Uint8:
		return int32(v.Uint())
	default:
		return v.Interface()
	}
}

func nativeFields(v reflect.Value, fields map[string]any) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			nativeFields(v.Field(i), fields)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("avro"), ",")
		fields[name] = native(v.Field(i))
	}
}

func oracle(t testing.TB, record typed) *goavro.Codec {
	t.Helper()
	codec, err := goavro.NewCodec(string(readable(t, record.schema)))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}
