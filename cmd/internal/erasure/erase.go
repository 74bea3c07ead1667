package erasure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/processors/definition"
	"kairos/processors/delivery"
	"kairos/processors/identity"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Config is what an erasure needs.
type Config struct {
	Client   *cluster.Client // made with door.Options
	Topology *topologies.Topology
	Rules    definition.IdentityRules
	Now      func() time.Time
	Patience time.Duration // for the stages, and for readers that are behind; 0: a minute
	Progress func(string)  // hears what is going on; nil: nobody
}

// work is one erasure.
type work struct {
	Config
	subject *Subject
	receipt *Receipt
	ring    *keyring.Ring
	needles [][]byte
}

func begin(c Config, s *Subject) (*work, error) {
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	r, err := newReceipt(s.Asked, schemas.InstantOf(c.Now()).String())
	if err != nil {
		return nil, err
	}
	r.Identifiers = len(s.Identifiers)
	return &work{Config: c, subject: s, receipt: r, needles: s.needles()}, nil
}

// Look says what an erasure would find. It changes nothing.
func Look(ctx context.Context, c Config, s *Subject) (*Receipt, error) {
	w, err := begin(c, s)
	if err != nil {
		return nil, err
	}
	w.receipt.DryRun = true
	if w.ring, err = c.Client.Ring(ctx); err != nil {
		return nil, err
	}
	rows, err := w.rows(ctx)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		w.receipt.Tables = append(w.receipt.Tables, Found{table.Name, len(rows[table.Name]), len(rows[table.Name])})
	}
	for _, topic := range w.removable() {
		_, about, err := w.about(ctx, topic)
		if err != nil {
			return nil, err
		}
		w.receipt.Topics = append(w.receipt.Topics, Topic{topic.Name, int64(len(about)), 0, byKeys})
		if err := w.handedOver(ctx, topic, about); err != nil {
			return nil, err
		}
	}
	return w.receipt, w.readLog(ctx)
}

// The ways in which records go.
const (
	byKeys     = "removed by their keys"
	byDeletion = "deleted with everything that had been read"
	unreadable = "unreadable: their key is lost"
)

// Erase erases a person and gives the receipt. It can be repeated.
func Erase(ctx context.Context, c Config, s *Subject) (*Receipt, error) {
	w, err := begin(c, s)
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"their keys are lost", w.loseKeys},
		{"the stages forget them", w.forget},
		{"what told of them is removed", w.remove},
		{"what stages have read is deleted", w.trim},
		{"the log is looked through", w.readLog},
	} {
		w.Progress(step.what)
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("erasure %s, while %s: %w; do it again, it goes on where it stopped", w.receipt.ID, step.what, err)
		}
	}
	w.receipt.Local = "files of running hosts are compacted at once; their heads in memory go with the rows. Delete the state folders of processes that do not run"
	return w.receipt, nil
}

// commands is the subject that the commands of an erasure are sealed for.
func (w *work) commands() string { return "erasure:" + w.receipt.ID }

// loseKeys makes what the log holds unreadable, and suppresses the person.
func (w *work) loseKeys(ctx context.Context) (err error) {
	w.ring, err = w.Client.ChangeRing(ctx, func(r *keyring.Ring) *keyring.Ring {
		if r == nil {
			r = keyring.New()
		}
		return r.Lose(w.subject.own()...)
	})
	if err == nil {
		w.receipt.KeysVersion = w.ring.Version()
	}
	return err
}

// tables are those that hold rows of people.
var tables = []topologies.Topic{
	topologies.IdentityTable.Topic, topologies.ProfileTable.Topic, topologies.SegmentTable.Topic,
	topologies.PropensityTable.Topic, topologies.DestinationTable.Topic,
}

