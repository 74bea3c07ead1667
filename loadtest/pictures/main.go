// Pictures draws the dashboard of deploy/grafana from a real run: kairos on a
// real Kafka, a shop's people at its door, a third party that is told, invented
// people who are timed; Prometheus watches them all.
//
// In: nothing but Java, Maven and Prometheus (Debian: prometheus). Out: an SVG
// for each row of the dashboard, in deploy/pictures. Law: what is drawn is what
// Prometheus answers to the panels' own queries, no more.
//
//	go run ./loadtest/pictures
//
// Not here: what the panels ask (topologies); how fast kairos is (loadtest/load).
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

type config struct {
	people      int
	rate        int
	length      time.Duration
	dashboard   string
	definitions string
	out         string
	prometheus  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := config{}
	flag.IntVar(&c.people, "people", 20_000, "in the population")
	flag.IntVar(&c.rate, "rate", 400, "events a second")
	flag.DurationVar(&c.length, "length", 6*time.Minute, "of the run")
	flag.StringVar(&c.dashboard, "dashboard", "deploy/grafana/kairos.json", "what to draw")
	flag.StringVar(&c.definitions, "definitions", "loadtest/definitions", "folder of the definitions")
	flag.StringVar(&c.out, "out", "deploy/pictures", "folder of the pictures")
	flag.StringVar(&c.prometheus, "prometheus", "prometheus", "the program")
	flag.Parse()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	rows, err := readDashboard(c.dashboard)
	if err != nil {
		return err
	}
	s, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer s.close()
	begin := time.Now()
	if err := s.play(ctx); err != nil {
		return err
	}
	end := time.Now()
	slog.Info("played", "sent", s.sent, "told", s.told.Load())
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	for _, row := range rows {
		picture, err := s.draw(ctx, row, begin, end)
		if err != nil {
			return fmt.Errorf("row %s: %w", row.title, err)
		}
		if err := os.WriteFile(filepath.Join(c.out, row.file()), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}
