package deploy

import "kairos/topologies"

// monitors are for a Prometheus of the operator of that name: which pods it
// asks, and the alerts.
func monitors(t *topologies.Topology) []object {
	mark := object{"app.kubernetes.io/name": "kairos"}
	head := object{"name": "kairos", "namespace": namespace, "labels": mark}
	var rules list
	for _, a := range t.Alerts() {
		rules = append(rules, object{
			"alert": a.Name, "expr": a.Expr, "for": a.For, "labels": object{"severity": a.Severity()},
			"annotations": object{"summary": a.Summary, "runbook": a.Runbook()},
		})
	}
	return []object{
		{
			"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": head,
			"spec": object{"selector": object{"matchLabels": mark}, "podMetricsEndpoints": list{object{"port": "metrics", "interval": "15s"}}},
		},
		{
			"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": head,
			"spec": object{"groups": list{object{"name": "kairos", "rules": rules}}},
		},
	}
}
