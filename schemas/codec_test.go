package schemas_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kairos/schemas"
)

func TestEveryRecordIsTested(t *testing.T) {
	var tested, declared []string
	for _, record := range everyRecord() {
		tested = append(tested, record.name)
	}
	for _, record := range schemas.Records() {
		declared = append(declared, record.Name())
	}
	if !slices.Equal(tested, declared) {
		t.Errorf("everyRecord lists %v, schemas.Records %v", tested, declared)
	}
}

func TestTypedAndGenericCodecAgreeByteForByte(t *testing.T) {
	for _, record := range everyRecord() {
		t.Run(record.name, func(t *testing.T) {
			generic := oracle(t, record)
			rapid.Check(t, func(t *rapid.T) {
				v := record.arbit(t)
				ours, err := record.encode(v)
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := generic.SingleFromNative(nil, native(v.Elem()))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(ours, theirs) {
					t.Fatalf("%+v\nours   %x\ntheirs %x", v.Elem(), ours, theirs)
				}
			})
		})
	}
}

func TestARoundTripChangesNothing(t *testing.T) {
	for _, record := range everyRecord() {
		t.Run(record.name, func(t *testing.T) {
			generic := oracle(t, record)
			rapid.Check(t, func(t *rapid.T) {
				encoded, err := record.encode(record.arbit(t))
				if err != nil {
					t.Fatal(err)
				}
				back, err := record.decode(encoded)
				if err != nil {
					t.Fatal(err)
				}
				again, err := record.encode(back)
				if err != nil || !bytes.Equal(again, encoded) {
					t.Fatalf("%v: %x became %x", err, encoded, again)
				}
				read, rest, err := generic.NativeFromSingle(encoded)
				if err != nil || len(rest) > 0 {
					t.Fatalf("the generic codec: %v, %d bytes left", err, len(rest))
				}
				written, err := generic.SingleFromNative(nil, read)
				if err != nil || !bytes.Equal(written, encoded) {
					t.Fatalf("the generic codec, %v: %x became %x", err, encoded, written)
				}
			})
		})
	}
}

func TestWhatIsDecodedSharesNoMemoryWithTheBytes(t *testing.T) {
	for _, record := range everyRecord() {
		rapid.Check(t, func(t *rapid.T) {
			encoded, err := record.encode(record.arbit(t))
			if err != nil {
				t.Fatal(err)
			}
			buffer := bytes.Clone(encoded)
			back, err := record.decode(buffer)
			if err != nil {
				t.Fatal(err)
			}
			clear(buffer)
			if again, err := record.encode(back); err != nil || !bytes.Equal(again, encoded) {
				t.Fatalf("%s changed with the buffer that it was read from", record.name)
			}
		})
	}
}

func TestNoProperPrefixOfARecordIsARecord(t *testing.T) {
	for _, record := range everyRecord() {
		rapid.Check(t, func(t *rapid.T) {
			encoded, err := record.encode(record.arbit(t))
			if err != nil {
				t.Fatal(err)
			}
			cut := encoded[:rapid.IntRange(0, len(encoded)-1).Draw(t, "cut")]
			if v, err := record.decode(cut); err == nil {
				t.Fatalf("%d of %d bytes gave %+v", len(cut), len(encoded), v)
			}
			if _, err := record.decode(append(bytes.Clone(encoded), 0)); err == nil {
				t.Fatal("a byte behind the record was not noticed")
			}
		})
	}
}

func TestARecordIsNotTakenForAnother(t *testing.T) {
	all := everyRecord()
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(all)-1).Draw(t, "writer")
		j := rapid.IntRange(0, len(all)-1).Draw(t, "reader")
		encoded, err := all[i].encode(all[i].arbit(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = all[j].decode(encoded)
		var unknown *schemas.UnknownSchemaError
		if i != j && !errors.As(err, &unknown) {
			t.Fatalf("%s read as %s: %v", all[i].name, all[j].name, err)
		}
	})
}

func TestBytesThatAreNoRecordSaySo(t *testing.T) {
	for _, b := range [][]byte{nil, {}, []byte("{}"), {0xC3}, {0xC3, 1}, {0xC3, 2, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 100)} {
		if _, err := schemas.EventCodec.Decode(b); !errors.Is(err, schemas.ErrNotSingleObject) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func TestALengthThatLiesAllocatesNothing(t *testing.T) {
	good, err := schemas.EventCodec.Append(nil, &schemas.Event{})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 10; i <= len(good); i++ { // a gigantic length in the place of every field
		for _, n := range []int64{1 << 20, 1 << 31, 1 << 40, 1 << 62, -1, math.MinInt64, math.MaxInt64} {
			lying := append(binary.AppendVarint(bytes.Clone(good[:i]), n), good[i:]...)
			_, _ = schemas.EventCodec.Decode(lying)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("decoding %d short records took %d MB", 7*len(good), used>>20)
	}
}

func TestTheWakeIsReadWithoutDecodingTheRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := schemas.SegmentRow{Clock: schemas.Clock{
			WakeAt: schemas.Instant(rapid.Int64().Draw(t, "wake")),
			Now:    schemas.Instant(rapid.Int64().Draw(t, "now")),
		}}
		encoded, err := schemas.SegmentRowCodec.Append(nil, &row)
		if err != nil {
			t.Fatal(err)
		}
		if got := schemas.WakeOf(encoded); got != row.WakeAt {
			t.Fatalf("got %d, want %d", got, row.WakeAt)
		}
	})
	if schemas.WakeOf(nil) != 0 || schemas.WakeOf(make([]byte, 10)) != 0 {
		t.Error("no row has a wake")
	}
}

func FuzzDecodingIsTotal(f *testing.F) {
	for _, record := range everyRecord() {
		v := rapid.Custom(func(t *rapid.T) []byte {
			b, err := record.encode(record.arbit(t))
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
		for seed := range 3 {
			f.Add(v.Example(seed))
		}
	}
	all := everyRecord()
	f.Fuzz(func(t *testing.T, b []byte) {
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(sample)
		before := sample[0].Value.Uint64()
		for _, record := range all {
			v, err := record.decode(b)
			if err != nil {
				continue
			}
			encoded, err := record.encode(v)
			if err != nil {
				t.Fatalf("%s was read but cannot be written: %v", record.name, err)
			}
			again, err := record.decode(encoded)
			if err != nil {
				t.Fatalf("%s was written but cannot be read: %v", record.name, err)
			}
			if twice, err := record.encode(again); err != nil || !bytes.Equal(twice, encoded) {
				t.Fatalf("%s changed: %x, %x, %v", record.name, encoded, twice, err)
			}
		}
		metrics.Read(sample)
		if took := sample[0].Value.Uint64() - before; took > 64<<20+uint64(len(b))*4096 {
			t.Fatalf("%d bytes are allocated for %d", took, len(b))
		}
	})
}
