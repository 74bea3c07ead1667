// Package deploy holds what kairos is deployed and watched with: a container
// file, compose for a laptop, Kubernetes, rules for Prometheus, a dashboard for
// Grafana, runbooks.
//
// In: the topology, from which most files are generated (`make generate`); the
// rest is written by hand. Out: files that others read. Laws: each generated
// file is what its source gives, each alert has a runbook and each runbook an
// alert, each metric in a rule or panel exists; tests here hold that.
//
// Not here: a broker for tests (deploy/kafka).
package deploy
