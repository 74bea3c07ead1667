package deploy

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkers finds kubectl, which builds overlays, and the schemas: what `make
// checkers` gathers. It skips loudly without.
func checkers(t *testing.T) (kubectl, schemas string) {
	t.Helper()
	schemas, err := filepath.Abs(cmp.Or(os.Getenv("KUBERNETES_SCHEMAS"), "../.schemas"))
	if err != nil {
		t.Fatal(err)
	}
	kubectl, missing := exec.LookPath(cmp.Or(os.Getenv("KUBECTL"), filepath.Join(schemas, "kubectl")))
	if missing != nil {
		kubectl, missing = exec.LookPath("kubectl")
	}
	if _, err := os.Stat(schemas); err != nil || missing != nil {
		const needs = "needs kubectl (or KUBECTL=path) and `make checkers` (or KUBERNETES_SCHEMAS=folder)"
		fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", t.Name(), needs)
		t.Skip(needs)
	}
	return kubectl, schemas
}

// conform holds objects against the schemas, strictly.
func conform(schemas string, objects []byte) (said string, err error) {
	check := exec.Command("go", "run", "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0", "-strict", "-summary",
		"-schema-location", filepath.Join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json"))
	check.Stdin = bytes.NewReader(objects)
	text, err := check.CombinedOutput()
	return string(text), err
}

// With kubectl and the schemas at hand, the overlays are built and held against
// them, with what is applied by itself; so are objects with a mistake.
func TestKubernetesAcceptsTheOverlays(t *testing.T) {
	kubectl, schemas := checkers(t)
	var all []byte
	for _, file := range []string{"publish.yaml", "monitoring.yaml"} {
		text, err := os.ReadFile("kubernetes/" + file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, "\n---\n"...), text...)
	}
	for _, overlay := range overlays {
		built, err := exec.Command(kubectl, "kustomize", "kubernetes/"+overlay).Output()
		if err != nil {
			t.Fatalf("kustomize %s: %v", overlay, err)
		}
		scales(t, overlay, built)
		all = append(append(all, "\n---\n"...), built...)
	}
	said, err := conform(schemas, all)
	if err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	t.Log(said)
	for kind, field := range map[string]string{
		"PodDisruptionBudget": "maxUnavailable:", "KafkaUser": "patternType:", "HorizontalPodAutoscaler": "averageValue:",
		"PodMonitor": "interval:", "PrometheusRule": "expr:",
	} {
		refused := false
		for _, text := range strings.Split(string(all), "\n---\n") {
			if !strings.Contains(text, "kind: "+kind+"\n") || !strings.Contains(text, field) {
				continue
			}
			said, err := conform(schemas, []byte(strings.ReplaceAll(text, field, "x"+field)))
			if refused = err != nil && strings.Contains(said, "Invalid: 1"); !refused {
				t.Errorf("a %s with a field that does not exist is accepted: %v, %s", kind, err, said)
			}
			break
		}
		if !refused {
			t.Errorf("no mistake in a %s is refused", kind)
		}
	}
}

// scales looks whether what was built is what its overlay says.
func scales(t *testing.T, overlay string, built []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), overlay)
	if err := os.WriteFile(file, built, 0o600); err != nil {
		t.Fatal(err)
	}
	all := objects(t, file)
	for _, r := range must(t, objects(t, "kubernetes/"+overlay+"/kustomization.yaml")[0], "replicas").([]any) {
		name, count := must(t, r.(object), "name").(string), must(t, r.(object), "count")
		o := of(all, "Deployment", name)
		if o == nil {
			o = of(all, "StatefulSet", name)
		}
		if got := must(t, o, "spec/replicas"); got != count {
			t.Errorf("%s: %s has %v processes, want %v", overlay, name, got, count)
		}
	}
	for _, o := range workloads(t, all) {
		for _, v := range must(t, o, "spec/template/spec/volumes").([]any) {
			if name, ok := at(v, "configMap/name"); ok && overlay == "own" && of(all, "ConfigMap", name.(string)) == nil {
				t.Errorf("%s: %v mounts %s, which is not built", overlay, must(t, o, "metadata"), name)
			}
		}
	}
}

func TestComposeIsAsItsSpecificationWants(t *testing.T) {
	_, schemas := checkers(t)
	text, err := os.ReadFile("compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = append([]byte("apiVersion: compose/v1\nkind: Compose\n"), text...)
	if said, err := conform(schemas, text); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err := conform(schemas, bytes.ReplaceAll(text, []byte("read_only:"), []byte("readonly:"))); err == nil {
		t.Errorf("a field that does not exist is accepted: %s", said)
	}
}
