package capacity

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Text is the plan for people.
func (p Plan) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	l := p.Load
	for _, row := range [][3]string{
		{"kairos", count(p.Cores) + " cores", fmt.Sprintf("%.0f us an event, %s events/s", p.MicrosPerEvent, count(l.Events))},
		{"", count(p.Processes) + " processes", fmt.Sprintf("of %.0f cores and %s of memory", l.CoresEach, bytes(p.MemoryEach))},
		{"", count(p.Partitions) + " partitions", fmt.Sprintf("of %s rows; a process that lost its disk recovers in %.0f s", count(p.RowsEach), p.RecoverySeconds)},
		{"Kafka", count(p.BrokerCores) + " cores", fmt.Sprintf("%.0f replicas", l.Replicas)},
		{"", bytes(p.NetworkIn) + "/s in", "producers and followers"},
		{"", bytes(p.NetworkOut) + "/s out", "followers and stages; destinations' readers come on top"},
		{"", bytes(p.LogBytes) + " of log", fmt.Sprintf("events of %.0f days", l.DaysOfLog)},
		{"", bytes(p.StateBytes) + " of tables", count(l.People) + " people"},
	} {
		fmt.Fprintf(w, "%s\t%s\t%s\n", row[0], row[1], row[2])
	}
	fmt.Fprint(w, "\nwhat breaks first\tused\t\twhat lifts it\n")
	for _, limit := range p.Limits {
		fmt.Fprintf(w, "%s\t%.0f %%\t%s\t%s\n", limit.What, 100*limit.Used, limit.Shape, limit.Lift)
	}
	fmt.Fprintf(w, "\n%.0f partitions, if the k-th of the people has 1/k^s of the first's events\tbusiest\tp99\tleast\tbusiest process\tone person's events\ta core of the busiest\tholds up to\n", p.Partitions)
	for _, s := range p.Skews {
		fmt.Fprintf(w, "s = %g\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%.0f %%\t%s events/s\n", s.Exponent, s.Busiest, s.Ninetyninth, s.Least, s.Process,
			share(s.Hottest), 100*s.Core, count(s.Bearable))
	}
	fmt.Fprint(w, "\nwhen members come and go\tpartitions move\tto one at most\trows are read in\tan event waits at most\tcaught up after\n")
	for _, r := range p.Rebalances {
		caught := seconds(r.CaughtUp)
		if r.CaughtUp < 0 {
			caught = "never: no core is left"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", r.What, r.Moved, r.Most, seconds(r.Recovery), seconds(r.Wait), caught)
	}
	w.Flush()
	b.WriteString("\nassumed\n")
	for _, a := range p.Assumptions {
		fmt.Fprintf(&b, "  %s\n", a)
	}
	return b.String()
}

// count shows a number with at most four digits.
func count(n float64) string { return scaled(n, "", "k", "M", "G", "T") }

func seconds(n float64) string { return fmt.Sprintf("%.1f s", n) }

func share(n float64) string { return fmt.Sprintf("%.2g %%", 100*n) }

func bytes(n float64) string { return scaled(n, " B", " KB", " MB", " GB", " TB", " PB") }

func scaled(n float64, units ...string) string {
	i := 0
	for ; n >= 9_999.5 && i < len(units)-1; i++ {
		n /= 1000
	}
	return fmt.Sprintf("%.0f%s", n, units[i])
}
