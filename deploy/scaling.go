package deploy

import (
	"fmt"

	"kairos/topologies"
)

// What processes are added for.
const (
	lateness = 10     // seconds of lag, of a group of stages
	busy     = "700m" // of a core that each uses, where the work is the process' own
	busiest  = 12     // processes of who goes by that, at most
)

// scaled adds processes of a role soon, and takes them away late: each change
// moves partitions, or connections.
func scaled(kind, role string, most int, by object) object {
	step := func(patience, pause int) object {
		return object{"stabilizationWindowSeconds": patience, "policies": list{object{"type": "Pods", "value": 1, "periodSeconds": pause}}}
	}
	return object{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta(role),
		"spec": object{
			"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": kind, "name": "kairos-" + role},
			"minReplicas":    2, "maxReplicas": most, "metrics": list{by},
			"behavior": object{"scaleUp": step(60, 60), "scaleDown": step(1800, 600)},
		},
	}
}

// byLag goes by how late people are dealt with.
func byLag(g topologies.Group) object {
	return object{"type": "External", "external": object{
		"metric": object{"name": "kairos_host_lag_seconds", "selector": object{"matchLabels": object{"group": g.Name}}},
		"target": object{"type": "Value", "value": fmt.Sprint(lateness)},
	}}
}

// byCPU goes by how busy processes are. Those of ingest are late for want of a
// schema too, which no process more would bring.
func byCPU() object {
	return object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "AverageValue", "averageValue": busy}}}
}
