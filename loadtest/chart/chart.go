// Package chart draws lines over places side by side, as SVG.
//
// In: names and numbers. Out: the text of a picture. Law: the same numbers give the
// same bytes.
//
// Not here: which figures there are (loadtest/bench, loadtest/scale); pictures of the
// dashboard (loadtest/pictures).
package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Chart is one figure: a line for each series over places side by side.
type Chart struct {
	Title  string
	Unit   string   // of the values
	Across string   // what lies along the bottom
	Places []string // its labels
	Series []Series
}

// Series is a line; NaN where nothing was measured.
type Series struct {
	Name   string
	Values []float64
}

// Sizes in pixels.
const (
	chartWidth, chartHeight                    = 720, 360
	marginLeft, marginRight                    = 64, 176 // the right one holds the names
	marginTop, marginBottom                    = 44, 64
	plotWidth                                  = chartWidth - marginLeft - marginRight
	plotHeight                                 = chartHeight - marginTop - marginBottom
	gridLines                                  = 5
	labelPixels, letterPixels, markerHalfWidth = 12, 8, 4
)

// colours keep apart for most who see some badly (Okabe and Ito's); markers
// differ besides.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"}

// SVG draws c.
func (c *Chart) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s" font-family="sans-serif" font-size="12">`+"\n",
		chartWidth, chartHeight, chartWidth, chartHeight, html.EscapeString(c.Title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, chartHeight)
	c.text(&b, marginLeft, 22, "start", "#222222", ` font-size="15" font-weight="bold"`, c.Title)
	top := niceTop(c.most())
	c.grid(&b, top)
	c.bottom(&b)
	for i, s := range c.Series {
		c.line(&b, i, s, top)
	}
	c.names(&b, top)
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *Chart) text(b *strings.Builder, x, y float64, anchor, colour, more, text string) {
	fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="%s" fill="%s"%s>%s</text>`+"\n", pixel(x), pixel(y), anchor, colour, more, html.EscapeString(text))
}

func (c *Chart) most() (most float64) {
	for _, s := range c.Series {
		for _, v := range s.Values {
			if v > most { // NaN is not
				most = v
			}
		}
	}
	return most
}

// niceTop is the least of 1, 1.5, 2, 3, 5, 7.5 and 10 times a power of ten that
// is not below most.
func niceTop(most float64) float64 {
	if !(most > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, n := range []float64{1, 1.5, 2, 3, 5, 7.5} {
		if most <= n*power {
			return n * power
		}
	}
	return 10 * power
}

func (c *Chart) grid(b *strings.Builder, top float64) {
	for i := range gridLines + 1 {
		value := top * float64(i) / gridLines
		y := c.y(value, top)
		fmt.Fprintf(b, `<line x1="%d" y1="%s" x2="%d" y2="%s" stroke="#dddddd"/>`+"\n", marginLeft, pixel(y), marginLeft+plotWidth, pixel(y))
		c.text(b, marginLeft-6, y+4, "end", "#555555", "", number(value))
	}
	c.text(b, marginLeft, marginTop-8, "start", "#555555", "", c.Unit)
}

// bottom labels the places; of many the last, and before it as many as have room.
func (c *Chart) bottom(b *strings.Builder) {
	widest := 0
	for _, place := range c.Places {
		widest = max(widest, len(place))
	}
	room := max(1, plotWidth/((widest+1)*letterPixels))
	every := (len(c.Places) + room - 1) / room
	for i, place := range c.Places {
		if (len(c.Places)-1-i)%every == 0 {
			c.text(b, c.x(i), marginTop+plotHeight+18, "middle", "#555555", "", place)
		}
	}
	c.text(b, marginLeft+plotWidth/2, chartHeight-14, "middle", "#555555", "", c.Across)
}

func (c *Chart) line(b *strings.Builder, i int, s Series, top float64) {
	colour := colours[i%len(colours)]
	var points []string
	flush := func() {
		if len(points) > 1 {
			fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
		}
		points = nil
	}
	for place, v := range s.Values {
		if math.IsNaN(v) {
			flush()
			continue
		}
		points = append(points, pixel(c.x(place))+","+pixel(c.y(v, top)))
	}
	flush()
	for place, v := range s.Values {
		if !math.IsNaN(v) {
			marker(b, i, c.x(place), c.y(v, top), colour, s.Name+", "+c.Places[place]+": "+number(v)+" "+c.Unit)
		}
	}
}

// marker has a shape of its own for each series, and says its value to whoever
// points at it.
func marker(b *strings.Builder, i int, x, y float64, colour, says string) {
	const h = markerHalfWidth
	says = "<title>" + html.EscapeString(says) + "</title>"
	switch i % 3 {
	case 0:
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="%d" fill="%s">%s</circle>`+"\n", pixel(x), pixel(y), h, colour, says)
	case 1:
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%d" height="%d" fill="%s">%s</rect>`+"\n", pixel(x-h), pixel(y-h), 2*h, 2*h, colour, says)
	default:
		fmt.Fprintf(b, `<polygon points="%s,%s %s,%s %s,%s" fill="%s">%s</polygon>`+"\n", pixel(x), pixel(y-h-1), pixel(x+h+1), pixel(y+h), pixel(x-h-1), pixel(y+h), colour, says)
	}
}

// names stand at the right, each as near to the end of its line as the others
// let it.
func (c *Chart) names(b *strings.Builder, top float64) {
	y := make([]float64, len(c.Series))
	for i, s := range c.Series {
		y[i] = marginTop + plotHeight
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				y[i] = c.y(v, top)
			}
		}
	}
	for _, i := range spread(y, labelPixels+3, marginTop+plotHeight) {
		marker(b, i, marginLeft+plotWidth+14, y[i], colours[i%len(colours)], c.Series[i].Name)
		c.text(b, marginLeft+plotWidth+24, y[i]+4, "start", "#222222", "", c.Series[i].Name)
	}
}

// spread moves heights apart, upwards from the lowest, and returns their order.
func spread(y []float64, gap, lowest float64) []int {
	order := make([]int, len(y))
	for i := range order {
		order[i] = i
	}
	for i := range order { // few: the simplest sort that keeps equals in their order
		for j := i; j > 0 && y[order[j]] > y[order[j-1]]; j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
	for _, i := range order {
		y[i] = min(y[i], lowest)
		lowest = y[i] - gap
	}
	return order
}

func (c *Chart) x(place int) float64 {
	if len(c.Places) == 1 {
		return marginLeft + plotWidth/2
	}
	return marginLeft + plotWidth*float64(place)/float64(len(c.Places)-1)
}

func (c *Chart) y(v, top float64) float64 { return marginTop + plotHeight*(1-v/top) }

func pixel(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// number shows a value in at most four digits or so.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', 1, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + "k"
	case v >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
