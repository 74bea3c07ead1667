package deploy

import (
	"fmt"
	"strings"

	"kairos/topologies"
)

// probeRole is no role of Kafka's: the prober goes in by the door and looks by
// the API, as anybody does.
const probeRole = "probe"

// stages is what a process gets that keeps rows in memory, or lets events in.
var stages = needs{cpu: "500m", memory: "1536Mi", most: "2Gi"}

// group runs the stages of a group: named members that keep their partitions
// and rows over a restart, one started after the other, more of them when
// people wait.
func group(t *topologies.Topology, g topologies.Group) []object {
	role := g.Role()
	set := process{
		role: role, needs: stages,
		args:   append([]string{"run", role, "--instance=$(POD_NAME)", "--state=/var/lib/kairos", metrics()}, apiArgs(t)...),
		ports:  list{object{"name": "api", "containerPort": apiPort}},
		mounts: onKafka(role, mount{name: "rows", path: "/var/lib/kairos"}, secret("api", "/etc/kairos/api", "kairos-api")),
	}.named(2)
	set["spec"].(object)["volumeClaimTemplates"] = list{object{
		"metadata": object{"name": "rows"},
		"spec":     object{"accessModes": list{"ReadWriteOnce"}, "resources": object{"requests": object{"storage": "10Gi"}}},
	}}
	return []object{
		set,
		service(role, object{"clusterIP": "None", "publishNotReadyAddresses": true, "ports": list{
			object{"name": "metrics", "port": metricPort, "targetPort": "metrics"}, object{"name": "api", "port": apiPort, "targetPort": "api"},
		}}),
		disruption(role),
		scaled("StatefulSet", role, int(t.PartitionsOf(g.Inputs()[0])), byLag(g)),
		policy(role, list{monitoring(), object{
			"from":  list{ours(), marked("kairos/api")},
			"ports": list{tcp(apiPort)},
		}}, toKafka(), toNames(), to(apiPort, ours()), toTraces()),
	}
}

// apiArgs let a process tell of anybody: its own rows, and those of all processes
// that there may be. Who is not there is passed over.
func apiArgs(t *topologies.Topology) []string {
	var peers []string
	for _, g := range t.Groups {
		for n := range t.PartitionsOf(g.Inputs()[0]) {
			peers = append(peers, fmt.Sprintf("http://kairos-%s-%d.kairos-%s:%d", g.Role(), n, g.Role(), apiPort))
		}
	}
	return []string{
		fmt.Sprintf("--api=0.0.0.0:%d", apiPort), "--tokens=/etc/kairos/api/tokens.yaml", "--peer-token=/etc/kairos/api/peer",
		"--peers=" + strings.Join(peers, ","),
	}
}

// api is where profiles are told: by the last group, which has most of what they
// are made of.
func api(t *topologies.Topology) []object {
	last := t.Groups[len(t.Groups)-1].Role()
	return []object{{
		"apiVersion": "v1", "kind": "Service", "metadata": meta("api"),
		"spec": object{"selector": labels(last), "ports": list{object{"name": "api", "port": apiPort, "targetPort": "api"}}},
	}}
}

// door lets events in of who shows a write key; its processes share nothing.
func door() []object {
	role := topologies.DoorRole
	return []object{
		process{
			role: role, needs: stages, ports: list{object{"name": "door", "containerPort": doorPort}},
			mounts: onKafka(role, secret("sources", "/etc/kairos/sources", "kairos-sources").only("sources.yaml")),
			args:   []string{"run", role, fmt.Sprintf("--door=0.0.0.0:%d", doorPort), "--sources=/etc/kairos/sources/sources.yaml", "--api=", metrics()},
		}.deployment(2),
		service(role, object{"ports": list{object{"name": "door", "port": doorPort, "targetPort": "door"}}}),
		disruption(role),
		scaled("Deployment", role, busiest, byCPU()),
		policy(role, list{monitoring(), object{"ports": list{tcp(doorPort)}}}, toKafka(), toNames(), toTraces()),
	}
}

