// Package demo shows the whole of kairos in one process: an embedded broker,
// all five stages, the door, and a shop's real purchases of eighteen months,
// replayed in their own time; then one invented person, live.
//
// In: nothing, or a folder that an earlier demo filled. Out: a picture on the
// terminal, a [Summary]. State: in memory, or in that folder. Laws: the same
// stages, topics and definitions as in production; only the broker and the
// clock are others.
//
// Not here: how a replay against a real Kafka is run (cmd/kairos replay).
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"kairos/cmd/internal/board"
	"kairos/cmd/internal/feed"
	"kairos/cmd/internal/screen"
	"kairos/cmd/internal/tally"
	"kairos/loadtest/cdnow"
	"kairos/schemas"
)

// Config says what to show, and where.
type Config struct {
	Out        io.Writer // the picture and the story
	Live       bool      // Out is a terminal
	Width      func() int
	Log        *slog.Logger
	DataDir    string // "": in memory
	Door       string // address to listen at
	Command    string // by which this program is called
	Partitions int32
	Unchained  bool
	Days       int  // of the history; 0: all
	Stay       bool // tell the story and keep the door open until the context ends
}

// Summary is what a replay came to.
type Summary struct {
	Events      int           `json:"events"`
	People      int           `json:"people"`
	Audiences   []tally.Count `json:"audiences"`
	DeadLetters int           `json:"dead_letters"`
	Seconds     float64       `json:"seconds"`
}

// Run plays the demo.
func Run(ctx context.Context, c Config) (Summary, error) {
	w, err := open(ctx, c)
	if err != nil {
		return Summary{}, err
	}
	defer w.close()
	summary, err := w.play()
	if err == nil && c.Stay {
		err = w.stay()
	}
	return summary, w.because(err)
}

func (w *world) play() (Summary, error) {
	begin := time.Now()
	history, err := historyOf(w.config.Days)
	if err != nil {
		return Summary{}, err
	}
	fed, err := w.client.TickTime(w.ctx) // by an earlier demo, to the same folder
	if err != nil {
		return Summary{}, err
	}
	if err := w.replay(history, fed, begin); err != nil {
		return Summary{}, err
	}
	w.clock.set(max(history.end, w.pipeline.Time().Add(time.Second)))
	people, err := w.people()
	if err != nil {
		return Summary{}, err
	}
	letters, err := w.deadLetters()
	return Summary{
		Events: history.events(history.end), People: people, Audiences: w.tally.Counts(),
		DeadLetters: letters, Seconds: time.Since(begin).Seconds(),
	}, err
}

// history is a log of events by day, and how many there are until each.
type history struct {
	days       []feed.Day
	sums       []int
	start, end schemas.Instant
}

// historyOf reads the first n days of the purchases, 0 for all.
func historyOf(n int) (*history, error) {
	days, err := cdnow.Days(cdnow.Plain, 0)
	if err != nil {
		return nil, err
	}
	h := &history{}
	for day := range days {
		if h.start == 0 {
			h.start = day.Start
		}
		if n > 0 && day.Start >= h.start.Add(time.Duration(n)*24*time.Hour) {
			h.end = day.Start - 1 // this day's events are not told
			break
		}
		h.add(feed.Day{Events: day.Events, Until: day.Start})
		h.end = cdnow.End
	}
	h.add(feed.Day{Until: h.end})
	return h, nil
}

func (h *history) add(day feed.Day) {
	sum := len(day.Events)
	if len(h.sums) > 0 {
		sum += h.sums[len(h.sums)-1]
	}
	h.days, h.sums = append(h.days, day), append(h.sums, sum)
}

// events is how many events there are up to t.
func (h *history) events(t schemas.Instant) int {
	sum := 0
	for i, day := range h.days {
		if day.Until <= t {
			sum = h.sums[i]
		}
	}
	return sum
}

// replay feeds what follows in the history after a time and returns when
// everything is dealt with, showing how it goes.
func (w *world) replay(h *history, after schemas.Instant, begin time.Time) error {
	w.begins = h.start
	w.run("feed", func(ctx context.Context) error {
		_, err := w.feeder.Feed(ctx, func(yield func(feed.Day) bool) {
			for _, day := range h.days {
				if day.Until > after && !yield(day) {
					return
				}
			}
		}, w.keepPace)
		return err
	})
	picture := screen.New(w.config.Out, w.config.Width)
	if w.config.Live {
		defer picture.Done()
	}
	var last []tally.Count
	look, drawn := time.NewTicker(50*time.Millisecond), time.Time{}
	defer look.Stop()
	for {
		done, err := w.dealtWith(h.end)
		if err != nil {
			return err
		}
		if done || time.Since(drawn) >= board.Every(w.config.Live) {
			drawn = time.Now()
			state := w.board(h, begin)
			state.Before, last = last, state.Counts
			if w.config.Live {
				picture.Draw(board.Lines(state, true, w.config.Width()))
			} else {
				fmt.Fprintln(w.config.Out, board.Line(state))
			}
		}
		if done {
			return nil
		}
		select {
		case <-look.C:
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

// lookahead is how far the history may be fed ahead of the stages: far enough
// for them to work in large batches, near enough to see the months go by.
const lookahead = 60 * 24 * time.Hour

func (w *world) keepPace(day feed.Day) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		now := w.pipeline.Time()
		if now == 0 {
			now = w.begins
		}
		if day.Until <= now.Add(lookahead) {
			return w.ctx.Err()
		}
		select {
		case <-look.C:
		case <-w.ctx.Done():
			return w.ctx.Err()
		}
	}
}

func (w *world) board(h *history, begin time.Time) board.State {
	now := w.pipeline.Time()
	return board.State{
		Title: "a CD shop's purchases, replayed in their own time", From: h.start, To: h.end,
		Now: now, Events: h.events(now), People: w.rows(), Seconds: time.Since(begin).Seconds(), Counts: w.tally.Counts(),
	}
}
