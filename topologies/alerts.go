package topologies

import (
	"fmt"
	"strings"
)

// Alert is something that a person must look at, now or tomorrow. Each has a
// runbook of its name in deploy/runbooks.
type Alert struct {
	Name    string
	Expr    string // PromQL
	For     string // how long it must hold
	Page    bool   // somebody is woken; otherwise it can wait for the morning
	Summary string // in seconds and people, as a template of Prometheus
}

// Alerts derives what to watch from the groups that run.
func (t *Topology) Alerts() []Alert {
	var all []Alert
	for _, g := range t.Groups {
		all = append(all, Alert{
			Name: "KairosNobodyRuns" + titled(g.Role()), For: "2m", Page: true,
			Expr:    fmt.Sprintf("absent(kairos_host_partitions{group=%q})", g.Name),
			Summary: fmt.Sprintf("Nobody runs %s: nothing that people do changes anything behind it", g.Name),
		})
	}
	return append(append(all, groupAlerts...), rimAlerts...)
}

// groupAlerts are alike for every group.
var groupAlerts = []Alert{
	{"KairosPartitionsWithoutOwner", "sum by (group) (kairos_host_partitions) < max by (group) (kairos_host_topology_partitions)", "5m", true,
		"{{ $labels.group }}: only {{ $value }} partitions have a process; people in the others wait"},
	{"KairosLate", "max by (group) (kairos_host_lag_seconds) > 30", "2m", true,
		"{{ $labels.group }}: what people did {{ $value | humanizeDuration }} ago is not yet dealt with"},
	{"KairosTimeStandsStill", "max by (group) (kairos_host_partition_time_age_seconds) > 60 unless max by (group) (kairos_host_partition_time_age_seconds) > 31536000", "5m", true,
		"{{ $labels.group }}: windows close {{ $value | humanizeDuration }} late, so people stay in audiences that they have left"},
	{"KairosWakesPileUp", "sum by (group) (kairos_host_wakes_due) > 1000", "10m", false,
		"{{ $labels.group }}: at least {{ $value }} people wait for a window that has closed"},
	{"KairosTransactionsFail", "sum by (group) (increase(kairos_host_aborts_total[10m])) > 5", "5m", true,
		"{{ $labels.group }}: {{ $value | humanize }} transactions failed within 10 minutes and were done again; nothing is lost, everything is later"},
	{"KairosTransactionsSlow", "histogram_quantile(0.99, sum by (group, le) (rate(kairos_host_transaction_seconds_bucket[5m]))) > 1", "10m", false,
		"{{ $labels.group }}: one transaction of a hundred takes {{ $value | humanizeDuration }}; each stage adds that to how late audiences are"},
	{"KairosRecoverySlow", "histogram_quantile(0.99, sum by (group, le) (increase(kairos_host_recovery_seconds_bucket[1h]))) > 60", "0m", false,
		"{{ $labels.group }}: recovering rows took up to {{ $value | humanizeDuration }}, in which nobody dealt with these people"},
	{"KairosSweepStandsStill", "sum by (group) (kairos_host_sweep_total_keys - kairos_host_sweep_done_keys) >= sum by (group) (kairos_host_sweep_total_keys offset 30m - kairos_host_sweep_done_keys offset 30m) > 0", "5m", false,
		"{{ $labels.group }}: people are not looked at again after a change of definitions; {{ $value }} are left"},
	{"KairosDeadLetters", "sum by (stage) (increase(kairos_host_dead_letters_total[10m])) > 0", "0m", false,
		"{{ $labels.stage }} refused {{ $value | humanize }} records within 10 minutes; what they say about people does not count"},
}

// rimAlerts are those of what takes in and what tells others.
var rimAlerts = []Alert{
	{"KairosDoorRefusedByKafka", `sum(increase(kairos_door_events_total{result="unacknowledged"}[5m])) > 0`, "1m", true,
		"Kafka did not acknowledge {{ $value | humanize }} events within 5 minutes; who sent them was told to send again"},
	{"KairosDoorSlow", "histogram_quantile(0.99, sum by (le) (rate(kairos_door_acknowledge_seconds_bucket[5m]))) > 1", "10m", false,
		"One request of a hundred waits {{ $value | humanizeDuration }} at the door"},
	{"KairosIngestWaits", "sum(kairos_ingest_held_partitions) > 0", "10m", false,
		"{{ $value }} partitions of others' topics wait for a schema; their people are behind"},
	{"KairosIngestLate", "max(kairos_ingest_lag_seconds) > 300", "10m", false,
		"What others wrote {{ $value | humanizeDuration }} ago is not taken in yet; their people are behind"},
	{"KairosNobodyIngests", "count(count_over_time(kairos_ingest_held_partitions[6h])) unless count(kairos_ingest_held_partitions)", "5m", true,
		"Nobody takes in others' topics any more; what they say about people waits"},
	{"KairosDestinationLate", "max by (destination) (kairos_delivery_age_seconds) > 300", "5m", true,
		"{{ $labels.destination }} is told who entered and left {{ $value | humanizeDuration }} late"},
	{"KairosNobodyDelivers", "count by (destination) (count_over_time(kairos_delivery_age_seconds[6h])) unless count by (destination) (kairos_delivery_age_seconds)", "5m", true,
		"Nobody tells {{ $labels.destination }} any more who enters and leaves; what is to be told waits"},
	{"KairosDestinationRefuses", `sum by (destination) (increase(kairos_delivery_total{result!~"delivered|unaddressed|superseded"}[15m])) > 0`, "0m", false,
		"{{ $labels.destination }} refused {{ $value | humanize }} entries or exits within 15 minutes; they are dead letters"},
	{"KairosProbeLate", "histogram_quantile(0.9, sum by (le) (rate(kairos_probe_seconds_bucket[10m]))) > 10", "5m", true,
		"A person who does something is in the audience {{ $value | humanizeDuration }} later"},
	{"KairosProbeLost", "sum(increase(kairos_probe_lost_total[10m])) > 0", "5m", true,
		"{{ $value | humanize }} invented people of the last 10 minutes never came into their audience"},
	{"KairosNobodyProbes", "count(count_over_time(kairos_probe_lost_total[6h])) unless count(kairos_probe_lost_total)", "15m", false,
		"Nobody sends invented people through production any more: how late audiences are is not measured from outside"},
}

// Severity says whether somebody is woken.
func (a Alert) Severity() string {
	if a.Page {
		return "page"
	}
	return "ticket"
}

// Runbook is the file that says what to do.
func (a Alert) Runbook() string { return "deploy/runbooks/" + a.Name + ".md" }

func titled(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

// AlertRules renders alerts as a file of Prometheus rules.
func AlertRules(alerts []Alert) string {
	var b strings.Builder
	b.WriteString("# Written by `make generate` from topologies/alerts.go.\ngroups:\n  - name: kairos\n    rules:\n")
	for _, a := range alerts {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: %q\n        for: %s\n        labels:\n          severity: %s\n", a.Name, a.Expr, a.For, a.Severity())
		fmt.Fprintf(&b, "        annotations:\n          summary: %q\n          runbook: %s\n", a.Summary, a.Runbook())
	}
	return b.String()
}
