package host

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gokaLogger passes on what Goka says.
type gokaLogger struct{ *slog.Logger }

// Print implements goka.Logger.
func (l gokaLogger) Print(words ...any) { l.Debug("goka: " + fmt.Sprint(words...)) }

// Println implements goka.Logger.
func (l gokaLogger) Println(words ...any) { l.Debug("goka: " + fmt.Sprint(words...)) }

// Printf implements goka.Logger.
func (l gokaLogger) Printf(format string, args ...any) {
	l.Debug("goka: " + fmt.Sprintf(format, args...))
}

// kafkaLogger passes on what franz-go says. Its notes on each transaction
// belong to debugging.
type kafkaLogger struct{ *slog.Logger }

// Level implements kgo.Logger.
func (l kafkaLogger) Level() kgo.LogLevel {
	switch {
	case l.Enabled(context.Background(), slog.LevelDebug):
		return kgo.LogLevelInfo
	case l.Enabled(context.Background(), slog.LevelWarn):
		return kgo.LogLevelWarn
	default:
		return kgo.LogLevelError
	}
}

// Log implements kgo.Logger.
func (l kafkaLogger) Log(level kgo.LogLevel, message string, pairs ...any) {
	switch level {
	case kgo.LogLevelError, kgo.LogLevelWarn:
		l.Warn("kafka: "+message, pairs...)
	default:
		l.Debug("kafka: "+message, pairs...)
	}
}
