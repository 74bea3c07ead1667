// Package deadletters lists what stages refused and sends it again.
//
// In: the dead-letter topics of all stages, read committed. Out: letters, and
// their original bytes under their original key on their original topic, sealed
// where it is that of events. What ingest could not read becomes an event at once:
// its topic belongs to others, and there it would be another record. State: none;
// a letter stays where it is until its retention ends, so sending it twice sends
// its record twice; the event of ingest has the id of its record's place or its
// own, so that counts once.
//
// Not here: why a record is refused (processors/stage and each stage).
package deadletters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/cmd/internal/ingest"
	"kairos/processors/delivery"
	"kairos/processors/keyring"
	"kairos/schemas"
	"kairos/topologies"
)

// Letter is a dead letter and where it lies.
type Letter struct {
	Place Place
	schemas.DeadLetter
}

// Place is where a dead letter lies; as text, `identity/3/17`.
type Place struct {
	Stage     string
	Partition int32
	Offset    int64
}

func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Stage, p.Partition, p.Offset) }

// PlaceOf reads what [Place.String] writes.
func PlaceOf(s string) (Place, error) {
	parts := strings.Split(s, "/")
	if len(parts) == 3 {
		partition, err1 := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err1 == nil && err2 == nil && stageExists(parts[0]) {
			return Place{parts[0], int32(partition), offset}, nil
		}
	}
	return Place{}, fmt.Errorf("%q is not the place of a dead letter: it looks like identity/3/17, see `kairos deadletters list`", s)
}

// Filter chooses letters. Its zero value chooses all.
type Filter struct {
	Stage  string
	Reason string // the id, or a part of it
	Topic  string // of the original record
	Places []Place
}

// Validate says what is wrong with f.
func (f Filter) Validate() error {
	if f.Stage != "" && !stageExists(f.Stage) {
		return fmt.Errorf("there is no stage %q: choose one of %s", f.Stage, strings.Join(words(), ", "))
	}
	return nil
}

// IsZero reports whether f chooses all.
func (f Filter) IsZero() bool {
	return f.Stage == "" && f.Reason == "" && f.Topic == "" && len(f.Places) == 0
}

func (f Filter) chooses(l Letter) bool {
	return (f.Stage == "" || f.Stage == l.Stage) &&
		strings.Contains(l.Reason, f.Reason) &&
		(f.Topic == "" || f.Topic == l.Topic) &&
		(len(f.Places) == 0 || slices.Contains(f.Places, l.Place))
}

func words() []string {
	var all []string
	for _, s := range []topologies.Stage{topologies.Identity, topologies.Profile, topologies.Segment, topologies.Propensity, topologies.Destination} {
		all = append(all, s.Word)
	}
	return append(all, delivery.Word, ingest.Word)
}

func stageExists(word string) bool { return slices.Contains(words(), word) }

// List returns the letters that f chooses, by stage, partition and offset.
func List(ctx context.Context, client *cluster.Client, f Filter) ([]Letter, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	var letters []Letter
	for _, word := range words() {
		if f.Stage != "" && f.Stage != word {
			continue
		}
		stream := topologies.DeadLetters(word)
		err := client.Scan(ctx, stream.Name, cluster.EveryPartition, func(r *kgo.Record) error {
			if r.Value == nil { // removed with the person whom it was about
				return nil
			}
			dead, err := stream.Codec.Decode(r.Value)
			if err != nil {
				return fmt.Errorf("read the dead letter %s/%d/%d: %w", word, r.Partition, r.Offset, err)
			}
			if l := (Letter{Place{word, r.Partition, r.Offset}, *dead}); f.chooses(l) {
				letters = append(letters, l)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(letters, func(a, b Letter) int {
		return cmp.Or(slices.Index(words(), a.Stage)-slices.Index(words(), b.Stage),
			cmp.Compare(a.Place.Partition, b.Place.Partition), cmp.Compare(a.Place.Offset, b.Place.Offset))
	})
	return letters, nil
}

// NotResendableError says that a letter's message was no record of a topic, or
// that its bytes were not kept.
type NotResendableError struct{ Letter Letter }

func (e *NotResendableError) Error() string {
	l := e.Letter
	if l.Stage == ingest.Word {
		return fmt.Sprintf("dead letter %s: the bytes of %s were too many to be kept with it: let its owner write it again, smaller", l.Place, foreign.Place(l.Topic, l.Partition, l.Offset))
	}
	return fmt.Sprintf("dead letter %s is about %s of key %q, which was no record: mend its cause, then publish the definitions again, which recomputes every row",
		l.Place, l.Topic, l.Key)
}

// Reread makes the event of a record of others' topics, as [ingest.Ingester.Retry].
type Reread func(context.Context, *kgo.Record) (*kgo.Record, error)

// ErrNoReread says that letters of ingest were chosen, and nobody who could read
// their records.
var ErrNoReread = errors.New("dead letters of ingest are read again as its file says: give the one of `kairos ingest` with --ingest")

// again is what l's record is sent as; nil for what may not be taken in any more.
func again(ctx context.Context, l Letter, ring *keyring.Ring, reread Reread) (*kgo.Record, error) {
	switch {
	case l.Stage == ingest.Word && reread == nil:
		return nil, ErrNoReread
	case l.Stage == ingest.Word && len(l.Value) == 0, strings.HasPrefix(l.Topic, "("): // a wake or a sweep
		return nil, &NotResendableError{l}
	case l.Stage == ingest.Word:
		record, err := reread(ctx, &kgo.Record{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Key: l.Key, Value: l.Value})
		if err != nil {
			return nil, fmt.Errorf("dead letter %s is still refused: %w", l.Place, err)
		}
		return record, nil
	case l.Topic == topologies.Events.Name && l.Stage != delivery.Word:
		return door.Again(ring, l.Key, l.Value)
	}
	return &kgo.Record{Topic: l.Topic, Key: l.Key, Value: l.Value}, nil
}

// Resend puts the original records of letters on their topics again, all
// acknowledged when it returns, and says how many there were; for what was not
// delivered, today's record. It leaves out what is about people who were erased
// since. Nothing is sent if one of them cannot be. reread is for those of ingest;
// nil if there are none.
func Resend(ctx context.Context, client *cluster.Client, letters []Letter, reread Reread) (int, error) {
	ring, err := client.Ring(ctx)
	if err != nil {
		return 0, err
	}
	records := make([]*kgo.Record, len(letters))
	for i, l := range letters {
		if records[i], err = again(ctx, l, ring, reread); err != nil {
			return 0, err
		}
	}
	ahead, err := renew(ctx, client, letters, records)
	if err != nil {
		return 0, err
	}
	records = slices.DeleteFunc(records, func(r *kgo.Record) bool { return r == nil })
	producer, err := kgo.NewClient(append(client.Opts(),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(whereItWas)),
		kgo.ProducerBatchMaxBytes(topologies.MaxDeadLetterBatchBytes))...)
	if err != nil {
		return 0, fmt.Errorf("send dead letters again: %w", err)
	}
	defer producer.Close()
	if err := producer.ProduceSync(ctx, append(ahead, records...)...).FirstErr(); err != nil {
		return 0, fmt.Errorf("send dead letters again: %w", err)
	}
	return len(records), nil
}
