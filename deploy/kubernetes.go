package deploy

import (
	"bytes"
	"fmt"
	"strings"

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
	tracePort  = 4318 // of a collector of traces
	kafkaPort  = 9093
	lateness   = 10 // seconds of lag above which processes are added
)

// Kubernetes renders the files of kubernetes that follow from a topology: topics
// and users for Strimzi's operators, what runs each group, and how to publish.
func Kubernetes(t *topologies.Topology) (map[string]string, error) {
	files := map[string][]object{"base/topics.yaml": topics(t), "base/users.yaml": users(t), "base/door.yaml": door(), "base/api.yaml": api(t), "publish.yaml": publish()}
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

func labels(role string) object {
	return object{"app.kubernetes.io/name": "kairos", "kairos/group": role}
}

func meta(role string) object {
	return object{"name": "kairos-" + role, "namespace": namespace, "labels": labels(role)}
}

// container is a process of a role. Its root is read-only; what it writes goes
// to a volume.
func container(role string, args []string, ports list, mounts list) object {
	probe := func(path string, every, patience int) object {
		return object{"httpGet": object{"path": path, "port": "metrics"}, "periodSeconds": every, "failureThreshold": patience}
	}
	var all list
	for _, a := range args {
		all = append(all, a)
	}
	return object{
		"name": "kairos", "image": image, "args": all,
		"env": list{
			object{"name": "POD_NAME", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.name"}}},
			object{"name": "KAIROS_CONFIG", "value": "/etc/kairos/settings/kairos.yaml"},
			object{"name": "GOMEMLIMIT", "valueFrom": object{"resourceFieldRef": object{"resource": "limits.memory"}}},
		},
		"ports":          append(list{object{"name": "metrics", "containerPort": metricPort}}, ports...),
		"startupProbe":   probe("/startup", 2, 150),
		"livenessProbe":  probe("/live", 10, 3),
		"readinessProbe": probe("/ready", 2, 1),
		"resources":      object{"requests": object{"cpu": "500m", "memory": "1Gi"}, "limits": object{"memory": "2Gi"}},
		"securityContext": object{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
			"capabilities": object{"drop": list{"ALL"}},
		},
		"volumeMounts": append(list{
			object{"name": "settings", "mountPath": "/etc/kairos/settings", "readOnly": true},
			object{"name": "user", "mountPath": "/etc/kairos/user", "readOnly": true},
			object{"name": "authority", "mountPath": "/etc/kairos/authority", "readOnly": true},
		}, mounts...),
	}
}

func pod(role string, c object, volumes ...any) object {
	return object{
		"metadata": object{"labels": labels(role), "annotations": object{"prometheus.io/scrape": "true", "prometheus.io/port": fmt.Sprint(metricPort)}},
		"spec": object{
			"automountServiceAccountToken": false, "terminationGracePeriodSeconds": 60,
			"securityContext": object{"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
			"affinity": object{"podAntiAffinity": object{"preferredDuringSchedulingIgnoredDuringExecution": list{object{
				"weight":          100,
				"podAffinityTerm": object{"topologyKey": "kubernetes.io/hostname", "labelSelector": object{"matchLabels": labels(role)}},
			}}}},
			"topologySpreadConstraints": list{object{
				"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": object{"matchLabels": labels(role)},
			}},
			"containers": list{c},
			"volumes": append(list{
				object{"name": "settings", "configMap": object{"name": "kairos-settings"}},
				object{"name": "user", "secret": object{"secretName": "kairos-" + role}},
				object{"name": "authority", "secret": object{"secretName": "kairos-cluster-ca-cert"}},
			}, volumes...),
		},
	}
}

// group runs the stages of a group: named members that keep their partitions
// and rows over a restart, one started after the other, more of them when
// people wait.
func group(t *topologies.Topology, g topologies.Group) []object {
	role := g.Role()
	args := append([]string{"run", role, "--instance=$(POD_NAME)", "--state=/var/lib/kairos", fmt.Sprintf("--metrics=0.0.0.0:%d", metricPort)}, apiArgs(t)...)
	c := container(role, args, list{object{"name": "api", "containerPort": apiPort}}, list{
		object{"name": "rows", "mountPath": "/var/lib/kairos"}, object{"name": "api", "mountPath": "/etc/kairos/api", "readOnly": true},
	})
	most := t.PartitionsOf(g.Inputs()[0])
	return []object{
		{
			"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta(role),
			"spec": object{
				"serviceName": "kairos-" + role, "replicas": 2, "podManagementPolicy": "Parallel",
				"selector":       object{"matchLabels": labels(role)},
				"updateStrategy": object{"type": "RollingUpdate"},
				"template":       pod(role, c, object{"name": "api", "secret": object{"secretName": "kairos-api"}}),
				"volumeClaimTemplates": list{object{
					"metadata": object{"name": "rows"},
					"spec":     object{"accessModes": list{"ReadWriteOnce"}, "resources": object{"requests": object{"storage": "10Gi"}}},
				}},
			},
		},
		service(role, object{"clusterIP": "None", "publishNotReadyAddresses": true, "ports": list{
			object{"name": "metrics", "port": metricPort, "targetPort": "metrics"}, object{"name": "api", "port": apiPort, "targetPort": "api"},
		}}),
		disruption(role),
		{
			"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta(role),
			"spec": object{
				"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "kairos-" + role},
				"minReplicas":    2, "maxReplicas": most,
				"metrics": list{object{"type": "External", "external": object{
					"metric": object{"name": "kairos_host_lag_seconds", "selector": object{"matchLabels": object{"group": g.Name}}},
					"target": object{"type": "Value", "value": fmt.Sprint(lateness)},
				}}},
				"behavior": object{
					"scaleUp":   object{"stabilizationWindowSeconds": 60, "policies": list{object{"type": "Pods", "value": 1, "periodSeconds": 60}}},
					"scaleDown": object{"stabilizationWindowSeconds": 1800, "policies": list{object{"type": "Pods", "value": 1, "periodSeconds": 600}}},
				},
			},
		},
		policy(role, list{monitoring(), object{
			"from":  list{object{"podSelector": object{"matchLabels": object{"app.kubernetes.io/name": "kairos"}}}, marked("kairos/api")},
			"ports": list{object{"port": apiPort, "protocol": "TCP"}},
		}}),
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

// publish publishes the definitions in a ConfigMap, as the operator.
func publish() []object {
	c := container(topologies.OperatorRole, []string{"apply", "-f", "/definitions"}, nil, list{object{"name": "definitions", "mountPath": "/definitions", "readOnly": true}})
	for _, serving := range []string{"ports", "startupProbe", "livenessProbe", "readinessProbe"} {
		delete(c, serving)
	}
	template := pod(topologies.OperatorRole, c, object{"name": "definitions", "configMap": object{"name": "kairos-definitions"}})
	template["spec"].(object)["restartPolicy"] = "Never"
	delete(template["metadata"].(object), "annotations")
	return []object{{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": object{"generateName": "kairos-publish-", "namespace": namespace, "labels": labels(topologies.OperatorRole)},
		"spec":     object{"backoffLimit": 3, "ttlSecondsAfterFinished": 86400, "template": template},
	}}
}

// door lets events in; its processes share nothing.
func door() []object {
	args := []string{"run", topologies.DoorRole, fmt.Sprintf("--door=0.0.0.0:%d", doorPort), "--api=", fmt.Sprintf("--metrics=0.0.0.0:%d", metricPort)}
	role := topologies.DoorRole
	return []object{
		{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(role),
			"spec": object{
				"replicas": 2, "selector": object{"matchLabels": labels(role)},
				"template": pod(role, container(role, args, list{object{"name": "door", "containerPort": doorPort}}, nil)),
			},
		},
		service(role, object{"ports": list{object{"name": "door", "port": doorPort, "targetPort": "door"}}}),
		disruption(role),
		policy(role, list{monitoring(), object{"ports": list{object{"port": doorPort, "protocol": "TCP"}}}}),
	}
}

func service(role string, spec object) object {
	spec["selector"] = labels(role)
	return object{"apiVersion": "v1", "kind": "Service", "metadata": meta(role), "spec": spec}
}

func disruption(role string) object {
	return object{
		"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta(role),
		"spec": object{"maxUnavailable": 1, "selector": object{"matchLabels": labels(role)}},
	}
}

// monitoring may ask for metrics: whatever runs in a namespace of that label.
func monitoring() object {
	return object{
		"from":  list{marked("kairos/monitoring")},
		"ports": list{object{"port": metricPort, "protocol": "TCP"}},
	}
}

// marked is whatever runs in a namespace that has a label.
func marked(label string) object {
	return object{"namespaceSelector": object{"matchLabels": object{label: "true"}}}
}

// policy lets a role be reached as given, and reach brokers, names, its like and
// a collector of traces only.
func policy(role string, ingress list) object {
	return object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(role),
		"spec": object{
			"podSelector": object{"matchLabels": labels(role)}, "policyTypes": list{"Ingress", "Egress"}, "ingress": ingress,
			"egress": list{
				object{"to": list{object{"podSelector": object{"matchLabels": object{"strimzi.io/cluster": "kairos"}}}}, "ports": list{object{"port": kafkaPort, "protocol": "TCP"}}},
				object{"ports": list{object{"port": 53, "protocol": "UDP"}, object{"port": 53, "protocol": "TCP"}}},
				object{"to": list{object{"podSelector": object{"matchLabels": object{"app.kubernetes.io/name": "kairos"}}}}, "ports": list{object{"port": apiPort, "protocol": "TCP"}}},
				object{"to": list{marked("kairos/monitoring")}, "ports": list{object{"port": tracePort, "protocol": "TCP"}}},
			},
		},
	}
}
