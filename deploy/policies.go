package deploy

import "kairos/topologies"

// policy lets a role be reached as given, and reach what it needs only.
func policy(role string, ingress list, egress ...object) object {
	var out list
	for _, e := range egress {
		out = append(out, e)
	}
	return object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(role),
		"spec": object{"podSelector": object{"matchLabels": labels(role)}, "policyTypes": list{"Ingress", "Egress"}, "ingress": ingress, "egress": out},
	}
}

func tcp(port int) object { return object{"port": port, "protocol": "TCP"} }

// to is a way to a port of whom.
func to(port int, whom ...any) object { return object{"to": list(whom), "ports": list{tcp(port)}} }

func toKafka() object {
	return to(kafkaPort, object{"podSelector": object{"matchLabels": object{"strimzi.io/cluster": "kairos"}}})
}

// toNames is the way to DNS.
func toNames() object { return object{"ports": list{object{"port": 53, "protocol": "UDP"}, tcp(53)}} }

// toTraces is the way to a collector of traces.
func toTraces() object { return to(tracePort, marked("kairos/monitoring")) }

// toRegistry is the way to a registry of schemas, at whatever port, in a
// namespace of that label.
func toRegistry() object { return object{"to": list{marked("kairos/registry")}} }

// within are the networks that are nobody's on the internet: private ones, those
// of a link, a host or a carrier, and those that map IPv4 into IPv6.
var within = struct{ four, six list }{
	list{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	},
	list{"::/128", "::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"},
}

// toInternet is the way out by HTTPS, and to nobody within.
func toInternet() object {
	return to(httpsPort,
		object{"ipBlock": object{"cidr": "0.0.0.0/0", "except": within.four}},
		object{"ipBlock": object{"cidr": "::/0", "except": within.six}})
}

// monitoring may ask for metrics: whatever runs in a namespace of that label, and
// who asks for people.
func monitoring() object {
	asks := object{"podSelector": object{"matchLabels": labels(topologies.OperatorRole)}}
	return object{"from": list{marked("kairos/monitoring"), asks}, "ports": list{tcp(metricPort)}}
}

// marked is whatever runs in a namespace that has a label.
func marked(label string) object {
	return object{"namespaceSelector": object{"matchLabels": object{label: "true"}}}
}

// ours is whatever is of kairos.
func ours() object {
	return object{"podSelector": object{"matchLabels": object{"app.kubernetes.io/name": "kairos"}}}
}
