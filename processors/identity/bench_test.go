package identity_test

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"kairos/processors/definition"
	"kairos/processors/stage"
	"kairos/schemas"
	"kairos/topologies"
)

// BenchmarkKnownEvent is an event whose identifiers are known, bytes in to
// bytes out: at most 6 us of CPU are promised.
func BenchmarkKnownEvent(b *testing.B) {
	defer collectAsTheBinaryDoes()()
	for _, identifiers := range []int{1, 3, 50} {
		b.Run(fmt.Sprintf("of a person with %d identifiers", identifiers), func(b *testing.B) {
			w := newWorld(b, 4, loose())
			for i := range identifiers {
				w.put(event(id(i), 1, "crm:1234567", fmt.Sprintf("device:%032x", i)))
			}
			w.rest(loopFirst)
			e := event("0b3e64c1-7a3d-4f0e-9d35-0f6b2f1c9a77", 2, "crm:1234567", fmt.Sprintf("device:%032x", 0))
			e.Properties = schemas.Properties{{Name: "amount", Value: schemas.NumberOf(12.5)}, {Name: "channel", Value: schemas.TextOf("web")}, {Name: "currency", Value: schemas.TextOf("EUR")}}
			m := messageOf(b, e)
			b.ReportAllocs()
			begin := spent(b)
			defer func() { b.ReportMetric(float64(spent(b)-begin)/float64(b.N)/1000, "cpu-us/op") }()
			for b.Loop() {
				effects, err := w.runner.Message(w, m)
				if err != nil || len(effects.Records) != 1 || len(effects.Rows) != 0 {
					b.Fatalf("%v: %+v", err, effects)
				}
			}
		})
	}
}

// collectAsTheBinaryDoes collects garbage as often as cmd/kairos does: see its
// spendMemoryOnSpeed.
func collectAsTheBinaryDoes() (restore func()) {
	before := debug.SetGCPercent(400)
	return func() { debug.SetGCPercent(before) }
}

// spent is the CPU time that the process has used, garbage collection and all:
// unlike the time on the wall, other processes are not in it.
func spent(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkOthersBesideAHotIdentifier is what events of other keys cost in
// batches in which a device that 10,000 people are linked with is named by ever
// new ones, against what they cost beside as many new people with devices of
// their own. The ratio should be 1, but for noise.
func BenchmarkOthersBesideAHotIdentifier(b *testing.B) {
	defer collectAsTheBinaryDoes()()
	const attempts, chunk = 10_000, 500
	w := newWorld(b, 4, definition.DefaultIdentity())
	for i := range attempts {
		w.put(event(id(i), i, fmt.Sprintf("email:%d@x.org", i), "device_id:hot"))
		w.rest(loopFirst)
	}
	if r := w.row("device_id:hot"); !r.Hot {
		b.Fatal("not hot")
	}
	others := make([]stage.Message, chunk)
	for i := range others {
		e := event("o", 1, fmt.Sprintf("email:other%d@x.org", i), fmt.Sprintf("device_id:%d", i))
		w.put(e)
		w.rest(loopFirst)
		others[i] = messageOf(b, e)
	}
	known := func() time.Duration {
		begin := spent(b)
		for _, m := range others {
			if effects, err := w.runner.Message(w, m); err != nil || len(effects.Records) != 1 {
				b.Fatalf("%v: %+v", err, effects)
			}
		}
		return spent(b) - begin
	}
	next := attempts
	newPeople := func(device func(i int) string) time.Duration {
		begin := spent(b)
		for range chunk {
			next++
			w.put(event("h", next, fmt.Sprintf("email:%d@x.org", next), device(next)))
			w.rest(loopFirst)
		}
		return spent(b) - begin
	}
	var plain, besidePlain, hot, besideHot time.Duration
	for b.Loop() {
		plain += newPeople(func(i int) string { return fmt.Sprintf("device_id:own%d", i) })
		besidePlain += known()
		hot += newPeople(func(int) string { return "device_id:hot" })
		besideHot += known()
	}
	each := func(d time.Duration) float64 { return float64(d) / float64(b.N*chunk) / 1000 }
	b.ReportMetric(each(besidePlain), "beside-plain-cpu-us/event")
	b.ReportMetric(each(besideHot), "beside-hot-cpu-us/event")
	b.ReportMetric(float64(besideHot)/float64(besidePlain), "ratio")
	b.ReportMetric(each(plain), "plain-cpu-us/attempt")
	b.ReportMetric(each(hot), "hot-cpu-us/attempt")
	b.ReportMetric(float64(len(w.rows["device_id:hot"])), "hot-row-bytes")
}

func messageOf(b *testing.B, e *schemas.Event) stage.Message {
	value, err := schemas.EventCodec.Append(nil, e)
	if err != nil {
		b.Fatal(err)
	}
	return stage.Message{Topic: topologies.Events.Name, Key: e.Identifiers[0].String(), Value: value}
}

// BenchmarkMergeOfTwoPeopleOfFifty is the step that makes one person of two
// with fifty identifiers each: at most 5 ms are promised.
func BenchmarkMergeOfTwoPeopleOfFifty(b *testing.B) {
	w := newWorld(b, 4, loose())
	for i := range 49 {
		w.put(event(id(i), 1, "crm:1", fmt.Sprintf("device:a%031x", i)))
		w.put(event(id(i), 2, "crm:2", fmt.Sprintf("device:b%031x", i)))
	}
	w.rest(loopFirst)
	w.put(event("merge", 3, "crm:1", "crm:2"))
	for len(w.routes) > 0 {
		r := w.routes[0]
		m := w.queues[r][0]
		if word, err := schemas.IdentityMessageCodec.Decode(m.Value); m.Topic == topologies.IdentityLoop.Name && err == nil && word.Absorb != nil && len(word.Absorb.Members) == 50 {
			b.ReportAllocs()
			begin := spent(b)
			for b.Loop() {
				if effects, err := w.runner.Message(w, m); err != nil || len(effects.Records) < 50 {
					b.Fatalf("%v: %d records", err, len(effects.Records))
				}
			}
			b.ReportMetric(float64(spent(b)-begin)/float64(b.N)/1000, "cpu-us/op")
			return
		}
		w.step(0)
	}
	b.Fatal("nobody merged")
}
