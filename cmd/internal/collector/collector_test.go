package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/door"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

var noon = schemas.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

type world struct {
	t      *testing.T
	broker *kfake.Cluster
	client *kgo.Client
	door   *door.Door
	*collector.Collector
}

// inFlight is how many requests at a time a collector of these tests takes, and
// patience how long it waits for their bodies.
const (
	inFlight = 1
	patience = time.Second
)

func open(t *testing.T, sources *collector.Sources) *world {
	t.Helper()
	return openFor(t, sources, 10*time.Second)
}

// openFor waits for Kafka's acknowledgement so long.
func openFor(t *testing.T, sources *collector.Sources, timeout time.Duration) *world {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topologies.Events.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kgo.NewClient(append(door.Options(), kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics(topologies.Events.Name))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	clock := func() schemas.Instant { return noon }
	opened := door.New(client, door.Config{
		Clock: clock, Rules: definition.DefaultIdentity, Guard: sources.Guard(clock), Timeout: timeout, Patience: patience,
	})
	return &world{t, broker, client, opened, collector.New(collector.Config{Door: opened, Sources: sources, Clock: clock, InFlight: inFlight})}
}

func (w *world) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	if path == "/v1/events" {
		w.door.ServeHTTP(answer, request)
		return answer
	}
	w.ServeHTTP(answer, request)
	return answer
}

// expect sends a request and checks status and a part of the answer.
func (w *world) expect(status int, part, method, path, body string, headers ...string) {
	w.t.Helper()
	answer := w.send(method, path, body, headers...)
	if answer.Code != status || !strings.Contains(answer.Body.String(), part) {
		w.t.Errorf("%s %s %.80s: %d %s; want %d and %q", method, path, body, answer.Code, answer.Body, status, part)
	}
}

func (w *world) events(n int) []*schemas.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	var events []*schemas.Event
	for len(events) < n {
		fetches := w.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Fatalf("read %d of %d events: %v", len(events), n, err)
		}
		for _, r := range fetches.Records() {
			e, err := topologies.Events.Codec.Decode(r.Value)
			if err != nil {
				w.t.Fatal(err)
			}
			events = append(events, e)
		}
	}
	return events
}

func show(e *schemas.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %v", e.ID, e.Name, e.Source, e.Time.Time().UTC().Format("15:04:05"))
	for _, id := range e.Identifiers {
		fmt.Fprintf(&b, " %s", id)
	}
	for _, p := range e.Properties {
		fmt.Fprintf(&b, " %s=%v", p.Name, p.Value)
	}
	for _, p := range e.Attributes {
		fmt.Fprintf(&b, " @%s=%v", p.Name, p.Value)
	}
	return b.String()
}

