package foreign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// Known are the schemas that are known: of a folder, and of a registry, which
// is asked once for each. It is safe for concurrent use.
type Known struct {
	folder   map[string]*Schema // by the name of the file without .avsc: a topic's own
	registry *sr.Client         // nil: none
	failures func(error)        // hears that the registry did not answer

	lock    sync.Mutex
	byName  map[reference]*found
	unknown int // answers that there is no such schema, since they were forgotten
	news    chan struct{}
}

// reference is how a record names its schema: by the registry's id, or by the
// fingerprint.
type reference struct {
	id          int
	fingerprint [8]byte
}

// found is what became of a reference.
type found struct {
	schema *Schema
	reason error     // why there is no schema, for good
	since  time.Time // of a reason: it is asked again after a while
	asking bool
}

// ErrPending says that a schema is still being asked for.
var ErrPending = errors.New("the registry has not answered yet")

// UnknownSchemaError says that nobody knows the schema of a record.
type UnknownSchemaError struct{ What string }

func (e *UnknownSchemaError) Error() string { return e.What }

// NewKnown reads the schemas of a folder (nil: none) and gets the others from a
// registry, if there is one. failures hears of each time that the registry did
// not answer.
func NewKnown(folder fs.FS, from Registry, failures func(error)) (*Known, error) {
	k := &Known{folder: map[string]*Schema{}, byName: map[reference]*found{}, failures: failures, news: make(chan struct{}, 1)}
	if folder != nil {
		if err := fs.WalkDir(folder, ".", k.add(folder)); err != nil {
			return nil, err
		}
	}
	if from == (Registry{}) {
		return k, nil
	}
	registry, err := from.client(10 * time.Second)
	k.registry = registry
	return k, err
}

func (k *Known) add(folder fs.FS) fs.WalkDirFunc {
	return func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".avsc" {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		s, err := ParseSchema(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		k.folder[strings.TrimSuffix(path.Base(name), ".avsc")] = s
		k.byName[reference{fingerprint: s.Fingerprint()}] = &found{schema: s}
		return nil
	}
}

// Try asks the registry, if there is one, for what it has. The error says the
// next move.
func (k *Known) Try(ctx context.Context) (subjects int, there bool, err error) {
	if k.registry == nil {
		return 0, false, nil
	}
	all, err := k.registry.Subjects(ctx)
	return len(all), true, explain(err)
}

// Of is the schema that a file of the folder holds for a topic; nil if none.
func (k *Known) Of(topic string) *Schema { return k.folder[topic] }

// News tells that a schema which was asked for has been answered.
func (k *Known) News() <-chan struct{} { return k.news }

// again is how long an answer of "no such schema" holds: registries are copied
// to each other, and what is not there may come.
const again = 10 * time.Second

// Find gives the schema of a reference: at once if it is known. What the
// registry has yet to say is asked for beside, and the error is [ErrPending];
// what it says that there is not is an [UnknownSchemaError].
func (k *Known) find(ctx context.Context, r reference) (*Schema, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	f := k.byName[r]
	switch {
	case f == nil && k.registry == nil:
		return nil, &UnknownSchemaError{r.String() + " is in no file of the folder of schemas, and no registry is given"}
	case f == nil:
		k.forget()
		f = &found{}
		k.byName[r] = f
	case f.schema != nil:
		return f.schema, nil
	case f.reason != nil && time.Since(f.since) < again:
		return nil, f.reason
	}
	if !f.asking {
		f.asking, f.reason = true, nil
		go k.ask(ctx, r, f)
	}
	return nil, ErrPending
}

// mostUnknown is how many references nobody knows are remembered.
const mostUnknown = 1_000

// forget makes room: whoever writes to a topic can name schemas without end that
// nobody knows. They are asked for again should they come again.
func (k *Known) forget() {
	if k.unknown < mostUnknown {
		return
	}
	maps.DeleteFunc(k.byName, func(_ reference, f *found) bool { return f.reason != nil && !f.asking })
	k.unknown = 0
}

func (r reference) String() string {
	if r.id != 0 {
		return fmt.Sprintf("schema %d", r.id)
	}
	return fmt.Sprintf("the schema with fingerprint %x", r.fingerprint)
}

// The pauses between tries to reach the registry.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 30 * time.Second
)

