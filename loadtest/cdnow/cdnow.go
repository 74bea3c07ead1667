// Package cdnow is a real shop's purchase log, carried within the binary:
// 69,659 purchases by 23,570 people from January 1997 to June 1998.
//
// In: nothing. Out: [Purchases], and [Days]: the same as events of kairos, day
// by day, in variants that must all lead to the same audiences. Laws: every
// line of the original is one purchase, repeats included; the same variant and
// seed give the same events in the same order.
//
// Where the data comes from: README.md. Not here: what to expect of an
// audience, see loadtest/judge; the feeding of events, see cmd/kairos.
package cdnow

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kairos/schemas"
)

//go:embed CDNOW_master.txt.gz
var compressed []byte

// Purchase is one line of the log.
type Purchase struct {
	Line     int // 1 is the first purchase; the header does not count
	Customer int
	Day      schemas.Instant // midnight, UTC
	CDs      int
	Cents    int // what was paid; 0 happens
}

// Purchases reads the log in its own order: by customer, then day.
func Purchases() ([]Purchase, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("read the purchases: %w", err)
	}
	lines := bufio.NewScanner(unzipped)
	lines.Scan() // the header
	var all []Purchase
	for lines.Scan() {
		p, err := parse(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("read the purchases: line %d: %w", len(all)+2, err)
		}
		p.Line = len(all) + 1
		all = append(all, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the purchases: %w", err)
	}
	return all, nil
}

// parse reads a line such as " 00002 19970112  5   77.00".
func parse(line string) (Purchase, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return Purchase{}, fmt.Errorf("%q has %d fields, not 4", line, len(fields))
	}
	customer, err := strconv.Atoi(fields[0])
	if err != nil {
		return Purchase{}, fmt.Errorf("customer: %w", err)
	}
	day, err := time.Parse("20060102", fields[1])
	if err != nil {
		return Purchase{}, fmt.Errorf("date: %w", err)
	}
	cds, err := strconv.Atoi(fields[2])
	if err != nil {
		return Purchase{}, fmt.Errorf("number of CDs: %w", err)
	}
	whole, hundredths, found := strings.Cut(fields[3], ".")
	if !found || len(hundredths) != 2 {
		return Purchase{}, fmt.Errorf("amount: %q is not dollars and two digits of cents", fields[3])
	}
	cents, err := strconv.Atoi(whole + hundredths)
	if err != nil {
		return Purchase{}, fmt.Errorf("amount: %w", err)
	}
	return Purchase{Customer: customer, Day: schemas.InstantOf(day), CDs: cds, Cents: cents}, nil
}
