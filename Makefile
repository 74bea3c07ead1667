# kairos: `make` alone shows what there is.
SHELL       := /bin/bash
.DEFAULT_GOAL := help
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
KAIROS      := go run ./cmd/kairos
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
HOT         := go test -run '^$$' -bench . -skip Kafka -benchmem -count 6 -benchtime 50ms ./processors/... ./schemas/...
FUZZTIME    ?= 10m

##@ See it
demo: ## watch eighteen months of a shop's purchases become audiences (needs only Go)
	@$(KAIROS) demo $(ARGS)

##@ Real Kafka
kafka: ## fetch and start Apache Kafka 4.4 on loopback, in .kafka/ (needs Java 17 and Maven)
	@go run ./deploy/kafka start

kafka-stop: ## stop it
	@go run ./deploy/kafka stop

##@ Build and test
build: ## bin/kairos
	go build -o bin/kairos ./cmd/kairos

test: ## all tests, real Kafka included where Java is
	@go run ./deploy/kafka check || echo "tests on a real Kafka will be SKIPPED"
	go test -timeout 30m ./...

race: ## the tests of what is concurrent, under the race detector
	go test -race -short -timeout 30m ./processors/host ./processors/scenario ./processors/stage ./processors/flow/... ./cmd/... ./schemas
	go test -race -short -run AtOnce ./processors/profile

fuzz: ## each fuzz target for FUZZTIME (10m): no bytes may do more than be refused
	@go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | while read -r package; do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz'); do \
			echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime "$(FUZZTIME)" -fuzzminimizetime 20x "$$package" || exit 1; \
		done; done

checkers: ## what alerts, Kubernetes' objects and completion are checked with: Debian's promtool, zsh and fish; kubectl and schemas in .schemas/
	@for one in promtool:prometheus zsh:zsh fish:fish; do command -v "$${one%:*}" >/dev/null || missing="$$missing $${one#*:}"; done; \
		[ -z "$$missing" ] || { apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing >/dev/null; } || echo "tests that need$$missing will be SKIPPED"
	@go run ./deploy/schemas .schemas || echo "Kubernetes' overlays will not be built, or not held against schemas: SKIPPED"

pictures: ## draw the dashboard anew from a real run, about ten minutes (needs Java, Maven and Prometheus)
	go run ./loadtest/pictures $(ARGS)

check: format-check vet lint drift race test ## what CI runs

format: ## gofmt everything
	gofmt -w cmd deploy loadtest processors schemas topologies

format-check:
	@test -z "$$(gofmt -l cmd deploy loadtest processors schemas topologies | tee /dev/stderr)" || { echo "not formatted: run 'make format'"; exit 1; }

vet: ## go vet
	go vet ./...

lint: ## staticcheck
	go run $(STATICCHECK) ./...

generate: ## derive schemas, diagram and topic list again
	go generate ./...

drift: generate ## fail if a generated file is not what its source gives
	@git diff --exit-code -- schemas README.md topologies deploy loadtest/results || { echo "generated files differ from their source: run 'make generate' and commit"; exit 1; }

##@ Measure
bench: ## kairos beside its peers and whole, at most 26 minutes, kept in loadtest/results (Java 17, Maven; ARGS=-quick: a minute)
	go run ./loadtest/bench $(ARGS)

bench-plot: ## make reports and figures of kept measurements anew
	go run ./loadtest/bench -plot

BASE ?= main
bench-check: ## benchmarks of hot functions, with allocations, here and at BASE (main): a report, not a test
	@mkdir -p bin && old="$$(mktemp -d)" && trap 'git worktree remove --force "$$old"' EXIT && git worktree add --quiet --detach "$$old" $(BASE) && \
		(cd "$$old" && $(HOT)) > bin/bench.old && $(HOT) > bin/bench.new && go run $(BENCHSTAT) bin/bench.old bin/bench.new

help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST); echo

.PHONY: checkers pictures demo kafka kafka-stop build test race fuzz check format format-check vet lint generate drift bench peers help
