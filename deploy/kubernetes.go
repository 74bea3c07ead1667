package deploy

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"kairos/topologies"
)

// object is a Kubernetes object.
type object = map[string]any

// list is one of its lists.
type list = []any

const (
	namespace  = "kairos"
	image      = "kairos:latest"
	metricPort = 9464
	doorPort   = 8080
	apiPort    = 8081
	httpsPort  = 443
	tracePort  = 4318 // of a collector of traces
	kafkaPort  = 9093
)

// Kubernetes renders the files of kubernetes that follow from a topology: topics
// and users for Strimzi's operators, what runs each group and the rim around
// them, and how to publish.
func Kubernetes(t *topologies.Topology) (map[string]string, error) {
	files := map[string][]object{
		"base/topics.yaml": topics(t), "base/users.yaml": users(t), "base/door.yaml": door(), "base/api.yaml": api(t), "base/delivery.yaml": delivery(),
		"base/ingest.yaml": ingest(), "base/probe.yaml": probe(), "base/operator.yaml": operator(t), "publish.yaml": publish(),
		"monitoring.yaml": monitors(t),
	}
	for _, g := range t.Groups {
		files["base/"+g.Role()+".yaml"] = group(t, g)
	}
	rendered := map[string]string{}
	for name, objects := range files {
		var b bytes.Buffer
		b.WriteString("# Written by `make generate` from the topology: change deploy/kubernetes.go, or patch it in an overlay.\n")
		encoder := yaml.NewEncoder(&b)
		encoder.SetIndent(2)
		for _, o := range objects {
			if err := encoder.Encode(o); err != nil {
				return nil, err
			}
		}
		if err := encoder.Close(); err != nil {
			return nil, err
		}
		rendered[name] = b.String()
	}
	return rendered, nil
}

func topics(t *topologies.Topology) []object {
	var all []object
	for _, topic := range t.Topics() {
		config := object{}
		for _, s := range t.Settings(topic) {
			config[s.Name] = s.Value
		}
		all = append(all, object{
			"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic",
			"metadata": object{"name": topic.Name, "namespace": namespace, "labels": object{"strimzi.io/cluster": "kairos"}},
			"spec":     object{"topicName": topic.Name, "partitions": t.PartitionsOf(topic), "replicas": t.Config.Replication, "config": config},
		})
	}
	return all
}

// users have certificates that Strimzi renews, and no right more than they need.
func users(t *topologies.Topology) []object {
	var all []object
	for _, role := range roles(t) {
		var acls list
		for _, a := range topologies.Together(t.ACLs(role)) {
			resource := object{"type": string(a.Resource)}
			if a.Resource != topologies.OnCluster {
				resource["name"], resource["patternType"] = a.Name, "literal"
				if a.Prefixed {
					resource["patternType"] = "prefix"
				}
			}
			acls = append(acls, object{"resource": resource, "operations": list{string(a.Operation)}})
		}
		all = append(all, object{
			"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaUser",
			"metadata": object{"name": "kairos-" + role, "namespace": namespace, "labels": object{"strimzi.io/cluster": "kairos"}},
			"spec":     object{"authentication": object{"type": "tls"}, "authorization": object{"type": "simple", "acls": acls}},
		})
	}
	return all
}

// roles are those that have a user of their own.
func roles(t *topologies.Topology) []string {
	var all []string
	for _, a := range t.ACLs() {
		if a.Role != topologies.MendRole && (len(all) == 0 || all[len(all)-1] != a.Role) {
			all = append(all, a.Role)
		}
	}
	return all
}