// ask asks the registry until it answers.
func (k *Known) ask(ctx context.Context, r reference, f *found) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		schema, reason, err := k.fetch(ctx, r)
		if err == nil {
			k.lock.Lock()
			if f.schema, f.reason, f.since, f.asking = schema, reason, time.Now(), false; reason != nil {
				k.unknown++
			}
			k.lock.Unlock()
			k.tell()
			return
		}
		k.failures(explain(err))
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			k.lock.Lock()
			f.asking = false
			k.lock.Unlock()
			k.tell() // whoever waits for the answer must ask anew
			return
		}
	}
}

func (k *Known) tell() {
	select {
	case k.news <- struct{}{}:
	default:
	}
}

// fetch asks once. reason is the registry's no, err that it gave no answer.
func (k *Known) fetch(ctx context.Context, r reference) (schema *Schema, reason, err error) {
	if r.id == 0 {
		return k.fetchAll(ctx, r)
	}
	answer, err := k.registry.SchemaByID(ctx, r.id)
	if refused(err) {
		return nil, &UnknownSchemaError{fmt.Sprintf("the registry has no schema %d: register it, then resend", r.id)}, nil
	} else if err != nil {
		return nil, nil, err
	}
	schema, reason, err = k.parse(ctx, answer)
	if reason != nil {
		reason = &UnknownSchemaError{fmt.Sprintf("schema %d of the registry %v", r.id, reason)}
	}
	return schema, reason, err
}

// fetchAll looks through all schemas of the registry for a fingerprint, which
// registries do not know.
func (k *Known) fetchAll(ctx context.Context, r reference) (schema *Schema, reason, err error) {
	subjects, err := k.registry.Subjects(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, subject := range subjects {
		versions, err := k.registry.Schemas(ctx, subject)
		if refused(err) {
			continue // deleted since
		} else if err != nil {
			return nil, nil, err
		}
		for _, version := range versions {
			candidate, _, err := k.parse(ctx, version.Schema)
			if err != nil {
				return nil, nil, err
			}
			if candidate != nil && candidate.Fingerprint() == r.fingerprint {
				return candidate, nil, nil
			}
		}
	}
	return nil, &UnknownSchemaError{r.String() + " is neither in the folder of schemas nor in the registry: put it there, then resend"}, nil
}

// refused reports whether err is the registry's word that there is no such
// thing, rather than trouble with the registry or the way to it.
func refused(err error) bool {
	var said *sr.ResponseError
	return errors.As(err, &said) && said.StatusCode == http.StatusNotFound && said.ErrorCode != 0
}

// parse reads a schema of the registry, with those that it refers to.
func (k *Known) parse(ctx context.Context, s sr.Schema) (schema *Schema, reason, err error) {
	if s.Type != sr.TypeAvro {
		return nil, errors.New("is not an Avro schema"), nil
	}
	cache, done := &avro.SchemaCache{}, map[string]bool{}
	if reason, err := k.parseReferences(ctx, cache, done, s.References); reason != nil || err != nil {
		return nil, reason, err
	}
	schema, reason = parseWith(cache, s.Schema)
	return schema, reason, nil
}

func (k *Known) parseReferences(ctx context.Context, cache *avro.SchemaCache, done map[string]bool, references []sr.SchemaReference) (reason, err error) {
	for _, r := range references {
		name := fmt.Sprintf("%s/%d", r.Subject, r.Version)
		if done[name] {
			continue
		}
		done[name] = true
		referred, err := k.registry.SchemaByVersion(ctx, r.Subject, r.Version)
		if refused(err) {
			return fmt.Errorf("refers to version %d of %s, which is not there", r.Version, r.Subject), nil
		} else if err != nil {
			return nil, err
		}
		if reason, err := k.parseReferences(ctx, cache, done, referred.References); reason != nil || err != nil {
			return reason, err
		}
		if _, err := parseWith(cache, referred.Schema.Schema); err != nil {
			return fmt.Errorf("refers to version %d of %s, which %w", r.Version, r.Subject, err), nil
		}
	}
	return nil, nil
}
