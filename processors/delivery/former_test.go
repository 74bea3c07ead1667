package delivery_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/processors/delivery"
	"kairos/schemas"
	"kairos/topologies"
)

// tellOf writes what a destination is told of Sarah and vip, one line each: the
// revision, then the addresses that hold, and former ones with a minus. Even
// revisions are exits.
func (w *world) tellOf(destination string, lines ...string) {
	w.t.Helper()
	stream := topologies.Activations(destination)
	for _, line := range lines {
		a := schemas.Activation{Destination: destination, Person: "sarah", Audience: "vip"}
		for i, word := range strings.Fields(line) {
			address, former := strings.CutPrefix(word, "-")
			id := schemas.Identifier{Namespace: "email", Value: address}
			switch {
			case i == 0:
				a.Revision = int64(word[0] - '0')
				a.Entered = a.Revision%2 == 1
			case former:
				a.Former = append(a.Former, id)
			default:
				a.Identifiers = append(a.Identifiers, id)
			}
		}
		value, err := stream.Codec.Append(nil, &a)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: stream.Name, Key: []byte("sarah/vip"), Value: value}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// adList is a receiver with a form of its own: what it is asked, word by word.
func adList(t *testing.T) (server *httptest.Server, asked chan string) {
	asked = make(chan string, 100)
	server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var users struct{ Users []string }
		if err := json.Unmarshal(body, &users); err != nil {
			t.Error(err)
		}
		asked <- strings.Join(append([]string{r.URL.Path}, users.Users...), " ")
	}))
	t.Cleanup(server.Close)
	return server, asked
}

