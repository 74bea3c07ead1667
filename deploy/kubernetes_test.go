package deploy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kairos/topologies"
	"kairos/topologies/golden"
)

func TestGeneratedKubernetes(t *testing.T) {
	files, err := Kubernetes(deployed(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		golden.File(t, "kubernetes/"+name, text)
	}
}

// objects reads all objects of a file.
func objects(t *testing.T, path string) []object {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, o)
	}
}

// base are the objects that overlays begin with.
func base(t *testing.T) []object {
	t.Helper()
	var all []object
	files, err := filepath.Glob("kubernetes/base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		listed = append(listed, filepath.Base(file))
		all = append(all, objects(t, file)...)
	}
	resources := texts(objects(t, "kubernetes/base/kustomization.yaml")[0]["resources"])
	slices.Sort(resources)
	if !slices.Equal(resources, listed) {
		t.Errorf("kustomization.yaml names %v, there are %v", resources, listed)
	}
	return all
}

func texts(v any) []string {
	var all []string
	for _, one := range v.([]any) {
		all = append(all, fmt.Sprint(one))
	}
	return all
}

// at follows a path such as spec/volumes/0 into an object.
func at(v any, path string) (any, bool) {
	for _, word := range strings.Split(strings.Trim(path, "/"), "/") {
		switch inside := v.(type) {
		case object:
			next, ok := inside[word]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			n, err := strconv.Atoi(word)
			if err != nil || n >= len(inside) {
				return nil, false
			}
			v = inside[n]
		default:
			return nil, false
		}
	}
	return v, true
}

func must(t *testing.T, o object, path string) any {
	t.Helper()
	v, ok := at(o, path)
	if !ok {
		t.Fatalf("%s %v has no %s", o["kind"], o["metadata"], path)
	}
	return v
}

func of(all []object, kind, name string) object {
	for _, o := range all {
		if n, _ := at(o, "metadata/name"); o["kind"] == kind && (name == "" || n == name) {
			return o
		}
	}
	return nil
}

func TestWhatPodsMountExistsAndTheyAreNobody(t *testing.T) {
	all, pods := base(t), 0
	for _, o := range all {
		if o["kind"] != "StatefulSet" && o["kind"] != "Deployment" {
			continue
		}
		pods++
		name := must(t, o, "metadata/name").(string)
		for _, v := range must(t, o, "spec/template/spec/volumes").([]any) {
			if secret, ok := at(v, "secret/secretName"); ok && secret != "kairos-cluster-ca-cert" && secret != "kairos-api" && of(all, "KafkaUser", secret.(string)) == nil {
				t.Errorf("%s mounts the secret %s, which Strimzi makes for no user", name, secret)
			}
			if config, ok := at(v, "configMap/name"); ok && of(all, "ConfigMap", config.(string)) == nil {
				t.Errorf("%s mounts %s, which is not there", name, config)
			}
		}
		container := "spec/template/spec/containers/0/"
		for path, want := range map[string]any{
			"securityContext/readOnlyRootFilesystem": true, "securityContext/allowPrivilegeEscalation": false, "securityContext/runAsNonRoot": true,
			"livenessProbe/httpGet/path": "/live", "readinessProbe/httpGet/path": "/ready", "startupProbe/httpGet/path": "/startup",
		} {
			if got := must(t, o, container+path); got != want {
				t.Errorf("%s: %s is %v, want %v", name, path, got, want)
			}
		}
		for _, kind := range []string{"Service", "PodDisruptionBudget", "NetworkPolicy"} {
			if of(all, kind, name) == nil {
				t.Errorf("%s has no %s", name, kind)
			}
		}
	}
	if pods < 3 {
		t.Errorf("%d kinds of pods only", pods)
	}
}

