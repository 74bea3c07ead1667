package main

import (
	"fmt"
	"slices"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/profileapi"
	"kairos/cmd/internal/telemetry"
	"kairos/processors/definition"
)

// What doctor looks at around the stages: the collector of traces, whom deliver
// tells, what ingest reads.

// admitting looks at the files that say who comes in at door and API.
func (c *doctorCommand) admitting() (findings []cluster.Finding) {
	for _, look := range []struct {
		what, file string
		read       func(string) error
	}{
		{"sources", c.Sources, func(file string) error { _, err := collector.ReadSources(file); return err }},
		{"tokens", c.Tokens, func(file string) error { _, err := profileapi.ReadTokens(file); return err }},
	} {
		if look.file == "" {
			continue
		}
		f := cluster.Finding{Level: cluster.Fine, What: look.what, Detail: "are understood"}
		if err := look.read(look.file); err != nil {
			f.Level, f.Detail = cluster.Wrong, err.Error()+": who runs goes on with those from before, and nobody starts with these"
		}
		findings = append(findings, f)
	}
	return findings
}

// collector sends a span to where spans go.
func (c *doctorCommand) collector(p *process) []cluster.Finding {
	f := cluster.Finding{Level: cluster.Fine, What: "traces", Detail: "the collector takes spans (one called doctor is there now)"}
	somewhere, err := telemetry.Try(p, telemetry.Config{URL: c.Traces, Instance: "doctor"})
	switch {
	case err != nil:
		f.Level, f.Detail = cluster.Wrong, fmt.Sprintf("%v: is it a collector with OTLP over HTTP (port 4318, path /v1/traces), and does it let us in (OTEL_EXPORTER_OTLP_HEADERS)? Nothing waits for it; spans are lost meanwhile", err)
	case !somewhere:
		return nil
	}
	return []cluster.Finding{f}
}

// delivering looks at the file of deliver, each destination by itself: at three
// in the morning one wants to know of all that is missing.
func (c *doctorCommand) delivering(p *process, client *cluster.Client, published []string) []cluster.Finding {
	to, err := (&deliverCommand{File: c.Deliver}).readAll()
	var findings []cluster.Finding
	for _, one := range to.wrong {
		findings = append(findings, cluster.Finding{Level: cluster.Wrong, What: "deliver", Detail: one.Error() + ": mend the file, or put the secret where it says, readable by deliver's user"})
	}
	if err != nil {
		return append(findings, cluster.Finding{Level: cluster.Wrong, What: "deliver", Detail: err.Error()})
	}
	told := to.destinations()
	for _, destination := range told {
		if !slices.Contains(published, destination) {
			findings = append(findings, cluster.Finding{Level: cluster.Wrong, What: "deliver", Detail: fmt.Sprintf("no definition of the destination %s is published, so nothing comes to be told: `kairos apply -f DIR`, or take it out of %s", destination, c.Deliver)})
		}
	}
	if len(findings) == 0 {
		findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "deliver", Detail: fmt.Sprintf("%d destinations are published, and their secrets are there", len(told))})
	}
	return append(findings, rights("deliver's rights", to.mayDeliver(p, client)))
}

// ingesting looks at the file of ingest, and asks its registry.
func (c *doctorCommand) ingesting(p *process, client *cluster.Client, plan *definition.Plan) []cluster.Finding {
	wrong := func(format string, args ...any) cluster.Finding {
		return cluster.Finding{Level: cluster.Wrong, What: "ingest", Detail: fmt.Sprintf(format, args...)}
	}
	topics, known, err := readIngest(c.Ingest, func(error) {})
	if err != nil {
		return []cluster.Finding{wrong("%v", err)}
	}
	var findings []cluster.Finding
	subjects, there, err := known.Try(p)
	switch {
	case err != nil:
		findings = append(findings, cluster.Finding{Level: cluster.Wrong, What: "registry", Detail: err.Error() + ": until it answers, records of schemas that are not known yet wait"})
	case there:
		findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "registry", Detail: fmt.Sprintf("answers, with %d subjects", subjects)})
	}
	var names []string
	for _, topic := range topics {
		names = append(names, topic.Name)
		if topic.Mapping != "" && (plan == nil || plan.Mapping(topic.Mapping) == nil) {
			findings = append(findings, wrong("the mapping %s of topic %s is not published: `kairos apply -f DIR` with its definition", topic.Mapping, topic.Name))
		}
	}
	listed, err := client.Admin().ListTopics(p, names...)
	if err != nil {
		findings = append(findings, wrong("%v", err))
	}
	for _, name := range names {
		if topic, found := listed[name]; err == nil && (!found || topic.Err != nil) {
			findings = append(findings, wrong("topic %s is not there, or not for us (%v): ask who writes it to make it, and to let our user read it", name, topic.Err))
		}
	}
	if len(findings) == 0 || there && len(findings) == 1 && findings[0].Level == cluster.Fine {
		findings = append(findings, cluster.Finding{Level: cluster.Fine, What: "ingest", Detail: fmt.Sprintf("%d topics are there", len(names))})
	}
	return append(findings, rights("ingest's rights", (&ingestCommand{size: c.size}).may(p, client, topics)))
}