// rows lists the keys of rows of the person, by table.
func (w *work) rows(ctx context.Context) (map[string][]string, error) {
	keys, found := w.subject.keys(), map[string][]string{}
	for _, table := range tables {
		there := map[string]bool{}
		err := w.Client.Scan(ctx, table.Name, cluster.EveryPartition, func(r *kgo.Record) error {
			if keys[string(r.Key)] {
				there[string(r.Key)] = r.Value != nil
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for key, is := range there {
			if is {
				found[table.Name] = append(found[table.Name], key)
			}
		}
	}
	return found, nil
}

// forget tells the stages, until no row is left. The first word removes the
// person; the second one ends rows that were left as signs, or that words on
// their way have made anew.
func (w *work) forget(ctx context.Context) error {
	d := door.New(w.Client.Client, door.Config{
		Clock: func() schemas.Instant { return schemas.InstantOf(w.Now()) },
		Rules: func() definition.IdentityRules { return w.Rules },
		Ring:  func() *keyring.Ring { return w.ring },
	})
	first, err := w.rows(ctx)
	if err != nil {
		return err
	}
	left := first
	for end := w.Now().Add(w.Patience); ; {
		for i, key := range w.subject.own() {
			now := schemas.InstantOf(w.Now())
			e := schemas.Event{
				ID: fmt.Sprintf("%s/%d", w.receipt.ID, i), Name: identity.Erase, Source: "operator", Time: now, Received: now,
				Identifiers: []schemas.Identifier{schemas.IdentifierOf(key)},
			}
			if err := d.Command(ctx, w.commands(), e); err != nil {
				return err
			}
		}
		for again := w.Now().Add(2 * time.Second); len(left) > 0 && w.Now().Before(again); {
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
			if left, err = w.rows(ctx); err != nil {
				return err
			}
		}
		if len(left) == 0 {
			break
		}
		if w.Now().After(end) {
			return fmt.Errorf("rows are left after %v in %v: is `kairos run` running, and is it behind (`kairos status`)?", w.Patience, left)
		}
	}
	for _, table := range tables {
		w.receipt.Tables = append(w.receipt.Tables, Found{table.Name, len(first[table.Name]), 0})
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// removable are the topics whose records have keys of their own or of people.
func (w *work) removable() []topologies.Topic {
	return slices.DeleteFunc(w.Topology.Topics(), func(t topologies.Topic) bool {
		return !t.Compacted || t.Name == topologies.Definitions.Name ||
			slices.ContainsFunc(tables, func(table topologies.Topic) bool { return table.Name == t.Name })
	})
}

// about finds the newest record of each key that is about the person, and which
// of them still have a value: stages have taken back what they could.
func (w *work) about(ctx context.Context, topic topologies.Topic) (found, left map[string]*kgo.Record, err error) {
	found, left = map[string]*kgo.Record{}, map[string]*kgo.Record{}
	err = w.Client.Scan(ctx, topic.Name, cluster.EveryPartition, func(r *kgo.Record) error {
		place := fmt.Sprintf("%d %s", r.Partition, r.Key)
		switch person, _, _ := strings.Cut(string(r.Key), "/"); {
		case r.Value == nil:
			delete(left, place)
		case slices.Contains(w.subject.People, person) || names(w.needles, r.Key, r.Value):
			found[place], left[place] = r, r
		default:
			delete(left, place)
		}
		return nil
	})
	return found, left, err
}

// remove puts a record without a value behind each record about the person.
// Exits that destinations are told are left alone until who reads them has.
func (w *work) remove(ctx context.Context) error {
	producer, err := kgo.NewClient(append(w.Client.Reach(), kgo.ClientID("kairos-erasure"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, topic := range w.removable() {
		about, there, err := w.about(ctx, topic)
		if err != nil {
			return err
		}
		if len(about) > 0 && topic.Writer == topologies.Destination.Word {
			if err := w.awaitReaders(ctx, topic, about); err != nil {
				return err
			}
		}
		if err := w.handedOver(ctx, topic, about); err != nil {
			return err
		}
		var tombstones []*kgo.Record
		for _, r := range there {
			tombstones = append(tombstones, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key})
		}
		if err := producer.ProduceSync(ctx, tombstones...).FirstErr(); err != nil {
			return err
		}
		w.receipt.Topics = append(w.receipt.Topics, Topic{topic.Name, int64(len(about)), int64(len(about)), byKeys})
	}
	return nil
}

// awaitReaders waits until all groups that read a destination's topic have read
// what it says of the person, so that they hear of the exit.
func (w *work) awaitReaders(ctx context.Context, topic topologies.Topic, about map[string]*kgo.Record) error {
	for end := w.Now().Add(w.Patience); ; {
		read, err := w.Client.ReadByAll(ctx, topic.Name)
		if err != nil {
			return err
		}
		behind := map[string]bool{}
		for _, r := range about {
			if at := read[r.Partition]; at.Groups > 0 && at.Offset <= r.Offset {
				behind[at.Slowest] = true
			}
		}
		if len(behind) == 0 {
			return nil
		}
		if w.Now().After(end) { // the topic keeps what is superseded for topologies.ReadersLag
			for group := range behind {
				w.left("%s: group %s has not read the exit yet; it is there for it for %v, and with it the identifiers", topic.Name, group, topologies.ReadersLag)
			}
			return nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// handedOver says which files hold what a destination was told about the person:
// whoever has them must change them, nobody here can. Files have the exit too.
func (w *work) handedOver(ctx context.Context, topic topologies.Topic, about map[string]*kgo.Record) error {
	partitions := map[string]map[int32]bool{} // by destination
	for _, r := range about {
		a, err := schemas.ActivationCodec.Decode(r.Value)
		if err != nil || topic.Name != topologies.Activations(a.Destination).Name {
			continue
		}
		if partitions[a.Destination] == nil {
			partitions[a.Destination] = map[int32]bool{}
		}
		partitions[a.Destination][r.Partition] = true
	}
	for destination, of := range partitions {
		written, err := w.Client.Committed(ctx, delivery.FilesGroup(destination), topic.Name)
		if err != nil {
			return err
		}
		for _, p := range slices.Sorted(maps.Keys(of)) {
			if until := written[p]; until > 0 {
				w.left("files of destination %s: those called %s-%05d-*, up to offset %d, hold what it was told about the person. They have been handed over and cannot be changed from here: whoever has them deletes the rows, or the files",
					destination, destination, p, until-1)
			}
		}
	}
	return nil
}

func (w *work) left(format string, args ...any) {
	w.receipt.Left = append(w.receipt.Left, fmt.Sprintf(format, args...))
}

// trim deletes what stages have told each other and have read.
func (w *work) trim(ctx context.Context) error {
	for _, topic := range w.Topology.Topics() {
		if topic.Compacted || topic.Name == topologies.Events.Name || topic.Name == topologies.Keys.Name {
			continue
		}
		var unread int64
		for end := w.Now().Add(w.Patience); ; {
			deleted, left, slowest, err := w.Client.Trim(ctx, topic.Name, func(r *kgo.Record) bool { return names(w.needles, r.Key, r.Value) })
			if err != nil {
				return err
			}
			if unread = left; left == 0 || w.Now().After(end) {
				w.receipt.Topics = append(w.receipt.Topics, Topic{topic.Name, deleted + left, deleted, byDeletion})
				if left > 0 {
					w.left("%s: %d records that group %s has not read, until %v after they were written", topic.Name, unread, slowest, topic.Retention)
				}
				break
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// readLog counts what the door's topic holds: sealed records that nobody can
// read, and such as were never sealed.
func (w *work) readLog(ctx context.Context) error {
	topic := topologies.Events.Topic
	leaves := map[keyring.Leaf]bool{}
	if w.ring != nil {
		for _, key := range w.subject.own() {
			leaves[w.ring.LeafOf(key)] = true
		}
		leaves[w.ring.LeafOf(w.commands())] = true
	}
	var sealed, plain, others int64
	newest := time.Time{}
	err := w.Client.ScanRaw(ctx, topic.Name, func(r *kgo.Record) error {
		switch {
		case string(r.Key) == schemas.TickKey:
		case keyring.IsSealed(r.Value) && leaves[keyring.SubjectOf(r.Value)]:
			sealed++
		case keyring.IsSealed(r.Value):
			if _, value, err := w.ring.Open(r.Value); err == nil && names(w.needles, value) {
				others++
				newest = latest(newest, r.Timestamp)
			}
		case names(w.needles, r.Key, r.Value):
			plain++
			newest = latest(newest, r.Timestamp)
		}
		return nil
	})
	w.receipt.Topics = append(w.receipt.Topics, Topic{topic.Name, sealed + plain + others, sealed, unreadable})
	until := newest.Add(topic.Retention).UTC().Format(time.DateOnly)
	if plain > 0 {
		w.left("%s: %d records that were never sealed, from before there were keys or of producers that do not go through a door, until %s", topic.Name, plain, until)
	}
	if others > 0 {
		w.left("%s: %d events of others name one of the person's identifiers, sealed by the others' keys, until %s", topic.Name, others, until)
	}
	return err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Renew takes the suppression of an identifier back: what comes in about it from
// now on is taken in again. What was lost stays lost.
func Renew(ctx context.Context, client *cluster.Client, ids ...schemas.Identifier) error {
	var keys []string
	for _, id := range ids {
		keys = append(keys, id.String())
	}
	_, err := client.ChangeRing(ctx, func(r *keyring.Ring) *keyring.Ring {
		if r == nil {
			r = keyring.New()
		}
		return r.Renew(keys...)
	})
	return err
}
