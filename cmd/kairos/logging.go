package main

import "log/slog"

// logging says how what runs for long writes its log.
type logging struct {
	Verbose bool   `short:"v" help:"Log more."`
	Log     string `enum:"text,json" default:"text" help:"How lines of the log are written, text or json (${default})."`
}

func (l logging) logger(p *process) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if l.Verbose {
		options.Level = slog.LevelDebug
	}
	if l.Log == "json" {
		return slog.New(slog.NewJSONHandler(p.err, options))
	}
	return slog.New(slog.NewTextHandler(p.err, options))
}
