package catalog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/catalog"
	"kairos/cmd/internal/cluster"
	"kairos/processors/definition"
	"kairos/schemas"
	"kairos/topologies"
)

func embedded(t *testing.T) *cluster.Client {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := cluster.Connect(t.Context(), broker.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topology, err := topologies.New(topologies.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Apply(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	return client
}

func set(t *testing.T, text string) *definition.Set {
	t.Helper()
	s, err := definition.Parse("shop.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publish(t *testing.T, client *cluster.Client, text string) []schemas.Definition {
	t.Helper()
	changed, err := catalog.Publish(t.Context(), client, 7, func(before catalog.Published) ([]schemas.Definition, error) {
		return set(t, text).Records(before), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

const (
	buyers  = "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n"
	leavers = "kind: audience\nname: leavers\nwhen: events(\"cancel\").any()\n"
)

func names(definitions []schemas.Definition) []string {
	var all []string
	for _, d := range definitions {
		all = append(all, d.Name)
	}
	return all
}

func TestOnlyWhatChangedIsPublished(t *testing.T) {
	client := embedded(t)
	if got := names(publish(t, client, buyers+"---\n"+leavers)); !slices.Equal(got, []string{"buyers", "leavers"}) {
		t.Errorf("at first, %v", got)
	}
	if got := publish(t, client, buyers+"---\n"+leavers); len(got) > 0 {
		t.Errorf("the same again, %v", names(got))
	}
	edited := "kind: audience\nname: buyers\nwhen: events(\"purchase\").count() >= 2\n"
	changed := publish(t, client, edited+"---\n"+leavers)
	if !slices.Equal(names(changed), []string{"buyers"}) || changed[0].Version != 2 || changed[0].Cause != 7 {
		t.Errorf("an edited one, %+v", changed)
	}
}

func TestWhatIsNotThereAnyMoreIsWithdrawn(t *testing.T) {
	client := embedded(t)
	publish(t, client, buyers+"---\n"+leavers)
	publish(t, client, leavers)
	published, err := catalog.Read(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if got := published.Names("audience"); !slices.Equal(got, []string{"leavers"}) || published.Len() != 1 {
		t.Errorf("published are %v", got)
	}
	plan, err := published.Plan()
	if err != nil || len(plan.Audiences) != 1 {
		t.Errorf("the plan has %+v, %v", plan, err)
	}
}

func TestARefusedChangePublishesNothing(t *testing.T) {
	client := embedded(t)
	refused := errors.New("refused")
	if _, err := catalog.Publish(t.Context(), client, 7, func(catalog.Published) ([]schemas.Definition, error) {
		return set(t, buyers).Records(nil), refused
	}); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if published, err := catalog.Read(t.Context(), client); err != nil || published.Len() != 0 {
		t.Errorf("published are %v, %v", published, err)
	}
}

func TestOfTwoWhoPublishAtTheSameTimeOneFails(t *testing.T) {
	client := embedded(t)
	_, err := catalog.Publish(t.Context(), client, 7, func(before catalog.Published) ([]schemas.Definition, error) {
		publish(t, client, leavers) // the other one is quicker
		return set(t, buyers).Records(before), nil
	})
	if !errors.Is(err, catalog.ErrOvertaken) {
		t.Errorf("got %v", err)
	}
	if published, err := catalog.Read(t.Context(), client); err != nil || !slices.Equal(published.Names("audience"), []string{"leavers"}) {
		t.Errorf("published are %v, %v", published, err)
	}
}

func TestAFollowerIsToldOfEachChangeAtOnce(t *testing.T) {
	client := embedded(t)
	ctx, stop := context.WithCancel(t.Context())
	var told [][]string
	err := catalog.Follow(ctx, client, func(p catalog.Published) error {
		told = append(told, p.Names("audience"))
		switch len(told) {
		case 1:
			publish(t, client, buyers+"---\n"+leavers)
		case 2:
			stop()
		}
		return nil
	}, func(err error) { t.Error(err) })
	if err != nil || len(told) != 2 || len(told[0]) != 0 || !slices.Equal(told[1], []string{"buyers", "leavers"}) {
		t.Errorf("told %v, %v", told, err)
	}
}

func TestAFollowerPassesOverWhatItCannotRead(t *testing.T) {
	client := embedded(t)
	ctx, stop := context.WithCancel(t.Context())
	complaints := 0
	err := catalog.Follow(ctx, client, func(p catalog.Published) error {
		if len(p) > 0 {
			stop()
			return nil
		}
		strange := &kgo.Record{Topic: topologies.Definitions.Name, Key: []byte("audience/strange"), Value: []byte("of another release")}
		if err := client.ProduceSync(ctx, strange).FirstErr(); err != nil {
			return err
		}
		publishAfter(t, client)
		return nil
	}, func(error) { complaints++ })
	if err != nil || complaints != 1 {
		t.Errorf("%d complaints, %v", complaints, err)
	}
}

// publishAfter publishes without reading what is there, as a newer release may.
func publishAfter(t *testing.T, client *cluster.Client) {
	t.Helper()
	value, err := topologies.Definitions.Codec.Append(nil, &schemas.Definition{Kind: "audience", Name: "buyers", Version: 1, Text: buyers})
	if err != nil {
		t.Fatal(err)
	}
	record := &kgo.Record{Topic: topologies.Definitions.Name, Key: []byte("audience/buyers"), Value: value}
	if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
