package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"kairos/schemas"
)

// term is true of who did something so often within a window.
type term struct {
	event, property, value string
	window                 time.Duration
	count                  int
}

func (t term) matches(e *schemas.Event) bool {
	return e.Name == t.event && (t.property == "" || e.Properties.Get(t.property) == schemas.TextOf(t.value))
}

// expression is t as kairos reads it.
func (t term) expression() string {
	where := ""
	if t.property != "" {
		where = fmt.Sprintf(`.where(e, e.%s == "%s")`, t.property, t.value)
	}
	return fmt.Sprintf(`events("%s")%s.within("%dm").count() >= %d`, t.event, where, int(t.window.Minutes()), t.count)
}

// audience is those of whom all of some terms are true and none of others.
type audience struct {
	name      string
	all, none []int // numbers of terms
}

// job is the audiences.
type job struct {
	terms     []term
	audiences []audience
}

// twenty is what a shop asks: who looks, who left something in the cart, who
// bought and who went away; every condition has a window.
func twenty() *job {
	j := &job{}
	const day = 24 * time.Hour
	for _, category := range []string{"shoes", "coats", "books", "music", "garden"} {
		look := j.term("view", "category", category, 7*day, 3)
		buy := j.term("purchase", "category", category, 30*day, 1)
		j.audience("likes-"+category, []int{look}, nil)
		j.audience("wants-"+category, []int{look}, []int{buy})
	}
	bought := map[time.Duration]int{}
	for _, window := range []time.Duration{time.Hour, day, 7 * day} {
		bought[window] = j.term("purchase", "", "", window, 1)
		j.audience(fmt.Sprint("cart-", int(window.Hours())), []int{j.term("cart", "", "", window, 1)}, []int{bought[window]})
	}
	j.audience("browsing", []int{j.term("view", "", "", time.Hour, 2)}, nil)
	j.audience("busy", []int{j.term("view", "", "", day, 5)}, nil)
	j.audience("regular", []int{j.term("purchase", "", "", 30*day, 2)}, nil)
	for _, channel := range []string{"app", "web"} {
		j.audience("buys-by-"+channel, []int{j.term("purchase", "channel", channel, 14*day, 1)}, nil)
	}
	left := j.term("cancel", "", "", 30*day, 1)
	j.audience("win-back", []int{left}, []int{bought[7*day]})
	j.audience("unhappy", []int{left, j.term("refund", "", "", 30*day, 1)}, nil)
	return j
}

func (j *job) term(event, property, value string, window time.Duration, count int) int {
	j.terms = append(j.terms, term{event, property, value, window, count})
	return len(j.terms) - 1
}

func (j *job) audience(name string, all, none []int) {
	j.audiences = append(j.audiences, audience{name, all, none})
}

const shop = `kind: profile
timeline: 20
duplicate_window: 24h
---
kind: event
name: view
fields: {category: text, price: number}
---
kind: event
name: cart
fields: {category: text, price: number}
---
kind: event
name: purchase
fields: {amount: number, category: text, channel: text}
---
kind: event
name: refund
fields: {amount: number}
---
kind: event
name: cancel
fields: {channel: text}
---
kind: event
name: login
fields: {}
`

// writeDefinitions writes the audiences for kairos.
func (j *job) writeDefinitions(file string) error {
	var b strings.Builder
	b.WriteString(shop)
	for _, a := range j.audiences {
		var parts []string
		for _, t := range a.all {
			parts = append(parts, j.terms[t].expression())
		}
		for _, t := range a.none {
			parts = append(parts, "!("+j.terms[t].expression()+")")
		}
		fmt.Fprintf(&b, "---\nkind: audience\nname: %s\nwhen: '%s'\n", a.name, strings.Join(parts, " && "))
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// writeRules writes them for everybody else, a line a term or an audience,
// fields separated by tabs.
func (j *job) writeRules(file string) error {
	var b strings.Builder
	for _, t := range j.terms {
		fmt.Fprintf(&b, "term\t%s\t%s\t%s\t%d\t%d\n", t.event, t.property, t.value, t.window.Milliseconds(), t.count)
	}
	for _, a := range j.audiences {
		fmt.Fprintf(&b, "audience\t%s\t%s\t%s\n", a.name, list(a.all), list(a.none))
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

func list(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}