// delivery tells third parties, who are on the internet: the own network is
// closed to it, whatever a webhook's name leads to.
func delivery() []object {
	role := topologies.DeliveryRole
	return []object{
		process{
			role: role, needs: needs{cpu: "200m", memory: "256Mi", most: "512Mi"},
			args: []string{"deliver", "--file=/etc/kairos/delivery/deliver.yaml", metrics()},
			mounts: onKafka(role, files("delivery", "/etc/kairos/delivery", "kairos-delivery"),
				perhaps(secret("secrets", "/etc/kairos/secrets", "kairos-delivery-secrets"))),
		}.deployment(2),
		measured(role), disruption(role),
		policy(role, list{monitoring()}, toKafka(), toNames(), toInternet(), toTraces()),
	}
}

// ingest takes in what others write to topics of their own.
func ingest() []object {
	role := topologies.IngestRole
	return []object{
		process{
			role: role, needs: needs{cpu: "250m", memory: "512Mi", most: "1Gi"},
			args: []string{"ingest", "--file=/etc/kairos/ingest/ingest.yaml", "--instance=$(POD_NAME)", metrics()},
			mounts: onKafka(role, files("ingest", "/etc/kairos/ingest", "kairos-ingest"),
				perhaps(secret("secrets", "/etc/kairos/secrets", "kairos-ingest-secrets"))),
		}.named(2),
		measured(role), disruption(role), scaled("StatefulSet", role, busiest, byCPU()),
		policy(role, list{monitoring()}, toKafka(), toNames(), toRegistry()),
	}
}

// probe is one process, never two: its people would get into each other's turns.
func probe() []object {
	token, key := secret("api", "/etc/kairos/api", "kairos-api").only("probe"), secret("sources", "/etc/kairos/sources", "kairos-sources").only("probe")
	one := process{
		role: probeRole, needs: needs{cpu: "20m", memory: "64Mi", most: "128Mi"}, mounts: []mount{settings(), token, key},
		args: []string{
			"probe", fmt.Sprintf("--door=http://kairos-door:%d", doorPort), fmt.Sprintf("--api=http://kairos-api:%d", apiPort),
			"--token=file:/etc/kairos/api/probe", "--key=file:/etc/kairos/sources/probe", metrics(),
		},
	}.deployment(1)
	one["spec"].(object)["strategy"] = object{"type": "Recreate"}
	return []object{one, measured(probeRole), disruption(probeRole), policy(probeRole, list{monitoring()}, toNames(), to(doorPort, ours()), to(apiPort, ours()))}
}

// operator is where people ask: it looks once a minute, so that its log says how
// everything is doing, and who is at a terminal finds every command there.
func operator(t *topologies.Topology) []object {
	role := topologies.OperatorRole
	var asked []string
	for _, g := range t.Groups {
		for n := range t.PartitionsOf(g.Inputs()[0]) {
			asked = append(asked, fmt.Sprintf("kairos-%s-%d.kairos-%s:%d", g.Role(), n, g.Role(), metricPort))
		}
	}
	return []object{
		process{
			role: role, needs: needs{cpu: "50m", memory: "128Mi", most: "256Mi"}, mute: true, mounts: onKafka(role),
			args: []string{"top", "--every=1m"},
			env:  list{object{"name": "KAIROS_METRICS", "value": strings.Join(asked, ",")}},
		}.deployment(1),
		policy(role, list{}, toKafka(), toNames(), to(metricPort, ours())),
	}
}

// publish publishes the definitions in a ConfigMap, as the operator.
func publish() []object {
	role := topologies.OperatorRole
	template := process{
		role: role, needs: stages, mute: true, args: []string{"apply", "-f", "/definitions"},
		mounts: onKafka(role, files("definitions", "/definitions", "kairos-definitions")),
	}.pod()
	template["spec"].(object)["restartPolicy"] = "Never"
	return []object{{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": object{"generateName": "kairos-publish-", "namespace": namespace, "labels": labels(role)},
		"spec":     object{"backoffLimit": 3, "ttlSecondsAfterFinished": 86400, "template": template},
	}}
}