func TestEachCallBecomesAnEvent(t *testing.T) {
	w := open(t, nil)
	for _, c := range []struct{ path, body, want string }{
		{"/v1/track", `{"messageId":"m1","userId":"u1","event":"Order Completed","properties":{"total":12.5,"coupon":{"code":"X"},"products":[{"sku":"a"}]},"timestamp":"2026-03-01T10:00:00Z"}`,
			`m1 Order Completed sdk 10:00:00 user_id:u1 coupon.code=X products=[{"sku":"a"}] total=12.5`},
		{"/v1/identify", `{"messageId":"m2","anonymousId":"a1","userId":7,"traits":{"email":" Sarah@Example.org","plan":"pro","age":null}}`,
			`m2 identify sdk 12:00:00 user_id:7 email:sarah@example.org anonymous_id:a1 @age=null @email= Sarah@Example.org @plan=pro`},
		{"/v1/page", `{"messageId":"m3","anonymousId":"a1","userId":null,"name":"Home","context":{"page":{"path":"/x"},"userAgent":"no"}}`,
			`m3 page sdk 12:00:00 anonymous_id:a1 context.page.path=/x name=Home`},
		{"/v1/page", `{"messageId":"m10","anonymousId":"a1","context":{"device":{"id":"d1","type":"ios"},"campaign":{"name":"sale"},"page":{"url":"/x"},"app":{"version":"1.2"},"os":{"name":"iOS"},"ip":"1.2.3.4"}}`,
			`m10 page sdk 12:00:00 device_id:d1 anonymous_id:a1 context.app.version=1.2 context.campaign.name=sale context.device.id=d1 context.device.type=ios context.os.name=iOS context.page.url=/x`},
		{"/v1/screen/", `{"messageId":"m4","userId":"u1","name":"Cart"}`, `m4 screen sdk 12:00:00 user_id:u1 name=Cart`},
		{"/v1/group", `{"messageId":"m5","userId":"u1","groupId":"g1","traits":{"size":3}}`, `m5 group sdk 12:00:00 user_id:u1 group.size=3 group_id=g1`},
		{"/v1/group", `{"messageId":"m8","userId":"u1","groupId":"g1","traits":{"left":true}}`, `m8 group sdk 12:00:00 user_id:u1 group.left=true group_id= left_group_id=g1`},
		{"/v1/group", `{"messageId":"m9","userId":"u1","groupId":"g1","traits":{"left":"true"}}`, `m9 group sdk 12:00:00 user_id:u1 group.left=true group_id=g1`},
		{"/v1/alias", `{"messageId":"m6","userId":"u1","previousId":"a9"}`, `m6 alias sdk 12:00:00 user_id:u1 anonymous_id:a9`},
		{"/v1/t", `{"messageId":"m7","type":"track","event":"x","userId":"u1","timestamp":"2026-03-01T09:00:00Z","sentAt":"2026-03-01T09:00:05Z"}`,
			`m7 x sdk 11:59:55 user_id:u1`},
	} {
		w.expect(200, `"success":true`, "POST", c.path, c.body, "Content-Type", "text/plain")
		if got := show(w.events(1)[0]); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.path, got, c.want)
		}
	}
}

func TestABatchIsTakenWholeOrRefusedWithThePathThatIsWrong(t *testing.T) {
	w := open(t, nil)
	good := `{"type":"track","messageId":"m%d","userId":"u1","event":"x"}`
	w.expect(400, `"/batch/1/event"`, "POST", "/v1/batch", `{"batch":[`+fmt.Sprintf(good, 1)+`,{"type":"track","userId":"u1"}]}`)
	w.expect(400, `names nobody`, "POST", "/v1/batch", `{"batch":[{"type":"page","userId":null}]}`)
	w.expect(400, `"/batch/0/type"`, "POST", "/v1/import", `{"batch":[{"userId":"u"}]}`)
	w.expect(400, `/batch/0/messageId`, "POST", "/v1/batch", `{"batch":[{"type":"track","messageId":{},"userId":"u1","event":"x"}]}`)
	w.expect(200, `true`, "POST", "/v1/batch", `{"sentAt":"2026-03-01T12:00:00Z","batch":[`+fmt.Sprintf(good, 1)+`,`+fmt.Sprintf(good, 2)+`]}`)
	if got := w.events(2); got[0].ID != "m1" || got[1].ID != "m2" {
		t.Errorf("a refused batch left something: %s, %s", show(got[0]), show(got[1]))
	}
}

