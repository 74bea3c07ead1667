package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// senders and askers are how many requests are on their way at most. Who waits
// for a place waits on the clock of the request.
const senders, askers = 64, 64

// times are how long requests took from when they were due, those of quiet times
// apart. It is safe for concurrent use.
type times struct {
	lock          sync.Mutex
	quiet, others []time.Duration
	failed        int // in quiet times
	failedOthers  int
}

func (t *times) add(took time.Duration, quiet, well bool) {
	t.lock.Lock()
	defer t.lock.Unlock()
	switch {
	case well && quiet:
		t.quiet = append(t.quiet, took)
	case well:
		t.others = append(t.others, took)
	case quiet:
		t.failed++
	default:
		t.failedOthers++
	}
}

// load is what comes in and what is asked.
type load struct {
	config
	kairos   *instance
	client   *http.Client
	ledger   *ledger
	sending  times
	asking   times
	repeated int // requests that had to be sent again
	lock     sync.Mutex
}

func newLoad(c config, k *instance) *load {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = senders + askers
	return &load{config: c, kairos: k, ledger: newLedger(c.people), client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// due calls f for each number at its time, with so many at once, until all are done.
func due(ctx context.Context, all int, every time.Duration, atOnce int, f func(i int, at time.Time) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	begun, numbers := time.Now(), make(chan int, all)
	at := func(i int) time.Time { return begun.Add(time.Duration(i) * every) }
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := range numbers {
				if ctx.Err() != nil {
					return
				}
				if err := f(i, at(i)); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < all && ctx.Err() == nil; i++ {
		time.Sleep(time.Until(at(i)))
		numbers <- i
	}
	close(numbers)
	group.Wait()
	return context.Cause(ctx)
}

func (l *load) send(ctx context.Context) error {
	requests := int(l.length.Seconds() * float64(l.rate) / float64(l.batch))
	return due(ctx, requests, l.length/time.Duration(requests), senders, func(i int, at time.Time) error {
		r, err := requestOf(i, l.config)
		if err != nil {
			return err
		}
		for tries := 0; ; tries++ {
			again, err := l.post(ctx, r)
			if err != nil {
				return err
			}
			if again == 0 {
				l.ledger.add(r.deeds)
				l.sending.add(time.Since(at), l.kairos.quiet(at), true)
				return nil
			}
			if tries == 0 {
				l.lock.Lock()
				l.repeated++
				l.lock.Unlock()
			}
			select {
			case <-time.After(again/2 + rand.N(again)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// post sends a request once. again is after how long it must be sent again; 0 if
// it is acknowledged. An answer that no sender could mend is an error.
func (l *load) post(ctx context.Context, r request) (again time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.kairos.door+r.path, bytes.NewReader(r.body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return 100 * time.Millisecond, ctx.Err() // it is away, or broke off
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch {
	case response.StatusCode == http.StatusOK && err == nil:
		return 0, nil
	case err != nil:
		return 100 * time.Millisecond, ctx.Err()
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return max(time.Duration(seconds)*time.Second, 100*time.Millisecond), nil
	}
	return 0, fmt.Errorf("%s answers %s: %s", r.path, response.Status, said)
}

// ask asks for people of whom something was acknowledged.
func (l *load) ask(ctx context.Context) error {
	if l.asks == 0 {
		return nil
	}
	all := int(l.length.Seconds() * float64(l.asks))
	return due(ctx, all, l.length/time.Duration(all), askers, func(i int, at time.Time) error {
		person := l.ledger.known(rand.New(rand.NewPCG(uint64(i), 2)).IntN(l.people))
		if person < 0 {
			return nil
		}
		status, err := l.get(ctx, "/v1/profiles/anonymous_id/"+device(person))
		// What was acknowledged this instant may not have reached its profile.
		well := err == nil && (status == http.StatusOK || status == http.StatusNotFound)
		l.asking.add(time.Since(at), l.kairos.quiet(at), well)
		return ctx.Err()
	})
}

func (l *load) get(ctx context.Context, path string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.kairos.api+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
