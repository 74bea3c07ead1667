package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/delivery"
	"kairos/schemas"
	"kairos/topologies"
)

const secret = "0123456789abcdef"

// clock goes on by what somebody waits for.
type clock struct {
	lock sync.Mutex
	now  time.Time
}

func (c *clock) Now() time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// receiver is a third party that answers as it is told to.
type receiver struct {
	*httptest.Server
	lock sync.Mutex
	got  []delivery.Message
	news chan struct{}
}

func receive(t testing.TB, answer func(m delivery.Message, w http.ResponseWriter) (taken bool)) *receiver {
	t.Helper()
	r := &receiver{news: make(chan struct{}, 10000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		signature := request.Header.Get("Kairos-Signature")
		stamp, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
		if signature != delivery.Sign([]string{secret}, stamp, body) {
			t.Errorf("signature %s of %s", signature, body)
		}
		var m delivery.Message
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		if m.ID != request.Header.Get("Idempotency-Key") {
			t.Errorf("id %s, key %s", m.ID, request.Header.Get("Idempotency-Key"))
		}
		if answer(m, w) {
			r.lock.Lock()
			defer r.lock.Unlock()
			r.got = append(r.got, m)
			r.news <- struct{}{}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// await waits until n messages have been taken, and lists them.
func (r *receiver) await(t testing.TB, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-r.news:
		case <-time.After(30 * time.Second):
			t.Fatalf("of %d messages only %d came", n, len(r.got))
		}
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	var all []string
	for _, m := range r.got {
		all = append(all, fmt.Sprintf("%s %d", m.Person, m.Revision))
	}
	return all
}

type world struct {
	t       testing.TB
	address string
	client  *kgo.Client
}

func open(t testing.TB, destinations ...string) *world {
	t.Helper()
	return openOn(t, 1, destinations...)
}

func openOn(t testing.TB, partitions int32, destinations ...string) *world {
	t.Helper()
	topics := []string{topologies.DeadLetters(delivery.Word).Name}
	for _, d := range destinations {
		topics = append(topics, topologies.Activations(d).Name)
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics(topologies.DeadLetters(delivery.Word).Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &world{t, broker.ListenAddrs()[0], client}
}

// say writes activations, "person revision" each.
func (w *world) say(destination string, activations ...string) {
	w.t.Helper()
	for _, text := range activations {
		var a schemas.Activation
		if _, err := fmt.Sscan(text, &a.Person, &a.Revision); err != nil {
			w.t.Fatal(err)
		}
		a.Destination, a.Audience, a.Entered = destination, "vip", a.Revision%2 == 1
		stream := topologies.Activations(destination)
		value, err := stream.Codec.Append(nil, &a)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: stream.Name, Key: []byte(a.Person + "/vip"), Value: value}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// deliver runs a deliverer until the test ends, or what it gives back is called.
func (w *world) deliver(hook delivery.Webhook, c delivery.Clock) (stop func()) {
	w.t.Helper()
	hook.Secrets, hook.AllowPrivate = []string{secret}, true
	d, err := delivery.New(delivery.Config{
		Webhook: hook, Kafka: []kgo.Opt{kgo.SeedBrokers(w.address)}, Clock: c, Random: func() float64 { return 0 }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.until(d.Run)
}

// until runs something until the test ends, or what it gives back is called.
func (w *world) until(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *world) letter() *schemas.DeadLetter {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	fetches := w.client.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		w.t.Fatal(err)
	}
	letter, err := schemas.DeadLetterCodec.Decode(fetches.Records()[0].Value)
	if err != nil {
		w.t.Fatal(err)
	}
	return letter
}

func always(delivery.Message, http.ResponseWriter) bool { return true }

func TestADestinationThatFailsForAnHourLosesNothingAndKeepsTheOrder(t *testing.T) {
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	well := c.now.Add(time.Hour)
	r := receive(t, func(_ delivery.Message, answer http.ResponseWriter) bool {
		if c.Now().Before(well) {
			answer.WriteHeader(http.StatusInternalServerError)
			return false
		}
		return true
	})
	w.say("crm", "a 1", "a 2", "b 1", "a 3")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, Lanes: 1}, c)
	got := r.await(t, 4)
	if !slices.Contains(got, "b 1") || !slices.Equal(slices.DeleteFunc(slices.Clone(got), func(m string) bool { return m == "b 1" }), []string{"a 1", "a 2", "a 3"}) {
		t.Errorf("it got %q", got)
	}
	if c.Now().Sub(well) > 10*time.Minute {
		t.Errorf("it was found well only %v later", c.Now().Sub(well))
	}
}

func TestWhoAsksToBeLeftAloneIsLeftAlone(t *testing.T) {
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	began, asked := c.now, 0
	r := receive(t, func(_ delivery.Message, answer http.ResponseWriter) bool {
		asked++
		if asked == 1 {
			answer.Header().Set("Retry-After", "600")
			answer.WriteHeader(http.StatusTooManyRequests)
		}
		return asked > 1
	})
	w.say("crm", "a 1")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, Lanes: 1}, c)
	r.await(t, 1)
	if asked != 2 || c.Now().Sub(began) < 10*time.Minute {
		t.Errorf("asked %d times within %v", asked, c.Now().Sub(began))
	}
}

func TestWhatIsRefusedIsADeadLetterAndTheRestGoesOn(t *testing.T) {
	w := open(t, "crm")
	r := receive(t, func(m delivery.Message, answer http.ResponseWriter) bool {
		if m.Person == "b" {
			answer.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(answer, "b's secret")
			return false
		}
		return true
	})
	w.say("crm", "a 1", "b 1", "a 2")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, Lanes: 1}, &clock{now: time.Unix(1e9, 0)})
	if got := r.await(t, 2); !slices.Equal(got, []string{"a 1", "a 2"}) {
		t.Errorf("it got %q", got)
	}
	letter := w.letter()
	if letter.Reason != "kairos-delivery-refused" || !strings.Contains(letter.Detail, "422") || strings.Contains(letter.Detail, "secret") || string(letter.Key) != "b/vip" {
		t.Errorf("the letter is %+v", letter)
	}
}

func TestAMessageThatNobodyTakesInThreeDaysIsADeadLetter(t *testing.T) {
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	began := c.now
	r := receive(t, func(_ delivery.Message, answer http.ResponseWriter) bool {
		answer.WriteHeader(http.StatusBadGateway)
		return false
	})
	w.say("crm", "a 1")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, Lanes: 1}, c)
	if letter := w.letter(); letter.Reason != "kairos-delivery-expired" || c.Now().Sub(began) < 72*time.Hour {
		t.Errorf("after %v: %+v", c.Now().Sub(began), letter)
	}
}

