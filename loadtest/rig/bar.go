package rig

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Bar shows how far a long part of a measurement has come: on a terminal in one
// line that is written over, elsewhere in a line every ten seconds. A nil Bar
// shows nothing.
type Bar struct {
	out      *os.File
	terminal bool
	what     string
	begun    time.Time
	shown    time.Time
}

// NewBar shows progress on out.
func NewBar(out *os.File) *Bar {
	info, err := out.Stat()
	return &Bar{out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Show says that so many of all are done.
func (b *Bar) Show(what string, done, all int64) {
	if b == nil {
		return
	}
	now := time.Now()
	if what != b.what {
		b.end()
		b.what, b.begun, b.shown = what, now, now
	}
	pause := 10 * time.Second
	if b.terminal {
		pause = 200 * time.Millisecond
	}
	if now.Sub(b.shown) < pause || all <= 0 {
		return
	}
	b.shown = now
	line := barText(what, done, all, now.Sub(b.begun))
	if b.terminal {
		line = "\r" + line + "\x1b[K"
	} else {
		line += "\n"
	}
	fmt.Fprint(b.out, line)
}

// end leaves the last line of a part where it is.
func (b *Bar) end() {
	if b.terminal && b.what != "" {
		fmt.Fprintln(b.out)
	}
}

// End ends the last part.
func (b *Bar) End() {
	if b != nil {
		b.end()
		b.what = ""
	}
}

func barText(what string, done, all int64, took time.Duration) string {
	const width = 30
	done = min(max(done, 0), all)
	full := int(width * done / all)
	left := "?"
	if done > 0 {
		left = time.Duration(float64(took) * float64(all-done) / float64(done)).Round(time.Second).String()
	}
	return fmt.Sprintf("%-22s [%s%s] %3d %%  %d of %d, %s left", what, strings.Repeat("#", full), strings.Repeat(".", width-full), 100*done/all, done, all, left)
}
