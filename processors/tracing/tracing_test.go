package tracing_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"kairos/processors/tracing"
)

const asked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestOnlyWhatIsSampledIsFollowed(t *testing.T) {
	for value, want := range map[string]bool{
		asked: true,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00": false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": false,
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01": false,
		"sarah@example.org": false,
		"":                  false,
	} {
		if _, got := tracing.Parent([]byte(value)); got != want {
			t.Errorf("%q: followed is %v", value, got)
		}
	}
}

func TestAHeaderThatIsReadIsWrittenTheSame(t *testing.T) {
	for _, value := range []string{asked, asked[:53] + "03"} {
		ctx, ok := tracing.Parent([]byte(value))
		if got := tracing.Value(trace.SpanContextFromContext(ctx)); !ok || string(got) != value {
			t.Errorf("%s became %s", value, got)
		}
	}
}

func TestNoHeaderDoesMoreThanBeingPassedOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.StringMatching(`[0-9a-f]{2}-[0-9a-f]{30,33}-[0-9a-f]{15,17}-[0-9a-f]{2}(-.*)?`), func(s string) []byte { return []byte(s) })).Draw(t, "value")
		if ctx, ok := tracing.Parent(value); ok {
			again, still := tracing.Parent(tracing.Value(trace.SpanContextFromContext(ctx)))
			if !still || !trace.SpanContextFromContext(again).Equal(trace.SpanContextFromContext(ctx)) {
				t.Fatalf("%q is followed and comes back as something else", value)
			}
		}
	})
}

func TestTheSameRecordUnderTheSameTraceIsTheSameSpan(t *testing.T) {
	ctx, _ := tracing.Parent([]byte(asked))
	id := func(number int64, words ...string) trace.SpanID {
		id, ok := tracing.ID(tracing.Named(ctx, number, words...))
		if !ok || !id.IsValid() {
			t.Fatal("no id")
		}
		return id
	}
	one := id(1, "a", "b")
	if again := id(1, "a", "b"); again != one {
		t.Error("the same words give two ids")
	}
	for what, other := range map[string]trace.SpanID{"another number": id(2, "a", "b"), "other words": id(1, "ab"), "none": id(1)} {
		if other == one {
			t.Errorf("%s gives the same id", what)
		}
	}
}