func hear(t *testing.T, asked chan string, last string) (all []string) {
	t.Helper()
	for {
		select {
		case request := <-asked:
			if all = append(all, request); request == last {
				return all
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("it was asked %q and never %q", all, last)
		}
	}
}

const users = `{"users": [{{range $i, $m := .Messages}}{{if $i}},{{end}}{{or ($m.First "email") $m.Person}}{{end}}]}`

func TestAReceiverThatListsAddressesTakesTheFormerOnesOff(t *testing.T) {
	w := open(t, "ads")
	server, asked := adList(t)
	w.tellOf("ads", "1 old@x", "1 new@x -old@x", "1 new@x", "1 -new@x", "1", "2", "3 new@x", "4 new@x", "5 last@x")
	w.deliver(delivery.Webhook{
		Destination: "ads", URL: server.URL + "/on", Body: users, Exit: delivery.Call{URL: server.URL + "/off"}, Needs: []string{"email"}, Batch: 10, Lanes: 1,
	}, nil)
	want := []string{"/on old@x", "/off old@x", "/on new@x", "/off new@x", "/on new@x", "/off new@x", "/on last@x"}
	if got := hear(t, asked, "/on last@x"); !slices.Equal(got, want) {
		t.Errorf("it was asked %q, want %q", got, want)
	}
}

// Ann loses the address and Bob gets it, whose partition is read first.
func TestAnAddressThatMovesToAnotherPartitionStaysOnTheList(t *testing.T) {
	w := openOn(t, 3, "ads")
	server, asked := adList(t)
	stream := topologies.Activations("ads")
	client, err := kgo.NewClient(kgo.SeedBrokers(w.address), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	address := []schemas.Identifier{{Namespace: "email", Value: "a@x"}}
	var records []*kgo.Record
	for n, a := range []schemas.Activation{{Person: "ann", Revision: 1, Entered: true}, {Person: "ann", Revision: 2}, {Person: "bob", Revision: 1, Entered: true}} {
		a.Destination, a.Audience, a.Identifiers = "ads", "vip", address
		value, err := stream.Codec.Append(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: stream.Name, Partition: map[string]int32{"ann": 2, "bob": 0}[a.Person], Value: value, Timestamp: time.UnixMilli(int64(n))})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.deliver(delivery.Webhook{
		Destination: "ads", URL: server.URL + "/on", Body: users, Exit: delivery.Call{URL: server.URL + "/off"}, Needs: []string{"email"},
	}, nil)
	var got []string
	for range records {
		select {
		case request := <-asked:
			got = append(got, request)
		case <-time.After(30 * time.Second):
			t.Fatalf("it was asked %q only", got)
		}
	}
	if !slices.Equal(got, []string{"/on a@x", "/off a@x", "/on a@x"}) {
		t.Errorf("it was asked %q", got)
	}
}

func TestAReceiverThatKnowsPeopleOtherwiseIsToldOnce(t *testing.T) {
	w := open(t, "chat")
	server, asked := adList(t)
	w.tellOf("chat", "1 old@x", "1 new@x -old@x", "1 new@x", "2 new@x", "3 last@x")
	w.deliver(delivery.Webhook{Destination: "chat", URL: server.URL + "/on", Body: users, Exit: delivery.Call{URL: server.URL + "/off"}, Lanes: 1}, nil)
	want := []string{"/on old@x", "/on new@x", "/off new@x", "/on last@x"}
	if got := hear(t, asked, "/on last@x"); !slices.Equal(got, want) {
		t.Errorf("it was asked %q, want %q", got, want)
	}
}

func TestKairosOwnFormSaysWhatHoldsNoLonger(t *testing.T) {
	w := open(t, "app")
	former := make(chan []delivery.Identifier, 3)
	r := receive(t, func(m delivery.Message, _ http.ResponseWriter) bool {
		former <- m.Former
		return true
	})
	w.tellOf("app", "1 new@x -old@x", "1 new@x")
	w.deliver(delivery.Webhook{Destination: "app", URL: r.URL}, nil)
	r.await(t, 2)
	if first, second := <-former, <-former; !slices.Equal(first, []delivery.Identifier{{Namespace: "email", Value: "old@x"}}) || len(second) > 0 {
		t.Errorf("former are %v, then %v", first, second)
	}
}

// Who keeps ids to know what it has already must not take the end of consent for
// the entry: both are of one revision.
func TestIDsTellApartWhatIsToldOfOneRevision(t *testing.T) {
	w := open(t, "app")
	ids := make(chan string, 10)
	r := receive(t, func(m delivery.Message, _ http.ResponseWriter) bool {
		ids <- m.ID
		return true
	})
	say := func(a schemas.Activation) {
		a.Destination, a.Person, a.Audience, a.Revision = "app", "sarah", "vip", 1
		stream := topologies.Activations("app")
		value, err := stream.Codec.Append(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.client.ProduceSync(t.Context(), &kgo.Record{Topic: stream.Name, Key: []byte("sarah/vip"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	entry := schemas.Activation{Entered: true, Cause: 1, Reason: "events(cancel)"}
	for _, a := range []schemas.Activation{entry, {Cause: 2, Reason: "consent"}, {Entered: true, Cause: 3, Reason: "consent"}, entry} {
		say(a)
	}
	w.deliver(delivery.Webhook{Destination: "app", URL: r.URL}, nil)
	r.await(t, 4)
	all := []string{<-ids, <-ids, <-ids, <-ids}
	if all[0] != all[3] || all[0] == all[1] || all[0] == all[2] || all[1] == all[2] {
		t.Errorf("the ids are %q", all)
	}
}

func TestWhileOneSecretFollowsTheOtherBothSign(t *testing.T) {
	old, fresh := delivery.Sign([]string{secret}, "12", []byte("body")), delivery.Sign([]string{"fedcba9876543210"}, "12", []byte("body"))
	_, second, _ := strings.Cut(fresh, ",")
	if both := delivery.Sign([]string{secret, "fedcba9876543210"}, "12", []byte("body")); both != old+","+second || old == fresh {
		t.Errorf("both sign %s, one %s, the other %s", both, old, fresh)
	}
}
