package service

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"kairos/loadtest/loopback"
)

// The end comes while a request is on its way: nobody else is let in, it is
// answered, and only then goes what it needs.
func TestWhatIsOnItsWayIsAnsweredBeforeTheEnd(t *testing.T) {
	address, err := loopback.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	arrived, goesOn, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-goesOn
		select {
		case <-closed:
			t.Error("what it needs has gone before it")
		default:
		}
		_, _ = io.WriteString(w, "taken")
	})
	if err := serve(ctx, group, "door", address, slow, func() { close(closed) }); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+address, "text/plain", nil)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		answered <- string(body)
	}()
	<-arrived
	stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for range again.C {
		other, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		other.Close()
	}
	close(goesOn)
	if got := <-answered; got != "taken" {
		t.Errorf("it is answered %q", got)
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	<-closed
}
