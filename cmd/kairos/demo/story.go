package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/lookup"
	"kairos/cmd/internal/portrait"
	"kairos/cmd/internal/screen"
	"kairos/schemas"
	"kairos/topologies"
)

// step is one thing that Sarah does, or that happens to her.
type step struct {
	after time.Duration // since the step before
	where string
	what  string
	event string // as JSON, for the door
}

// story is Sarah's: she is invented. Nobody tells kairos who she is until she
// says so herself; the cancellation comes from a system that knows neither her
// e-mail address nor her phone's app.
var story = []step{
	{9 * time.Hour, "app", "opens the app; nobody knows who she is", `{"id": "sarah-1", "name": "view", "source": "app",
		"identifiers": {"device_id": "ios-7f3a"}, "properties": {"page": "discover"}}`},
	{10 * time.Minute, "app", "puts a CD into the cart", `{"id": "sarah-2", "name": "cart", "source": "app",
		"identifiers": {"device_id": "ios-7f3a"}, "properties": {"product": "OK Computer", "price": 14.99}}`},
	{34 * time.Hour, "web", "looks around in a browser: somebody else, as far as anybody can tell", `{"id": "sarah-3", "name": "view", "source": "web",
		"identifiers": {"cookie": "c-51e0"}, "properties": {"page": "subscriptions"}}`},
	{5 * time.Minute, "web", "logs in with her e-mail address", `{"id": "sarah-4", "name": "login", "source": "web",
		"identifiers": {"cookie": "c-51e0", "email": "sarah@example.org"}, "properties": {"channel": "web"},
		"attributes": {"first_name": "Sarah", "country": "FR", "plan": "premium"}}`},
	{2 * time.Hour, "app", "logs in on her phone: two people become one", `{"id": "sarah-5", "name": "login", "source": "app",
		"identifiers": {"device_id": "ios-7f3a", "email": "sarah@example.org"}, "properties": {"channel": "app"}}`},
	{time.Hour, "crm", "becomes customer 900001, with a telephone number", `{"id": "sarah-6", "name": "profile", "source": "crm",
		"identifiers": {"crm_id": "900001", "email": "sarah@example.org", "phone": "+33 6 12 34 56 78"}, "attributes": {"consent.app": true}}`},
	{36 * time.Hour, "call centre", "calls and cancels; all they have is her number", `{"id": "sarah-7", "name": "cancel", "source": "callcenter",
		"identifiers": {"phone": "+33 6 12 34 56 78"}, "properties": {"channel": "phone", "reason": "price"}}`},
}

const (
	offer       = "win_back" // the audience that the last step must lead to
	offerOn     = "app"      // the destination
	patience    = 30 * time.Second
	sarah       = "email:sarah@example.org"
	sarahDevice = "device_id:ios-7f3a"
)

// stay opens the door, tells the story and lets time go on until the context
// ends.
func (w *world) stay() error {
	if err := w.openDoor(); err != nil {
		return err
	}
	_, err := lookup.Find(w.ctx, w.pipeline, schemas.IdentifierOf(sarah))
	var unknown *lookup.NotFoundError
	if errors.As(err, &unknown) {
		err = w.tell()
	}
	if err == nil {
		err = w.showSarah()
	}
	if err != nil {
		return err
	}
	w.invite()
	return w.goOn()
}

// tell plays the story, step by step, each dealt with before the next.
func (w *world) tell() error {
	paint := screen.Paint(w.config.Live)
	w.sayf("  %s  %s\n\n", paint.In(screen.Bold, "Sarah"), paint.In(screen.Dim, "(invented) comes through the door, "+w.address))
	offers, err := w.listen()
	if err != nil {
		return err
	}
	defer offers.Close()
	today := w.clock.now()
	for i, s := range story {
		today = today.Add(s.after)
		if err := w.advance(today); err != nil {
			return err
		}
		w.sayf("  %s  %s  %s\n", paint.In(screen.Dim, today.Time().Format("_2 Jan 15:04")), screen.Left(s.where, 11), s.what)
		begin := time.Now()
		if err := w.post(s.event); err != nil {
			return err
		}
		if i == len(story)-1 {
			if err := w.awaitOffer(offers, begin); err != nil {
				return err
			}
		}
		if err := w.settle(0); err != nil {
			return err
		}
		if err := w.sayWho(paint); err != nil {
			return err
		}
	}
	return nil
}

// advance lets virtual time come to t everywhere.
func (w *world) advance(t schemas.Instant) error {
	w.clock.set(t)
	before := t - 1 // the events of t are yet to come
	if err := w.feeder.Tick(w.ctx, before); err != nil {
		return err
	}
	return w.settle(before)
}

func (w *world) post(event string) error {
	request, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.address+"/v1/events", strings.NewReader(event))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("send an event to the door: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("send an event to the door: %s %s %w", response.Status, bytes.TrimSpace(answer), err)
	}
	return nil
}