// The API is found where pods listen, and lets in peers and those marked.
func TestTheAPIIsServedWherePodsListen(t *testing.T) {
	all := base(t)
	service := of(all, "Service", "kairos-api")
	if service == nil {
		t.Fatal("there is no Service kairos-api")
	}
	group := must(t, service, "spec/selector").(object)["kairos/group"]
	pods := of(all, "StatefulSet", fmt.Sprintf("kairos-%s", group))
	args := texts(must(t, pods, "spec/template/spec/containers/0/args"))
	port := must(t, service, "spec/ports/0/port")
	if !slices.Contains(args, fmt.Sprintf("--api=0.0.0.0:%v", port)) {
		t.Errorf("kairos-api is port %v, its pods have %v", port, args)
	}
	peers := args[slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--peers=") })]
	for _, o := range all {
		if o["kind"] != "StatefulSet" {
			continue
		}
		name := must(t, o, "metadata/name").(string)
		most := must(t, of(all, "HorizontalPodAutoscaler", name), "spec/maxReplicas").(int)
		for n := range most {
			if peer := fmt.Sprintf("http://%s-%d.%s:%v", name, n, must(t, o, "spec/serviceName"), port); !slices.Contains(strings.Split(strings.TrimPrefix(peers, "--peers="), ","), peer) {
				t.Errorf("%s is no peer", peer)
			}
		}
		policy := fmt.Sprint(must(t, of(all, "NetworkPolicy", name), "spec"))
		if n := strings.Count(policy, fmt.Sprintf("port:%v", port)); n != 2 { // in and out
			t.Errorf("the policy of %s names port %v %d times: %s", name, port, n, policy)
		}
	}
}

func TestEachTopicIsMadeByStrimziAsItIsDeclared(t *testing.T) {
	all, topology := base(t), deployed(t)
	for _, topic := range topology.Topics() {
		o := of(all, "KafkaTopic", topic.Name)
		if o == nil {
			t.Errorf("there is no KafkaTopic %s", topic.Name)
			continue
		}
		if got := must(t, o, "spec/partitions"); got != int(topology.PartitionsOf(topic)) {
			t.Errorf("%s has %v partitions", topic.Name, got)
		}
	}
	for _, role := range append(roles(topology), topologies.OperatorRole) {
		if of(all, "KafkaUser", "kairos-"+role) == nil {
			t.Errorf("there is no KafkaUser for %s", role)
		}
	}
}

// Overlays patch what exists: kustomize itself is not at hand everywhere.
func TestOverlaysPatchWhatExists(t *testing.T) {
	all := base(t)
	for _, overlay := range []string{"small", "large"} {
		k := objects(t, "kubernetes/"+overlay+"/kustomization.yaml")[0]
		for _, r := range must(t, k, "replicas").([]any) {
			name := must(t, r.(object), "name").(string)
			if of(all, "StatefulSet", name) == nil && of(all, "Deployment", name) == nil {
				t.Errorf("%s gives replicas to %s, which is not there", overlay, name)
			}
		}
		for _, p := range must(t, k, "patches").([]any) {
			kind := must(t, p.(object), "target/kind").(string)
			if of(all, kind, "") == nil {
				t.Errorf("%s patches a %s, and there is none", overlay, kind)
			}
			var operations []struct{ Op, Path string }
			if err := yaml.Unmarshal([]byte(must(t, p.(object), "patch").(string)), &operations); err != nil {
				t.Fatalf("%s: %v", overlay, err)
			}
			for _, o := range all {
				for _, operation := range operations {
					path := operation.Path
					if operation.Op == "add" {
						path = filepath.Dir(path)
					}
					if o["kind"] == kind {
						must(t, o, path)
					}
				}
			}
		}
	}
}

// checkers finds kubectl, which builds overlays, and the schemas that
// `make checkers` gathers, or skips loudly.
func checkers(t *testing.T) (kubectl, schemas string) {
	t.Helper()
	kubectl, schemas = cmp.Or(os.Getenv("KUBECTL"), "kubectl"), cmp.Or(os.Getenv("KUBERNETES_SCHEMAS"), "../.schemas")
	kubectl, missing := exec.LookPath(kubectl)
	if _, err := os.Stat(schemas); err != nil || missing != nil {
		const needs = "needs kubectl (or KUBECTL=path) and `make checkers` (or KUBERNETES_SCHEMAS=folder)"
		fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", t.Name(), needs)
		t.Skip(needs)
	}
	return kubectl, schemas
}

// With kubectl and the schemas of Kubernetes and Strimzi at hand, both overlays
// are built and held against the schemas; so is one with a mistake.
func TestKubernetesAcceptsBothOverlays(t *testing.T) {
	kubectl, schemas := checkers(t)
	check := func(built []byte) (string, error) {
		check := exec.Command("go", "run", "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0", "-strict", "-summary",
			"-schema-location", filepath.Join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json"))
		check.Stdin = bytes.NewReader(built)
		said, err := check.CombinedOutput()
		return string(said), err
	}
	publish, err := os.ReadFile("kubernetes/publish.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := check(publish); err != nil {
		t.Errorf("publish.yaml: %v\n%s", err, said)
	}
	for _, overlay := range []string{"small", "large"} {
		built, err := exec.Command(kubectl, "kustomize", "kubernetes/"+overlay).Output()
		if err != nil {
			t.Fatalf("kustomize %s: %v", overlay, err)
		}
		said, err := check(built)
		if err != nil {
			t.Errorf("%s: %v\n%s", overlay, err, said)
		}
		t.Logf("%s: %s", overlay, said)
		for _, field := range []string{"maxUnavailable:", "patternType:"} {
			if said, err := check(bytes.ReplaceAll(built, []byte(field), []byte("x"+field))); err == nil {
				t.Errorf("%s with a field that does not exist is accepted: %s", overlay, said)
			}
		}
	}
}