func TestHostileRequestsAreRefusedAndNotEchoed(t *testing.T) {
	w := open(t, nil)
	w.expect(400, "JSON object", "POST", "/v1/track", ``)
	w.expect(400, "from byte", "POST", "/v1/track", `{"userId":"secret-1`)
	w.expect(413, "a call has at most", "POST", "/v1/track", `{"userId":"u","event":"x","properties":{"a":"`+strings.Repeat("x", collector.MaxMessage)+`"}}`)
	w.expect(413, "fewer calls", "POST", "/v1/batch", `{"batch":[`+strings.Repeat(" ", collector.MaxBatch)+`]}`)
	w.expect(400, "gzip", "POST", "/v1/batch", `{"batch":[]}`, "Content-Encoding", "gzip")
	w.expect(413, "unpacked", "POST", "/v1/batch", zip(strings.Repeat("[", 100*collector.MaxBatch)))
	w.expect(400, "an id must be", "POST", "/v1/track", `{"userId":{"a":1},"event":"x"}`)
	w.expect(400, "$", "POST", "/v1/track", `{"userId":"u","event":"$unlink"}`)
	w.expect(200, "", "POST", "/v1/track", `{"userId":"u","event":"x","properties":`+strings.Repeat(`{"a":`, 4000)+`1`+strings.Repeat(`}`, 4000)+`}`)
	w.expect(405, "", "GET", "/v1/track", ``)
	if answer := w.send("POST", "/v1/track", `{"userId":"secret-1","event":5}`); answer.Code != 400 || strings.Contains(answer.Body.String(), "secret") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func zip(text string) string {
	var b bytes.Buffer
	packer := gzip.NewWriter(&b)
	_, _ = packer.Write([]byte(text))
	_ = packer.Close()
	return b.String()
}

func TestPackedBodiesAreTaken(t *testing.T) {
	w := open(t, nil)
	body := zip(`{"batch":[{"type":"track","messageId":"m1","userId":"u1","event":"x"}]}`)
	w.expect(200, "true", "POST", "/v1/batch", body, "Content-Encoding", "gzip")
	w.expect(200, "true", "POST", "/v1/batch", body, "Content-Type", "application/x-www-form-urlencoded")
	w.events(2)
}

func sourcesFile(t *testing.T, text string) (*collector.Sources, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sources.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return collector.ReadSources(file)
}

func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func TestOnlyKnownWriteKeysComeInAndNoFasterThanTheyMay(t *testing.T) {
	sources, err := sourcesFile(t, "sources:\n- name: web\n  write_keys: ["+hashed("old")+", "+hashed("new")+"]\n  events_per_second: 0.1\n- name: shop\n  write_keys: ["+hashed("shop")+"]\n")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, sources)
	body := `{"messageId":"m1","userId":"u1","event":"x","writeKey":"%s"}`
	w.expect(401, "not known", "POST", "/v1/track", fmt.Sprintf(body, ""))
	w.expect(401, "not known", "POST", "/v1/track", fmt.Sprintf(body, hashed("old")))
	w.expect(200, "true", "POST", "/v1/track", fmt.Sprintf(body, "old"))
	w.expect(429, "slow down", "POST", "/v1/track", fmt.Sprintf(body, "new"))
	w.expect(200, "true", "POST", "/v1/track", fmt.Sprintf(body, ""), "Authorization", basic("shop"))
	if got := w.events(2); got[0].Source != "web" || got[1].Source != "shop" {
		t.Errorf("sources %s and %s", got[0].Source, got[1].Source)
	}
}

func basic(key string) string {
	r := httptest.NewRequest("POST", "/", nil)
	r.SetBasicAuth(key, "")
	return r.Header.Get("Authorization")
}

// Every way in, with every kind of key.
func TestAWriteKeyOpensWhatItsScopesSayAndNothingElse(t *testing.T) {
	sources, err := sourcesFile(t, "sources:\n- {name: web, write_keys: ["+hashed("page")+"]}\n"+
		"- {name: shop, write_keys: ["+hashed("server")+"], scopes: [events]}\n- {name: crm, write_keys: ["+hashed("any")+"], scopes: [events, sdk]}\n")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, sources)
	bodies := map[string]string{"/v1/events": `{"name":"x","identifiers":{"user_id":"u1"}}`}
	for _, path := range collector.Paths() {
		bodies[path] = `{"userId":"u1","event":"x","groupId":"g","previousId":"p","batch":[{"type":"track","userId":"u1","event":"x"}]}`
	}
	if len(bodies) != 16 {
		t.Errorf("%d ways in", len(bodies))
	}
	for path, body := range bodies {
		page, server := 200, 403
		if path == "/v1/events" {
			page, server = server, page
		}
		for key, want := range map[string]int{"page": page, "server": server, "any": 200, "": 401, "other": 401, hashed("any"): 401} {
			if answer := w.send("POST", path, body, "Authorization", basic(key)); answer.Code != want {
				t.Errorf("POST %s with the key %q: %d %s, want %d", path, key, answer.Code, answer.Body, want)
			}
		}
	}
}