// listen reads what the destination is told from now on, as the destination
// itself would.
func (w *world) listen() (*kgo.Client, error) {
	reader, err := kgo.NewClient(append(w.client.Opts(),
		kgo.ConsumeTopics(topologies.Activations(offerOn).Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return nil, fmt.Errorf("listen as the destination %s: %w", offerOn, err)
	}
	return reader, nil
}

func (w *world) awaitOffer(offers *kgo.Client, begin time.Time) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		fetches := offers.PollFetches(ctx)
		took := time.Since(begin)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("wait for the offer on %s: %w", topologies.Activations(offerOn).Name, err)
		}
		for _, r := range fetches.Records() {
			a, err := topologies.Activations(offerOn).Codec.Decode(r.Value)
			if err != nil || a.Audience != offer || !a.Entered {
				continue
			}
			if slices.Contains(a.Identifiers, schemas.IdentifierOf(sarahDevice)) {
				w.sayOffer(took)
				return nil
			}
		}
	}
}

func (w *world) sayOffer(took time.Duration) {
	paint := screen.Paint(w.config.Live)
	w.sayf("  %s\n", paint.In(screen.Green, fmt.Sprintf("%28s➜ her phone has the offer: the destination %q read %s %.1f ms after the call",
		"", offerOn, offer, float64(took.Microseconds())/1000)))
}

// sayWho says how many people Sarah's identifiers are, and where they stand.
func (w *world) sayWho(paint screen.Paint) error {
	type someone struct {
		id    string
		names []string
		in    []string
	}
	var people []someone
	for _, key := range []string{sarahDevice, "cookie:c-51e0", sarah, "crm_id:900001", "phone:+33612345678"} {
		p, err := lookup.Find(w.ctx, w.pipeline, schemas.IdentifierOf(key))
		var unknown *lookup.NotFoundError
		if errors.As(err, &unknown) {
			continue
		}
		if err != nil {
			return err
		}
		i := slices.IndexFunc(people, func(s someone) bool { return s.id == p.ID })
		if i < 0 {
			people, i = append(people, someone{id: p.ID, in: memberships(p)}), len(people)
		}
		people[i].names = append(people[i].names, schemas.IdentifierOf(key).Namespace)
	}
	for _, s := range people {
		in := ""
		if len(s.in) > 0 {
			in = "  in " + strings.Join(s.in, ", ")
		}
		w.sayf("  %28s%s%s\n", "", paint.In(screen.Cyan, s.id[:6]+" = "+strings.Join(s.names, " + ")), in)
	}
	return nil
}

func memberships(p *lookup.Person) []string {
	var in []string
	if p.Segment != nil {
		for _, s := range p.Segment.Standings {
			if s.Member {
				in = append(in, s.Audience)
			}
		}
	}
	return in
}

func (w *world) showSarah() error {
	p, err := lookup.Find(w.ctx, w.pipeline, schemas.IdentifierOf(sarah))
	if err != nil {
		return err
	}
	w.sayf("%s", portrait.Of(p, w.plan).Text(screen.Paint(w.config.Live)))
	return nil
}

func (w *world) sayf(format string, args ...any) { fmt.Fprintf(w.config.Out, format, args...) }

// invite says what can be tried while the demo stays up.
func (w *world) invite() {
	paint := screen.Paint(w.config.Live)
	brokers := strings.Join(w.broker.ListenAddrs(), ",")
	w.sayf("  %s  %s\n\n", paint.In(screen.Bold, "The door is open"), paint.In(screen.Dim, "in another terminal, try"))
	for _, line := range []string{
		fmt.Sprintf("%s send --door %s email=sarah@example.org purchase amount=25", w.config.Command, w.address),
		fmt.Sprintf("%s explain --brokers %s email=sarah@example.org %s", w.config.Command, brokers, offer),
		fmt.Sprintf("%s inspect person --brokers %s crm_id=2", w.config.Command, brokers),
		fmt.Sprintf(`curl %s/v1/events -d '{"name": "view", "source": "app", "identifiers": {"device_id": "mine"}}'`, w.address),
	} {
		w.sayf("    %s\n", paint.In(screen.Cyan, line))
	}
	w.sayf("\n  %s\n", paint.In(screen.Dim, "It is "+w.clock.now().Time().Format("2 January 2006")+" here. Ctrl-C ends the demo."))
}

// goOn lets time pass at its usual speed.
func (w *world) goOn() error {
	const grace = 2 * time.Second // that an event may take from the door to its topic
	for second := time.NewTicker(time.Second); ; {
		select {
		case <-w.ctx.Done():
			if err := context.Cause(w.ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case <-second.C:
			if err := w.feeder.Tick(w.ctx, w.clock.now().Add(-grace)); err != nil && w.ctx.Err() == nil {
				return err
			}
		}
	}
}
