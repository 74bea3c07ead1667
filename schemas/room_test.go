package schemas_test

import (
	"bytes"
	"reflect"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func TestRecordsThatAreEncodedAtOnceKeepTheirBytesToThemselves(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			e := anEvent()
			e.ID = strings.Repeat(string(rune('a'+i)), 100*i)
			want, err := schemas.EventCodec.Append([]byte{}, e)
			if err != nil {
				t.Error(err)
				return
			}
			for range 2000 {
				got, err := schemas.EventCodec.Append(nil, e)
				if err != nil || string(got) != string(want) {
					t.Errorf("the bytes of goroutine %d are not its own any more, %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestARoomGivesWhatFreshMemoryGivesAndTakesNothingFromOthers(t *testing.T) {
	for _, record := range everyRecord() {
		t.Run(record.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				encode := func(v reflect.Value) []byte {
					encoded, err := record.encode(v)
					if err != nil {
						t.Fatal(err)
					}
					return encoded
				}
				decode := record.room(rapid.Bool().Draw(t, "whole"))
				for range rapid.IntRange(2, 4).Draw(t, "times") {
					want := encode(record.arbit(t))
					got, err := decode(want)
					if err != nil || !bytes.Equal(encode(got), want) {
						t.Fatalf("%x became %x, %v", want, encode(got), err)
					}
					if grow(got.Elem()); !bytes.Equal(encode(got), want) {
						t.Fatalf("%x became %x when its bytes grew where they lie", want, encode(got))
					}
					other := record.arbit(t)
					had := encode(other)
					got.Elem().Set(other.Elem()) // whoever works on a record may give it what belongs to another
					if _, err := decode(encode(record.arbit(t))); err != nil {
						t.Fatal(err)
					}
					if now := encode(other); !bytes.Equal(now, had) {
						t.Fatalf("what was lent to a record became %x, it was %x", now, had)
					}
				}
			})
		})
	}
}

// grow adds to all bytes in v, as far as their memory goes, without v's knowing it.
func grow(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			grow(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			grow(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := v.Bytes()
			for i := range b[len(b):cap(b)] {
				b[len(b):cap(b)][i] = 0xEE
			}
			return
		}
		for i := range v.Len() {
			grow(v.Index(i))
		}
	}
}