func TestEventsComeInUnderTheNameOfTheirKey(t *testing.T) {
	sources, err := sourcesFile(t, "sources: [{name: shop, write_keys: ["+hashed("k")+"], scopes: [events], events_per_second: 0.3}]")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, sources)
	w.expect(401, "Basic", "POST", "/v1/events", `{"name":"x","identifiers":{"user_id":"u1"}}`)
	w.expect(400, "/1/source", "POST", "/v1/events", `[{"name":"x","identifiers":{"user_id":"u1"}},{"name":"x","source":"crm","identifiers":{"user_id":"u1"}}]`, "Authorization", basic("k"))
	w.expect(200, "", "POST", "/v1/events", `{"name":"x","identifiers":{"user_id":"u1"}}`, "Authorization", basic("k"))
	if got := w.events(1)[0].Source; got != "shop" {
		t.Errorf("the event is of %q", got)
	}
	w.expect(429, "slow down", "POST", "/v1/events", `{"name":"x","source":"shop","identifiers":{"user_id":"u1"}}`, "Authorization", basic("k"))
}

func TestWrongSourcesAreRefused(t *testing.T) {
	for text, part := range map[string]string{
		"": "no source", "sources: [{name: a}]": "needs a name", "sources: [{name: a, write_keys: [plain]}]": "SHA-256", "people: []": "people",
		"sources: [{name: a, write_keys: [" + hashed("k") + "], scopes: [all]}]":                                "sdk and events",
		"sources: [{name: a, write_keys: [" + hashed("k") + "]}, {name: b, write_keys: [" + hashed("k") + "]}]": "same write key",
	} {
		if _, err := sourcesFile(t, text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q gives %v, want %q", text, err, part)
		}
	}
}

// Whatever the page says, and for every call of a batch.
func TestABrowserThatOptsOutIsHeard(t *testing.T) {
	w := open(t, nil)
	w.expect(200, "true", "POST", "/v1/batch", `{"context":{"locale":"fr"},"batch":[
		{"type":"page","messageId":"m1","anonymousId":"a1"},
		{"type":"page","messageId":"m2","anonymousId":"a1","context":{"gpc":false}}]}`, "Sec-GPC", "1")
	w.expect(200, "true", "POST", "/v1/p", `{"messageId":"m3","anonymousId":"a1"}`, "Sec-GPC", "0")
	events := w.events(3)
	for i, want := range []string{" context.gpc=true context.locale=fr", " context.gpc=true", ""} {
		if got := show(events[i]); got != fmt.Sprintf("m%d page sdk 12:00:00 anonymous_id:a1%s", i+1, want) {
			t.Errorf("it says %s, want %s", got, want)
		}
	}
}

func TestBrowsersAreLetIn(t *testing.T) {
	w := open(t, nil)
	if answer := w.send(http.MethodOptions, "/v1/t", ""); answer.Code != 204 || answer.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	for _, header := range []string{"Authorization", "X-Retry-Count", "*"} { // calls that are sent again were lost
		if allowed := w.send(http.MethodOptions, "/v1/t", "").Header().Get("Access-Control-Allow-Headers"); !slices.Contains(strings.Split(allowed, ", "), header) {
			t.Errorf("browsers may send %s, and not %s", allowed, header)
		}
	}
	w.expect(200, `"apiKey":"k1"`, "GET", "/v1/projects/k1/settings", "")
	w.expect(200, `"Segment.io"`, "GET", "/projects/k1/settings", "")
	w.expect(200, "true", "POST", "/v1/m", `{"series":[]}`)
}
