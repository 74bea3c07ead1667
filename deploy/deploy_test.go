package deploy

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kairos/topologies"
	"kairos/topologies/golden"
)

//go:generate go test -run ^TestGenerated . -rewrite

// deployed is the topology that the files are for: three brokers, the stages
// keyed by person in a chain, one destination.
func deployed(t *testing.T) *topologies.Topology {
	t.Helper()
	topology, err := topologies.New(topologies.Config{Partitions: 12, Replication: 3, Chained: true, Destinations: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

func TestGeneratedRulesAndDashboard(t *testing.T) {
	topology := deployed(t)
	golden.File(t, "prometheus/alerts.yaml", topologies.AlertRules(topology.Alerts()))
	board, err := topology.Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "grafana/kairos.json", board)
}

func TestEachAlertHasARunbookAndEachRunbookAnAlert(t *testing.T) {
	var alerts, runbooks []string
	for _, a := range deployed(t).Alerts() {
		alerts = append(alerts, a.Name+".md")
	}
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		runbooks = append(runbooks, filepath.Base(file))
	}
	slices.Sort(alerts)
	slices.Sort(runbooks)
	if !slices.Equal(alerts, runbooks) {
		t.Errorf("alerts need the runbooks\n%s\nthere are\n%s", strings.Join(alerts, "\n"), strings.Join(runbooks, "\n"))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"# " + strings.TrimSuffix(filepath.Base(file), ".md") + "\n", "\n## What it means\n", "\n## What to do\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %q: who is woken reads what it means, then what to do", file, strings.TrimSpace(part))
			}
		}
	}
}

var metric = regexp.MustCompile(`kairos_[a-z_]+`)

// declaredMetrics are all names in the sources that metrics are made under.
func declaredMetrics(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	literal := regexp.MustCompile(`"(kairos_[a-z_]+)"`)
	for _, folder := range []string{"../processors", "../cmd"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
				found[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestEachMetricInARuleOrAPanelExistsAndEachMetricIsShown(t *testing.T) {
	declared, shown := declaredMetrics(t), map[string]bool{}
	for _, file := range []string{"prometheus/alerts.yaml", "grafana/kairos.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metric.FindAllString(string(text), -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			shown[base] = true
			if !declared[base] {
				t.Errorf("%s asks for %s, which nothing measures", file, name)
			}
		}
	}
	for name := range declared {
		if !shown[name] && strings.HasPrefix(name, "kairos_host_") && !unshown[name] {
			t.Errorf("%s is measured and shown nowhere", name)
		}
	}
}

// unshown are for whoever asks Prometheus by hand.
var unshown = map[string]bool{"kairos_host_batch_messages": true, "kairos_host_errands_total": true, "kairos_host_out_bytes_total": true, "kairos_host_in_bytes_total": true}

// promtool finds Prometheus' own checker, or skips loudly.
func promtool(t *testing.T) string {
	t.Helper()
	tool := os.Getenv("PROMTOOL")
	if tool == "" {
		tool = "promtool"
	}
	path, err := exec.LookPath(tool)
	if err != nil {
		fmt.Fprintf(os.Stderr, "SKIPPED %s: needs promtool (Debian: prometheus), or PROMTOOL=path\n", t.Name())
		t.Skip("needs promtool (Debian: prometheus), or PROMTOOL=path")
	}
	return path
}

func TestPromtoolAcceptsTheRulesAndTheirTests(t *testing.T) {
	tool := promtool(t)
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		command := exec.Command(tool, args...)
		command.Dir = "prometheus"
		if said, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
		}
	}
}

func TestEachAlertHasAUnitTest(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires := map[string]bool{}
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
		}
	}
	for _, a := range deployed(t).Alerts() {
		if !fires[a.Name] {
			t.Errorf("no test makes %s fire", a.Name)
		}
	}
}

func TestTheDashboardIsWhatGrafanaReads(t *testing.T) {
	text, err := os.ReadFile("grafana/kairos.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids, places := map[int]bool{}, map[string]bool{}
	for _, p := range board.Panels {
		place := fmt.Sprint(p.GridPos)
		if ids[p.ID] || places[place] || p.GridPos.X+p.GridPos.W > 24 || p.Title == "" || p.Type == "timeseries" && len(p.Targets) == 0 {
			t.Errorf("panel %+v lies on another one, off the board, or shows nothing", p)
		}
		ids[p.ID], places[place] = true, true
	}
	if len(board.Panels) < 20 {
		t.Errorf("%d panels only", len(board.Panels))
	}
}

// The image itself needs an engine; what it is made by is read here.
func TestTheContainerHoldsOneStaticBinaryAndNobodyIsRoot(t *testing.T) {
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(text), "\nFROM ")[1:]
	if len(stages) != 2 || !strings.HasPrefix(stages[1], "scratch\n") || !strings.Contains(stages[0], "CGO_ENABLED=0 go build") {
		t.Errorf("the last of its stages is not made of nothing but a static binary:\n%s", text)
	}
	user := regexp.MustCompile(`(?m)^USER ([0-9]+):([0-9]+)$`).FindStringSubmatch(stages[len(stages)-1])
	if user == nil || user[1] == "0" || user[2] == "0" {
		t.Errorf("who runs it: %v", user)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go ([0-9]+\.[0-9]+)`).FindStringSubmatch(string(module))
	if !strings.Contains(stages[0], "golang:"+wanted[1]+" ") {
		t.Errorf("go.mod wants Go %s, and it is built by another", wanted[1])
	}
}

// Whoever has Prometheus' operator has the same alerts as who has its files.
func TestTheOperatorsRulesAreThoseOfTheFile(t *testing.T) {
	type rule struct {
		Alert, Expr, For    string
		Labels, Annotations map[string]string
	}
	var file, object struct {
		Groups []struct{ Rules []rule }
		Spec   struct{ Groups []struct{ Rules []rule } }
	}
	for path, into := range map[string]any{"prometheus/alerts.yaml": &file, "kubernetes/monitoring.yaml": &object} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		documents := strings.Split(string(text), "\n---\n")
		if err := yaml.Unmarshal([]byte(documents[len(documents)-1]), into); err != nil {
			t.Fatal(err)
		}
	}
	if len(file.Groups) != 1 || !reflect.DeepEqual(file.Groups, object.Spec.Groups) {
		t.Errorf("the file has\n%+v\nthe object\n%+v", file.Groups, object.Spec.Groups)
	}
}