func TestAMessageOnWhichTheReceiverBreaksIsADeadLetterInTheEndAndHoldsUpItsPersonOnly(t *testing.T) {
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	others, asked := make(chan string, 100), 0
	r := receive(t, func(m delivery.Message, answer http.ResponseWriter) bool {
		if m.Person != "b" || m.Revision == 2 {
			others <- m.Person
			return true
		}
		asked++ // each time somebody else comes after it, and is told before it returns
		other := fmt.Sprint("x", asked)
		w.say("crm", other+" 1")
		for told := ""; told != other; {
			select {
			case told = <-others:
			case <-time.After(30 * time.Second):
				t.Error("nobody else is told")
				return false
			}
		}
		answer.WriteHeader(http.StatusInternalServerError)
		return false
	})
	w.say("crm", "b 1", "b 2")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, PoisonAfter: 10 * time.Second}, c)
	if letter := w.letter(); letter.Reason != "kairos-delivery-poison" || string(letter.Key) != "b/vip" || asked < 3 {
		t.Errorf("asked %d times: %+v", asked, letter)
	}
	for got := r.await(t, 1); !slices.Contains(got, "b 2"); got = r.await(t, 1) {
	}
}

func TestWhoGoesOnTellsNothingAgainThatWentPastAMessageWhichWaits(t *testing.T) {
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	var mended atomic.Bool
	r := receive(t, func(m delivery.Message, answer http.ResponseWriter) bool {
		if m.Person == "b" && !mended.Load() {
			answer.WriteHeader(http.StatusInternalServerError)
			return false
		}
		return true
	})
	w.say("crm", "b 1", "a 1", "b 2", "c 1", "a 2")
	stop := w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL, GiveUpAfter: 1e6 * time.Hour}, c)
	r.await(t, 3)
	w.say("crm", "d 1")
	r.await(t, 1) // so what came before is settled
	stop()
	mended.Store(true)
	w.say("crm", "e 1")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL}, c)
	got := r.await(t, 1)
	for !slices.Contains(got, "b 2") || !slices.Contains(got, "e 1") {
		got = r.await(t, 1)
	}
	for _, once := range []string{"a 1", "a 2", "c 1", "b 1", "b 2", "e 1"} {
		if count := strings.Count(strings.Join(got, ",")+",", once+","); count != 1 {
			t.Errorf("%s was told %d times: %q", once, count, got)
		}
	}
	if slices.Index(got, "b 1") > slices.Index(got, "b 2") || slices.Index(got, "a 1") > slices.Index(got, "a 2") {
		t.Errorf("the order is %q", got)
	}
}

func TestADestinationThatHangsCostsTheOthersNothing(t *testing.T) {
	w := open(t, "slow", "quick")
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	quick := receive(t, always)
	for n := range 50 {
		w.say("slow", fmt.Sprintf("p%d 1", n))
		w.say("quick", fmt.Sprintf("p%d 1", n))
	}
	w.deliver(delivery.Webhook{Destination: "slow", URL: slow.URL, Timeout: time.Minute}, nil)
	w.deliver(delivery.Webhook{Destination: "quick", URL: quick.URL}, nil)
	quick.await(t, 50)
}

