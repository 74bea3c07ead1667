package door

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/trace"
)

const asked = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestSoManyRequestsAreFollowedInASecond(t *testing.T) {
	now := time.Unix(100, 0)
	g := Gate{perSecond: 2, now: func() time.Time { return now }}
	admitted := 0
	for range 5 {
		if g.Admits() {
			admitted++
		}
	}
	now = now.Add(time.Second)
	if !g.Admits() || admitted != 2 {
		t.Errorf("%d of 5 are followed, and none in the next second", admitted)
	}
}

func TestWhoAsksWronglyOrTooOftenIsTakenInLikeAnyOther(t *testing.T) {
	registry, followed, taken := prometheus.NewRegistry(), 0, 0
	door := Followed(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		taken++
		if trace.SpanContextFromContext(r.Context()).IsSampled() {
			followed++
		}
	}), 1, registry)
	for _, headers := range [][]string{nil, {"nonsense"}, {asked, asked}, {asked[:54] + "0"}, {asked}} {
		request := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
		for _, h := range headers {
			request.Header.Add("traceparent", h)
		}
		door.ServeHTTP(httptest.NewRecorder(), request)
	}
	if taken != 5 || followed != 1 {
		t.Errorf("%d of 5 are taken in, %d are followed", taken, followed)
	}
	door = Followed(http.NotFoundHandler(), 0, prometheus.WrapRegistererWithPrefix("never_", registry))
	request := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
	request.Header.Set("traceparent", asked)
	door.ServeHTTP(httptest.NewRecorder(), request)
	if n, err := testutil.GatherAndCount(registry, "kairos_door_traces_beyond_total"); err != nil || n != 1 {
		t.Errorf("%d metrics, %v", n, err)
	}
}
