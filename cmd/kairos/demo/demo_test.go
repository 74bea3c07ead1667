package demo

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/loadtest/cdnow"
	"kairos/loadtest/judge"
	"kairos/schemas"
	"kairos/topologies"
)

// play runs the first days of the demo and gives the world back, still running.
func play(t *testing.T, c Config) (*world, Summary) {
	t.Helper()
	c.Out, c.Width, c.Log, c.Door = io.Discard, func() int { return 100 }, slog.New(slog.DiscardHandler), "127.0.0.1:0"
	w, err := open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	summary, err := w.play()
	if err != nil {
		t.Fatal(w.because(err))
	}
	return w, summary
}

func (w *world) transitions(t *testing.T) []*schemas.Transition {
	t.Helper()
	var all []*schemas.Transition
	err := w.client.Scan(t.Context(), topologies.Transitions.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		transition, err := topologies.Transitions.Codec.Decode(r.Value)
		all = append(all, transition)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheDemoSaysWhatTheJudgeSays(t *testing.T) {
	const days = 25
	w, summary := play(t, Config{Partitions: 3, Days: days})
	purchases, err := cdnow.Purchases()
	if err != nil {
		t.Fatal(err)
	}
	history, err := historyOf(days)
	if err != nil {
		t.Fatal(err)
	}
	expected := judge.Expect(purchases, history.end)
	got, err := judge.Observed(w.transitions(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.Compare(expected, got); err != nil {
		t.Error(err)
	}
	if summary.Events != history.events(history.end) || summary.Events == 0 || summary.DeadLetters != 0 {
		t.Errorf("the summary says %+v", summary)
	}
	for _, a := range summary.Audiences {
		if a.Name == "first_purchase" && a.Size != summary.People {
			t.Errorf("%d people, but %d have ever bought", summary.People, a.Size)
		}
	}
}

func TestSarahGetsTheOfferOnHerPhone(t *testing.T) {
	w, _ := play(t, Config{Partitions: 2, Days: 3})
	var said strings.Builder
	w.config.Out = &said
	if err := w.openDoor(); err != nil {
		t.Fatal(err)
	}
	if err := w.tell(); err != nil {
		t.Fatal(w.because(err))
	}
	if err := w.showSarah(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`the destination "app" read win_back`,
		"= device_id + cookie + email + crm_id + phone  in win_back",
		"told to app, crm",
	} {
		if !strings.Contains(said.String(), line) {
			t.Errorf("the story does not say %q:\n%s", line, said.String())
		}
	}
}

func TestASecondDemoGoesOnFromTheFolderOfTheFirst(t *testing.T) {
	folder := t.TempDir()
	first, _ := play(t, Config{Partitions: 2, Days: 2, DataDir: folder})
	first.close()
	_, two := play(t, Config{Partitions: 2, Days: 4, DataDir: folder})
	_, one := play(t, Config{Partitions: 2, Days: 4}) // in one go
	if want, got := len(one.Audiences), len(two.Audiences); want != got || one.People != two.People {
		t.Errorf("in one go %+v\nin two    %+v", one, two)
	}
	for i := range one.Audiences {
		if one.Audiences[i] != two.Audiences[i] {
			t.Errorf("in one go %+v\nin two    %+v", one.Audiences[i], two.Audiences[i])
		}
	}
}
