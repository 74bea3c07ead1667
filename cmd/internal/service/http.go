package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/door"
	"kairos/processors/host"
)

// AddressError says that an address cannot be listened at.
type AddressError struct {
	Flag string // that chooses the address
	Err  error
}

func (e *AddressError) Error() string { return e.Err.Error() }
func (e *AddressError) Unwrap() error { return e.Err }

// serve serves until ctx ends; then it lets requests finish before it closes
// what they need.
func serve(ctx context.Context, group *errgroup.Group, flag, address string, handler http.Handler, closing func()) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return &AddressError{flag, err}
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		defer closing()
		return server.Shutdown(last)
	})
	return nil
}

func doorHandler(d *door.Door, c *collector.Collector) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/events", d)
	mux.Handle("/", c)
	return mux
}

func (s *service) serveMetrics(ctx context.Context, group *errgroup.Group) error {
	if s.Metrics == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	for _, path := range []string{"GET /live", "GET /healthz"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	}
	for _, path := range []string{"GET /ready", "GET /readyz"} {
		mux.HandleFunc(path, s.readyz)
	}
	mux.HandleFunc("GET /startup", s.startup)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("POST /sweeps/hold", func(w http.ResponseWriter, r *http.Request) { s.holdSweeps(w, r, true) })
	mux.HandleFunc("POST /sweeps/resume", func(w http.ResponseWriter, r *http.Request) { s.holdSweeps(w, r, false) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return serve(ctx, group, "metrics", s.Metrics, mux, func() {})
}

func (s *service) metrics(w http.ResponseWriter, r *http.Request) {
	gatherers := prometheus.Gatherers{s.registry}
	if g := s.current.Load(); g != nil {
		gatherers = append(gatherers, g.registry)
	}
	promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// readyz is for whoever sends traffic or rolls releases: ready means that
// definitions are known and every host owns partitions with recovered rows.
func (s *service) readyz(w http.ResponseWriter, _ *http.Request) {
	waiting := ""
	switch g := s.current.Load(); {
	case s.plan.Load() == nil:
		waiting = "no definitions are published yet: `kairos apply -f DIR`"
	case s.Hosts && g == nil:
		waiting = "hosts are starting"
	case s.Hosts:
		waiting = g.pipeline.Ready()
	}
	if waiting != "" {
		http.Error(w, waiting, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// startup is for whoever kills what does not begin: it has begun once Kafka has
// told which definitions there are. Recovering rows may take longer, and who is
// killed for that begins anew for ever.
func (s *service) startup(w http.ResponseWriter, _ *http.Request) {
	if !s.began.Load() {
		http.Error(w, "Kafka has not told yet which definitions there are", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "started")
}

func (s *service) status(w http.ResponseWriter, _ *http.Request) {
	statuses := []host.Status{}
	if g := s.current.Load(); g != nil {
		statuses = g.pipeline.Statuses()
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(statuses) // the client went away: nobody to tell
}

// OperatorHeader must come with requests that change anything: no page in a
// browser can send it here.
const OperatorHeader = "Kairos-Operator"

// holdSweeps makes the sweeps of this process stand still, or go on, those of
// hosts that start within it later too.
func (s *service) holdSweeps(w http.ResponseWriter, r *http.Request, hold bool) {
	if r.Header.Get(OperatorHeader) == "" {
		http.Error(w, "the header "+OperatorHeader+" is missing", http.StatusForbidden)
		return
	}
	s.held.Store(hold)
	if g := s.current.Load(); g != nil {
		g.pipeline.HoldSweeps(hold)
	}
	s.Logger.Info("sweeps", "held", hold)
	s.status(w, r)
}
