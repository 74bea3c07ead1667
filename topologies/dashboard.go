package topologies

import (
	"encoding/json"
	"fmt"
)

// panel is a graph of a Grafana dashboard.
type panel struct {
	title, unit, doc string
	queries          []query
}

type query struct{ expr, legend string }

// quantiles asks a histogram for its middle and its slowest hundredth.
func quantiles(metric, where string) []query {
	var all []query
	for _, percent := range []int{50, 99} {
		all = append(all, query{fmt.Sprintf("histogram_quantile(0.%d, sum by (le) (rate(%s_bucket%s[$__rate_interval])))", percent, metric, where), fmt.Sprintf("p%d", percent)})
	}
	return all
}

// overview is what one looks at first.
func overview() []panel {
	return []panel{
		{"How late is what people do", "s", "Age of the first record that is not dealt with, by group.", []query{
			{"max by (group) (kairos_host_lag_seconds)", "{{group}}"}, {"max(kairos_ingest_lag_seconds)", "others' topics"},
		}},
		{"From an event to the audience", "s", "Of invented people: what kairos probe measures through door and API.", quantiles("kairos_probe_seconds", "")},
		{"Events at the door", "cps", "By what became of them.", []query{{"sum by (result) (rate(kairos_door_events_total[$__rate_interval]))", "{{result}}"}}},
		{"Waiting at the door", "s", "Until Kafka acknowledged.", quantiles("kairos_door_acknowledge_seconds", "")},
		{"People in audiences", "none", "The twenty largest; beyond 200 audiences, the small ones are one line together.", []query{{"topk(20, sum by (audience) (kairos_audience_members))", "{{audience}}"}}},
		{"Records that were refused", "none", "Dead letters in the last hour, by stage.", []query{{"sum by (stage) (increase(kairos_host_dead_letters_total[1h]))", "{{stage}}"}}},
		{"How late destinations are told", "s", "Age of what is being delivered.", []query{{"max by (destination) (kairos_delivery_age_seconds)", "{{destination}}"}}},
		{"What destinations did with it", "cps", "Deliveries and dead letters.", []query{{"sum by (destination, result) (rate(kairos_delivery_total[$__rate_interval]))", "{{destination}} {{result}}"}}},
	}
}

// groupPanels are alike for every group.
func groupPanels(g Group) []panel {
	where := fmt.Sprintf("{group=%q}", g.Name)
	of := func(by, metric string) []query {
		return []query{{fmt.Sprintf("sum by (%s) (rate(%s%s[$__rate_interval]))", by, metric, where), "{{" + by + "}}"}}
	}
	all := []panel{
		{"How late", "s", "From when the broker took a record to its commit.", quantiles("kairos_host_record_age_seconds", where)},
		{"Records that wait", "none", "By input.", []query{{"sum by (topic) (kairos_host_lag_records" + where + ")", "{{topic}}"}}},
		{"In", "cps", "Records, by input.", of("topic", "kairos_host_records_in_total")},
		{"Out", "cps", "Records, by topic; tables and ticks included.", of("topic", "kairos_host_records_out_total")},
		{"Changed nothing", "cps", "Messages, by reason.", of("reason", "kairos_host_drops_total")},
		{"A transaction takes", "s", "From the first write to the commit.", quantiles("kairos_host_transaction_seconds", where)},
		{"Steps of a batch take", "s", "The stages' own work.", quantiles("kairos_host_step_seconds", where)},
		{"Transactions that failed", "none", "Undone and done again, in the last hour.", []query{{"sum(increase(kairos_host_aborts_total" + where + "[1h]))", "failed"}}},
		{"Keys", "none", "With rows: identifiers or people.", []query{{"sum(kairos_host_keys" + where + ")", "keys"}}},
		{"Rows", "bytes", "In memory.", []query{{"sum(kairos_host_state_bytes" + where + ")", "bytes"}}},
		{"Windows that have closed and wait", "none", "Keys whose wake is due.", []query{{"sum(kairos_host_wakes_due" + where + ")", "keys"}}},
		{"People still to be looked at again", "none", "After a change of definitions.", []query{{"sum(kairos_host_sweep_total_keys" + where + " - kairos_host_sweep_done_keys" + where + ")", "keys"}}},
		{"Partitions", "none", "Owned, of those that there are.", []query{{"sum(kairos_host_partitions" + where + ")", "owned"}, {"max(kairos_host_topology_partitions" + where + ")", "all"}}},
		{"Recovery takes", "s", "Until the rows of gained partitions are there.", quantiles("kairos_host_recovery_seconds", where)},
	}
	return all
}

// Dashboard renders a Grafana dashboard: an overview, then a row of panels for
// each group.
func (t *Topology) Dashboard() (string, error) {
	board := &layout{}
	board.add("Now", overview())
	for _, g := range t.Groups {
		board.add(g.Name, groupPanels(g))
	}
	encoded, err := json.MarshalIndent(map[string]any{
		"uid": "kairos", "title": "kairos", "schemaVersion": 39, "editable": true, "refresh": "10s",
		"time":       map[string]string{"from": "now-1h", "to": "now"},
		"tags":       []string{"kairos"},
		"templating": map[string]any{"list": []any{map[string]any{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}}},
		"panels":     board.panels,
	}, "", "  ")
	return string(encoded) + "\n", err
}

// layout puts panels side by side, four in a line.
type layout struct {
	panels []map[string]any
	y      int
}

func (l *layout) add(row string, panels []panel) {
	const width, height, line = 6, 7, 4
	l.panels = append(l.panels, map[string]any{
		"id": len(l.panels) + 1, "type": "row", "title": row, "collapsed": false, "panels": []any{},
		"gridPos": map[string]int{"x": 0, "y": l.y, "w": 24, "h": 1},
	})
	l.y++
	for i, p := range panels {
		var targets []map[string]any
		for n, q := range p.queries {
			targets = append(targets, map[string]any{"refId": string(rune('A' + n)), "expr": q.expr, "legendFormat": q.legend})
		}
		l.panels = append(l.panels, map[string]any{
			"id": len(l.panels) + 1, "type": "timeseries", "title": p.title, "description": p.doc,
			"datasource":  map[string]string{"type": "prometheus", "uid": "${source}"},
			"gridPos":     map[string]int{"x": i % line * width, "y": l.y + i/line*height, "w": width, "h": height},
			"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit, "min": 0}, "overrides": []any{}},
			"targets":     targets,
		})
	}
	l.y += (len(panels) + 3) / 4 * height
}
