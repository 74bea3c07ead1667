package deploy

import "fmt"

// process is what runs in a pod.
type process struct {
	role   string
	args   []string
	env    list // besides what all have
	mute   bool // it serves nothing, metrics and probes neither
	ports  list // besides that of metrics
	mounts []mount
	needs  needs
}

// needs is what a process gets of a machine. It tells Go to stay within memory,
// and is ended only above most: what is not Go's heap has room between.
type needs struct{ cpu, memory, most string }

// mount is a folder that a process sees.
type mount struct {
	name, path string
	from       object // of a pod's volume; nil: a claim of its own, which it writes to
}

// secret mounts a secret.
func secret(name, path, of string) mount {
	return mount{name, path, object{"secret": object{"secretName": of}}}
}

// only mounts one file of a secret, and none of its others.
func (m mount) only(file string) mount {
	m.from["secret"].(object)["items"] = list{object{"key": file, "path": file}}
	return m
}

// files mounts a ConfigMap.
func files(name, path, of string) mount {
	return mount{name, path, object{"configMap": object{"name": of}}}
}

// perhaps is a mount that is empty where its secret is not there: whoever wants a
// file of it says which one is missing.
func perhaps(m mount) mount {
	m.from["secret"].(object)["optional"] = true
	return m
}

func settings() mount { return files("settings", "/etc/kairos/settings", "kairos-settings") }

// onKafka mounts what a process needs that talks to Kafka: where it is, who we
// are, whom to trust.
func onKafka(role string, more ...mount) []mount {
	return append([]mount{
		settings(), secret("user", "/etc/kairos/user", "kairos-"+role), secret("authority", "/etc/kairos/authority", "kairos-cluster-ca-cert"),
	}, more...)
}

func labels(role string) object {
	return object{"app.kubernetes.io/name": "kairos", "kairos/group": role}
}

func meta(role string) object {
	return object{"name": "kairos-" + role, "namespace": namespace, "labels": labels(role)}
}

// metrics is the flag of all processes that serve.
func metrics() string { return fmt.Sprintf("--metrics=0.0.0.0:%d", metricPort) }

func (p process) container() object {
	probe := func(path string, every, patience int) object {
		return object{"httpGet": object{"path": path, "port": "metrics"}, "periodSeconds": every, "failureThreshold": patience}
	}
	var args, mounts list
	for _, a := range p.args {
		args = append(args, a)
	}
	for _, m := range p.mounts {
		one := object{"name": m.name, "mountPath": m.path}
		if m.from != nil {
			one["readOnly"] = true
		}
		mounts = append(mounts, one)
	}
	c := object{
		"name": "kairos", "image": image, "args": args,
		"env": append(list{
			object{"name": "POD_NAME", "valueFrom": object{"fieldRef": object{"fieldPath": "metadata.name"}}},
			object{"name": "KAIROS_CONFIG", "value": "/etc/kairos/settings/kairos.yaml"},
			object{"name": "GOMEMLIMIT", "valueFrom": object{"resourceFieldRef": object{"resource": "requests.memory"}}},
		}, p.env...),
		"resources": object{"requests": object{"cpu": p.needs.cpu, "memory": p.needs.memory}, "limits": object{"memory": p.needs.most}},
		"securityContext": object{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
			"capabilities": object{"drop": list{"ALL"}},
		},
		"volumeMounts": mounts,
	}
	if !p.mute {
		c["ports"] = append(list{object{"name": "metrics", "containerPort": metricPort}}, p.ports...)
		c["startupProbe"], c["livenessProbe"], c["readinessProbe"] = probe("/startup", 2, 150), probe("/live", 10, 3), probe("/ready", 2, 1)
	}
	return c
}

// pod runs a process as nobody, away from others of its role. Its root is
// read-only; what it writes goes to a volume.
func (p process) pod() object {
	var volumes list
	for _, m := range p.mounts {
		if m.from == nil {
			continue
		}
		volume := object{"name": m.name}
		for kind, from := range m.from {
			volume[kind] = from
		}
		volumes = append(volumes, volume)
	}
	head := object{"labels": labels(p.role)}
	if !p.mute {
		head["annotations"] = object{"prometheus.io/scrape": "true", "prometheus.io/port": fmt.Sprint(metricPort)}
	}
	return object{
		"metadata": head,
		"spec": object{
			"automountServiceAccountToken": false, "terminationGracePeriodSeconds": 60,
			"securityContext": object{"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
			"affinity": object{"podAntiAffinity": object{"preferredDuringSchedulingIgnoredDuringExecution": list{object{
				"weight":          100,
				"podAffinityTerm": object{"topologyKey": "kubernetes.io/hostname", "labelSelector": object{"matchLabels": labels(p.role)}},
			}}}},
			"topologySpreadConstraints": list{object{
				"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": object{"matchLabels": labels(p.role)},
			}},
			"containers": list{p.container()},
			"volumes":    volumes,
		},
	}
}

// deployment runs processes that keep nothing and have no names.
func (p process) deployment(replicas int) object {
	return object{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(p.role),
		"spec": object{"replicas": replicas, "selector": object{"matchLabels": labels(p.role)}, "template": p.pod()},
	}
}

// named runs processes that keep their names over a restart, so that Kafka lets
// them go on with what they had.
func (p process) named(replicas int) object {
	return object{
		"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta(p.role),
		"spec": object{
			"serviceName": "kairos-" + p.role, "replicas": replicas, "podManagementPolicy": "Parallel",
			"selector":       object{"matchLabels": labels(p.role)},
			"updateStrategy": object{"type": "RollingUpdate"},
			"template":       p.pod(),
		},
	}
}

func service(role string, spec object) object {
	spec["selector"] = labels(role)
	return object{"apiVersion": "v1", "kind": "Service", "metadata": meta(role), "spec": spec}
}

// measured is the service of who is asked for metrics only.
func measured(role string) object {
	return service(role, object{"clusterIP": "None", "publishNotReadyAddresses": true, "ports": list{object{"name": "metrics", "port": metricPort, "targetPort": "metrics"}}})
}

func disruption(role string) object {
	return object{
		"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta(role),
		"spec": object{"maxUnavailable": 1, "selector": object{"matchLabels": labels(role)}},
	}
}
