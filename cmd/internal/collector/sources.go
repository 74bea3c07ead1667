package collector

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kairos/cmd/internal/credential"
	"kairos/cmd/internal/door"
	"kairos/schemas"
)

// Sources are who may send, by their write keys, as a file says. nil lets
// everybody in.
type Sources struct {
	path  string
	byKey atomic.Pointer[map[credential.Hash]*source]
}

type source struct {
	name      string
	scopes    []string
	perSecond float64 // calls; 0: no limit

	lock  sync.Mutex
	saved float64 // calls that may come at once
	at    schemas.Instant
}

// burst is how many seconds' worth of calls a source may save up, and so send
// at once.
const burst = 10

// spend takes n calls out of what the source has saved.
func (s *source) spend(n int, now schemas.Instant) bool {
	if s.perSecond == 0 {
		return true
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.at != 0 {
		s.saved += s.perSecond * max(0, float64(now-s.at)/1000)
	}
	if most := s.perSecond * burst; s.at == 0 || s.saved > most {
		s.saved = most
	}
	s.at = now
	if s.saved < float64(n) {
		return false
	}
	s.saved -= float64(n)
	return true
}

// What a write key may be good for. That of a page is in everybody's hands, and is
// to say no more than a page may.
const (
	scopeSDK    = "sdk"    // the calls of SDKs
	scopeEvents = "events" // POST /v1/events
)

var scopes = []string{scopeSDK, scopeEvents}

// file is a list of sources as it is written:
//
//	sources:
//	  - name: web
//	    write_keys: [sha256 of the key in hexadecimal, and of the one that follows it]
//	    scopes: [sdk]
//	    events_per_second: 500
type file struct {
	Sources []struct {
		Name      string   `yaml:"name"`
		WriteKeys []string `yaml:"write_keys"`
		Scopes    []string `yaml:"scopes"` // without: sdk
		PerSecond float64  `yaml:"events_per_second"`
	} `yaml:"sources"`
}

// ReadSources reads a file of sources. Two keys of one source are how a key is
// changed without a gap: add the new one, change the senders, take the old one out.
func ReadSources(path string) (*Sources, error) {
	s := &Sources{path: path}
	return s, s.read()
}

// Follow lets the file say anew who may send whenever it changes, until ctx ends.
// A file that is wrong changes nothing, and complain hears why.
func (s *Sources) Follow(ctx context.Context, every time.Duration, complain func(error)) error {
	return credential.Follow(ctx, s.path, every, s.read, complain)
}

func (s *Sources) read() error {
	path := s.path
	var f file
	if err := credential.Read(path, &f); err != nil {
		return err
	}
	byKey := map[credential.Hash]*source{}
	for i, entry := range f.Sources {
		if entry.Name == "" || len(entry.WriteKeys) == 0 || entry.PerSecond < 0 {
			return fmt.Errorf("%s: source %d needs a name, write_keys, and events_per_second of 0 (no limit) or more", path, i+1)
		}
		for _, scope := range entry.Scopes {
			if !slices.Contains(scopes, scope) {
				return fmt.Errorf("%s: source %s has the scope %q: there are %s", path, entry.Name, scope, strings.Join(scopes, " and "))
			}
		}
		if len(entry.Scopes) == 0 {
			entry.Scopes = []string{scopeSDK}
		}
		one := &source{name: entry.Name, scopes: entry.Scopes, perSecond: entry.PerSecond}
		for _, text := range entry.WriteKeys {
			key, err := credential.Parse(text)
			if err != nil {
				return fmt.Errorf("%s: a write key of source %s %w", path, entry.Name, err)
			}
			if other := byKey[key]; other != nil {
				return fmt.Errorf("%s: sources %s and %s have the same write key: each needs its own", path, other.name, entry.Name)
			}
			byKey[key] = one
		}
	}
	if len(byKey) == 0 {
		return fmt.Errorf("%s: there is no source in it", path)
	}
	s.byKey.Store(&byKey)
	return nil
}

// admit finds the source of a write key and lets n calls of it in, if the key is
// good for the scope.
func (s *Sources) admit(key, scope string, n int, now schemas.Instant) (string, error) {
	if s == nil {
		return "sdk", nil
	}
	one := (*s.byKey.Load())[credential.Of(key)]
	switch {
	case one == nil:
		return "", &door.Refusal{Status: http.StatusUnauthorized, Say: "this write key is not known here: give a source's, as the user of Basic authentication or, with an SDK, as writeKey"}
	case !slices.Contains(one.scopes, scope):
		return "", &door.Refusal{Status: http.StatusForbidden, Say: "source " + one.name + " does not have the scope " + scope}
	case !one.spend(n, now):
		return "", &door.Refusal{Status: http.StatusTooManyRequests, Say: "more calls than source " + one.name + " may send: slow down"}
	}
	return one.name, nil
}

// Guard lets in at the door of events whoever shows a write key with the scope for
// it. Of no sources it is nil: everybody may.
func (s *Sources) Guard(clock func() schemas.Instant) door.Guard {
	if s == nil {
		return nil
	}
	return func(r *http.Request, events int) (string, error) {
		key, _, _ := r.BasicAuth()
		return s.admit(key, scopeEvents, events, clock())
	}
}
