package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/schemas"
	"kairos/topologies"
)

// party is a third party that takes what it is told, but nothing of who is bad.
type party struct {
	*httptest.Server
	mutex sync.Mutex
	told  map[string]bool
}

func newParty(t *testing.T) *party {
	t.Helper()
	p := &party{told: map[string]bool{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"person":"bad`) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, after, _ := strings.Cut(string(body), `"person":"`)
		person, _, _ := strings.Cut(after, `"`)
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.told[person] = true
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *party) knows(person string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.told[person]
}

// letters are the keys of what delivery gave up.
func (g guarded) letters(t *testing.T) map[string]bool {
	t.Helper()
	found, stream := map[string]bool{}, topologies.DeadLetters(topologies.DeliveryRole)
	err := g.admin.Scan(t.Context(), stream.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		letter, err := stream.Codec.Decode(r.Value)
		if err == nil {
			found[string(letter.Key)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// say puts an activation on the topic of the destination app.
func (g guarded) say(t *testing.T, person string) {
	t.Helper()
	stream := topologies.Activations("app")
	value, err := stream.Codec.Append(nil, &schemas.Activation{Destination: "app", Person: person, Audience: "vip", Entered: true, Revision: 1, Cause: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.admin.ProduceSync(t.Context(), &kgo.Record{Topic: stream.Name, Key: []byte(person), Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// The rights of who tells third parties, and one by one taken from one that
// runs. It may end for want of one, as any process may; who starts it again is
// told why, until it has the right.
func TestWithoutAnyOneRightDeliverLosesNothing(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	testDelivering(t, g)
}

func testDelivering(t *testing.T, g guarded) {
	t.Helper()
	app := newParty(t)
	t.Setenv("APP_SECRET", "0123456789abcdef")
	file := filepath.Join(t.TempDir(), "deliver.yaml")
	write(t, file, fmt.Sprintf("webhooks:\n- {destination: app, url: %s, secrets: [env:APP_SECRET], allow_private: true}\n", app.URL))
	all := topologies.Together(mustTopology(t).ACLs(topologies.DeliveryRole))
	args := append([]string{"deliver", "-f", file}, "--metrics=")
	g.say(t, "good-0")
	g.withoutEach(t, all, func() bool { return !app.knows("good-0") }, args...)

	ctx, stop := context.WithCancel(t.Context())
	log, ended := &lines{more: make(chan struct{}, 1)}, make(chan int, 1)
	begin := func() {
		p := &process{Context: ctx, in: strings.NewReader(""), out: log, err: log, width: func() int { return 100 }}
		go func() { ended <- run(p, append(args, g.user...)) }()
	}
	begin()
	again := func() {
		select {
		case <-ended:
			begin()
		default:
		}
	}
	await(t, "the first is told", func() bool { return app.knows("good-0") })
	named := g.missing(t, all, log, func(n int) func() bool {
		good, bad := fmt.Sprintf("good-%d", n+1), fmt.Sprintf("bad-%d", n+1)
		g.say(t, good)
		g.say(t, bad)
		return func() bool { again(); return app.knows(good) && g.letters(t)[bad] }
	})
	stop()
	<-ended
	if named < 2 {
		t.Errorf("%d of %d rights were missed by a running process:\n%s", named, len(all), log.said())
	}
}
