package main

import (
	"context"
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// A panel is so many pixels; what Grafana calls 24 columns is the picture's width.
const (
	column     = 54
	lineHeight = 32
	margin     = 8
	heading    = 44
	axis       = 62 // room for the values
	legend     = 15 // of one line
	mostLegend = 4
	footer     = 18 // for the times
)

// colours tell lines apart, also for who sees few.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#f0e442"}

// draw makes an SVG of a row.
func (s *shop) draw(ctx context.Context, r dashboardRow, begin, end time.Time) (string, error) {
	top, bottom := math.MaxInt, 0
	for _, p := range r.panels {
		top, bottom = min(top, p.GridPos.Y), max(bottom, p.GridPos.Y+p.GridPos.H)
	}
	var b strings.Builder
	width, height := 24*column, heading+(bottom-top)*lineHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Helvetica,Arial,sans-serif" font-size="11">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#f4f5f5"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="15" font-weight="bold" fill="#222">%s</text>`+"\n", margin, html.EscapeString(r.title))
	fmt.Fprintf(&b, `<text x="%d" y="36" fill="#555">%s</text>`+"\n", margin, html.EscapeString(s.caption()))
	for _, p := range r.panels {
		var lines []line
		for _, q := range p.Targets {
			found, err := s.ask(ctx, q, begin, end)
			if err != nil {
				return "", err
			}
			lines = append(lines, found...)
		}
		x, y := p.GridPos.X*column, heading+(p.GridPos.Y-top)*lineHeight
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n", x+margin/2, y+margin/2)
		p.draw(&b, lines, begin, end, p.GridPos.W*column-margin, p.GridPos.H*lineHeight-margin)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String(), nil
}

func (s *shop) caption() string {
	return fmt.Sprintf("One process and its Kafka on 2 cores, %d events a second of %d people; at one third of the time a new audience is published, at two thirds the process is killed and back after 10 s.", s.rate, s.config.people)
}

func (p panel) draw(b *strings.Builder, lines []line, begin, end time.Time, width, height int) {
	fmt.Fprintf(b, `<rect width="%d" height="%d" rx="3" fill="#fff" stroke="#ddd"/>`+"\n", width, height)
	size := min(12, 3*(width-16)/(2*len(p.Title))) // bold letters are at most two thirds as wide as they are high
	fmt.Fprintf(b, `<text x="8" y="17" font-size="%d" font-weight="bold" fill="#222">%s</text>`+"\n", size, html.EscapeString(p.Title))
	shown := min(len(lines), mostLegend)
	plot := box{axis, 28, float64(width - axis - 10), float64(height - 28 - footer - legend*((shown+1)/2) - 6)}
	top := p.scale(b, plot, lines)
	p.times(b, plot, begin, end)
	if len(lines) == 0 {
		fmt.Fprintf(b, `<text x="%.0f" y="%.0f" text-anchor="middle" fill="#888">none</text>`+"\n", plot.x+plot.w/2, plot.y+plot.h/2)
	}
	for i, l := range lines {
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-linejoin="round"/>`+"\n", plot.path(l, begin, end, top), colours[i%len(colours)])
	}
	for i := range shown {
		name := lines[i].name
		if i == mostLegend-1 && len(lines) > mostLegend {
			name = fmt.Sprintf("and %d more", len(lines)-mostLegend+1)
		}
		x, y := 10+(i%2)*(width/2-6), height-8-legend*((shown-1)/2-i/2)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="9" height="3" fill="%s"/><text x="%d" y="%d" font-size="10" fill="#333">%s</text>`+"\n",
			x, y-5, colours[i%len(colours)], x+13, y, html.EscapeString(shorten(name, width/13)))
	}
}

func shorten(name string, most int) string {
	if r := []rune(name); len(r) > most {
		return "…" + string(r[len(r)-most+1:])
	}
	return name
}

// box is where lines are drawn.
type box struct{ x, y, w, h float64 }

// path breaks where Prometheus has nothing.
func (p box) path(l line, begin, end time.Time, top float64) string {
	var b strings.Builder
	last := math.Inf(-1)
	for _, point := range l.points {
		if math.IsNaN(point[1]) || math.IsInf(point[1], 0) {
			continue
		}
		verb := "L"
		if point[0]-last > 1.5*step.Seconds() {
			verb = "M"
		}
		last = point[0]
		x := p.x + p.w*(point[0]-float64(begin.Unix()))/end.Sub(begin).Seconds()
		fmt.Fprintf(&b, "%s%.1f %.1f", verb, x, p.y+p.h*(1-point[1]/top))
	}
	return b.String()
}

// scale draws the values and says which one is at the top.
func (p panel) scale(b *strings.Builder, plot box, lines []line) float64 {
	most := 0.0
	for _, l := range lines {
		for _, point := range l.points {
			if !math.IsNaN(point[1]) && !math.IsInf(point[1], 0) {
				most = max(most, point[1])
			}
		}
	}
	each := round(most / 4)
	if p.FieldConfig.Defaults.Unit == "bytes" {
		each = math.Exp2(math.Ceil(math.Log2(max(most, 1) / 4)))
	}
	top := each * max(1, math.Ceil(most/each-1e-9))
	for v := 0.0; v <= top+each/2; v += each {
		y := plot.y + plot.h*(1-v/top)
		fmt.Fprintf(b, `<path d="M%.0f %.1fh%.0f" stroke="#eee"/><text x="%.0f" y="%.1f" text-anchor="end" fill="#555">%s</text>`+"\n", plot.x, y, plot.w, plot.x-6, y+4, worded(v, p.FieldConfig.Defaults.Unit))
	}
	return top
}

// round is 1, 2 or 5 times a power of ten, at least v.
func round(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= v*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}

// worded is a value in Grafana's units.
func worded(v float64, unit string) string {
	short := func(v float64, by float64, units ...string) string {
		i := 0
		for ; v >= by && i < len(units)-1; i++ {
			v /= by
		}
		return fmt.Sprintf("%.4g%s", v, units[i])
	}
	switch unit {
	case "s":
		if v > 0 && v < 1 {
			return fmt.Sprintf("%.4g ms", v*1000)
		}
		return fmt.Sprintf("%.4g s", v)
	case "bytes":
		return short(v, 1024, " B", " KiB", " MiB", " GiB")
	case "cps":
		return short(v, 1000, "/s", "k/s", "M/s")
	}
	return short(v, 1000, "", "k", "M")
}

func (p panel) times(b *strings.Builder, plot box, begin, end time.Time) {
	for at := begin.Truncate(time.Minute).Add(time.Minute); at.Before(end); at = at.Add(time.Minute) {
		x := plot.x + plot.w*at.Sub(begin).Seconds()/end.Sub(begin).Seconds()
		if x > plot.x+plot.w-10 { // its word would leave the panel
			break
		}
		fmt.Fprintf(b, `<path d="M%.1f %.1fv%.0f" stroke="#f3f3f3"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#555">%s</text>`+"\n",
			x, plot.y, plot.h, x, plot.y+plot.h+14, at.UTC().Format("15:04"))
	}
}
