package collector_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kairos/cmd/internal/collector"
	"kairos/loadtest/bounded"
	"kairos/loadtest/kafka"
)

// callOf is a call of so many bytes.
func callOf(bytes int) string {
	const head, tail = `{"type":"track","userId":"u","event":"x","properties":{"a":"`, `"}}`
	return head + strings.Repeat("x", bytes-len(head)-len(tail)) + tail
}

// batchOf is a batch of so many bytes, of calls as large as they may be.
func batchOf(bytes int) string {
	const head, tail, largest = `{"batch":[`, `]}`, 32 << 10
	body := head
	for left := bytes - len(head) - len(tail); ; body += "," {
		if left <= largest {
			return body + callOf(left) + tail
		}
		body += callOf(largest)
		left -= largest + 1
	}
}

func TestLimitsAreThoseOfTheAPIToTheByte(t *testing.T) {
	const call, batch = 32 << 10, 500 << 10
	w := open(t, nil)
	w.expect(200, "true", "POST", "/v1/track", callOf(call))
	w.expect(413, `"/"`, "POST", "/v1/track", callOf(call+1))
	w.expect(413, `"/batch/1/"`, "POST", "/v1/batch", `{"batch":[`+callOf(call)+`,`+callOf(call+1)+`]}`)
	w.expect(200, "true", "POST", "/v1/batch", batchOf(batch))
	w.expect(413, "fewer calls", "POST", "/v1/batch", batchOf(batch+1))
	w.expect(200, "true", "POST", "/v1/batch", zip(batchOf(batch)))
	w.expect(413, "fewer calls", "POST", "/v1/batch", zip(batchOf(batch+1)))
	if got := len(w.events(1 + 16 + 16)); got != 33 {
		t.Errorf("%d events came in", got)
	}
}

// 64 MB of nothing come as 64 KB.
func TestAGzipBombTakesNoMoreRoomThanARequestMay(t *testing.T) {
	w, bomb := open(t, nil), zip(strings.Repeat("[", 64<<20))
	bounded.Memory(t, 8<<20, func() {
		w.expect(413, "unpacked", "POST", "/v1/batch", bomb, "Content-Encoding", "gzip")
	})
}

func TestEachPathIsItsCallWhateverTheBodySays(t *testing.T) {
	w := open(t, nil)
	names := map[string]string{"t": "x", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "track": "x"}
	for _, whole := range []string{"identify", "page", "screen", "group", "alias"} {
		names[whole] = whole
	}
	for path, name := range names {
		for _, slash := range []string{"", "/"} {
			w.expect(200, "true", "POST", "/v1/"+path+slash, `{"type":"lie","userId":"u1","event":"x","groupId":"g","previousId":"p"}`, "Content-Type", "text/plain")
			if got := w.events(1)[0].Name; got != name {
				t.Errorf("/v1/%s%s is %s, want %s", path, slash, got, name)
			}
		}
	}
	for _, path := range []string{"batch", "b", "import"} {
		w.expect(200, "true", "POST", "/v1/"+path, `{"batch":[{"type":"screen","userId":"u1"}]}`)
		if got := w.events(1)[0].Name; got != "screen" {
			t.Errorf("/v1/%s is %s", path, got)
		}
	}
}

// heard tells when a body is first read.
type heard struct {
	io.ReadCloser
	once sync.Once
	tell chan struct{}
}

func (h *heard) Read(b []byte) (int, error) {
	h.once.Do(func() { close(h.tell) })
	return h.ReadCloser.Read(b)
}

// A request whose body does not come takes somebody's place, and not for ever;
// one that is refused does not stay either.
func TestWhoIsTooManyIsToldWhenToComeAgainAndWhoStallsGivesWay(t *testing.T) {
	w := open(t, nil)
	reading := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("first") {
			r.Body = &heard{ReadCloser: r.Body, tell: reading}
		}
		w.ServeHTTP(answer, r)
	}))
	t.Cleanup(server.Close)
	stall := func(query string) (status chan int) {
		status = make(chan int, 1)
		body, stalls := io.Pipe()
		t.Cleanup(func() { stalls.Close() })
		go func() { _, _ = io.WriteString(stalls, `{"userId":"u1",`) }() // and nothing more
		go func() {
			response, err := http.Post(server.URL+"/v1/track?"+query, "application/json", body)
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			response.Body.Close()
			status <- response.StatusCode
		}()
		return status
	}
	first := stall("first")
	<-reading
	answer := w.send("POST", "/v1/track", callOf(200))
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s %v", answer.Code, answer.Body, answer.Header())
	}
	if code := <-stall("second"); code != http.StatusTooManyRequests && code != http.StatusRequestTimeout {
		t.Errorf("who stalls beside it is answered %d", code)
	}
	if code := <-first; code != http.StatusRequestTimeout {
		t.Errorf("who stalls is answered %d", code)
	}
	w.expect(200, "true", "POST", "/v1/track", callOf(200))
}

func TestWhoSendsTooFastIsToldWhenToComeAgain(t *testing.T) {
	sources, err := sourcesFile(t, "sources: [{name: web, write_keys: ["+hashed("k")+"], events_per_second: 0.1}]")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, sources)
	w.expect(200, "true", "POST", "/v1/track", callOf(200), "Authorization", basic("k"))
	answer := w.send("POST", "/v1/track", callOf(200), "Authorization", basic("k"))
	if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}

func TestACallThatNotAllReplicasHoldIsNotAnswered200(t *testing.T) {
	w := openFor(t, nil, 200*time.Millisecond)
	acks := make(chan int16, 100)
	w.broker.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		asked := request.(*kmsg.ProduceRequest)
		select {
		case acks <- asked.Acks:
		default:
		}
		return kafka.WithoutReplicas(asked), nil, true
	})
	if answer := w.send("POST", "/v1/track", callOf(200)); answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("while replicas are missing it is answered %d %s", answer.Code, answer.Body)
	}
	const all = -1
	if asked := <-acks; asked != all {
		t.Errorf("acknowledgements asked for: %d", asked)
	}
}

func TestBrowsersAreLetInOnEveryPathWhateverTheAnswer(t *testing.T) {
	w := open(t, nil)
	for _, path := range append(collector.Paths(), "/v1/projects/k/settings", "/projects/k/settings", "/v1/m") {
		answer := w.send(http.MethodOptions, path, "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
		h := answer.Header()
		if answer.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("OPTIONS %s: %d %v", path, answer.Code, h)
		}
	}
	for _, body := range []string{callOf(200), `{`, callOf(collector.MaxMessage + 1)} {
		answer := w.send("POST", "/v1/t", body, "Content-Type", "text/plain")
		if h := answer.Header(); h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Retry-After") {
			t.Errorf("%s: %v", fmt.Sprint(answer.Code), h)
		}
	}
}