func TestARestartTellsNothingTwiceThatWasCommitted(t *testing.T) {
	w := open(t, "crm")
	r := receive(t, always)
	w.say("crm", "a 1", "b 1")
	stop := w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL}, nil)
	r.await(t, 2)
	w.say("crm", "c 1")
	r.await(t, 1) // so the offsets of the first two are committed
	stop()
	w.say("crm", "d 1")
	w.deliver(delivery.Webhook{Destination: "crm", URL: r.URL}, nil)
	got := r.await(t, 1)
	for !slices.Contains(got, "d 1") {
		got = r.await(t, 1)
	}
	if count := strings.Count(strings.Join(got, ","), "a 1"); count != 1 {
		t.Errorf("a was told %d times: %q", count, got)
	}
}

// One comes while the other works, and the first one goes: partitions change
// hands with what is on its way, and with somebody whose message rests.
func TestThoseWhoShareTheWorkLoseNothingAndKeepEachPersonsOrder(t *testing.T) {
	w := openOn(t, 4, "crm")
	r := receive(t, func(m delivery.Message, answer http.ResponseWriter) bool {
		if m.Person == "p3" && m.Revision < 3 {
			answer.WriteHeader(http.StatusServiceUnavailable)
			return false
		}
		return true
	})
	people := 24
	say := func(revision int) {
		for n := range people {
			w.say("crm", fmt.Sprintf("p%d %d", n, revision))
		}
	}
	hook := delivery.Webhook{Destination: "crm", URL: r.URL}
	say(1)
	first := w.deliver(hook, nil)
	r.await(t, 5)
	w.deliver(hook, nil)
	say(2)
	r.await(t, 30)
	first()
	say(3)
	all := func(got []string) bool { // but of p3, who waits behind the first message
		for n := range people {
			if n != 3 && !slices.Contains(got, fmt.Sprintf("p%d 3", n)) {
				return false
			}
		}
		return true
	}
	for !all(r.await(t, 1)) {
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	told := map[string]map[int64]bool{}
	for _, m := range r.got {
		if told[m.Person] == nil {
			told[m.Person] = map[int64]bool{}
		}
		if m.Revision > 1 && !told[m.Person][m.Revision-1] {
			t.Errorf("%s is told %d and not yet %d", m.Person, m.Revision, m.Revision-1)
		}
		told[m.Person][m.Revision] = true
	}
	if len(told) != people-1 || told["p3"] != nil {
		t.Errorf("of %d people are told %d", people-1, len(told))
	}
	const lanes = 8 // what was on its way when the first one was stopped is told again
	if once := 3 * (people - 1); len(r.got) > once+lanes {
		t.Errorf("%d messages are told %d times", once, len(r.got))
	}
}

func TestAddressesOfOnesOwnNetworkAreRefused(t *testing.T) {
	inside := receive(t, func(m delivery.Message, _ http.ResponseWriter) bool { t.Errorf("it was told %v", m); return true })
	w, c := open(t, "crm"), &clock{now: time.Unix(1e9, 0)}
	w.say("crm", "a 1")
	for _, url := range []string{inside.URL, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1), strings.Replace(inside.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), "http://169.254.169.254/latest", "http://10.0.0.1", "http://[::1]:80", "http://[64:ff9b::7f00:1]"} {
		d, err := delivery.New(delivery.Config{
			Webhook: delivery.Webhook{Destination: "crm", URL: url, Secrets: []string{secret}, Lanes: 1, GiveUpAfter: time.Second},
			Kafka:   []kgo.Opt{kgo.SeedBrokers(w.address)}, Clock: c, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if letter := w.letter(); !strings.Contains(letter.Detail, "private network") {
			t.Errorf("%s: %s", url, letter.Detail)
		}
		w.say("crm", "a 1")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestAWrongWebhookIsRefused(t *testing.T) {
	for part, hook := range map[string]delivery.Webhook{
		"no destination": {URL: "https://a.example", Secrets: []string{secret}},
		"url must":       {Destination: "a", URL: "ftp://a", Secrets: []string{secret}},
		"user":           {Destination: "a", URL: "https://u:p@a.example", Secrets: []string{secret}},
		"one secret":     {Destination: "a", URL: "https://a.example"},
		"16 characters":  {Destination: "a", URL: "https://a.example", Secrets: []string{"short"}},
		"batch":          {Destination: "a", URL: "https://a.example", Secrets: []string{secret}, Batch: 1e6},
	} {
		if _, err := delivery.New(delivery.Config{Webhook: hook}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%+v gives %v, want %q", hook, err, part)
		}
	}
}
