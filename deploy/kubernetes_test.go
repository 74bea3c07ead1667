package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
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

// workloads are the base's objects that run pods.
func workloads(t *testing.T, all []object) []object {
	t.Helper()
	run := slices.DeleteFunc(slices.Clone(all), func(o object) bool { return o["kind"] != "StatefulSet" && o["kind"] != "Deployment" })
	if len(run) < 7 {
		t.Errorf("%d kinds of pods only", len(run))
	}
	return run
}

// madeByHand lists what the guide, or an overlay of one's own, makes of a kind.
func madeByHand(t *testing.T, kind string) []string {
	t.Helper()
	guide, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile("create (secret generic|configmap) ([a-z-]+)").FindAllStringSubmatch(string(guide), -1) {
		if strings.HasPrefix(strings.ToLower(kind), strings.Fields(m[1])[0]) {
			names = append(names, m[2])
		}
	}
	if kind == "ConfigMap" {
		for _, g := range must(t, objects(t, "kubernetes/own/kustomization.yaml")[0], "configMapGenerator").([]any) {
			names = append(names, must(t, g.(object), "name").(string))
		}
	}
	return names
}

func TestWhatPodsMountExistsAndTheyAreNobody(t *testing.T) {
	all := base(t)
	secrets, configs := append(madeByHand(t, "Secret"), "kairos-cluster-ca-cert"), madeByHand(t, "ConfigMap")
	for _, o := range workloads(t, all) {
		name := must(t, o, "metadata/name").(string)
		for _, v := range must(t, o, "spec/template/spec/volumes").([]any) {
			if secret, ok := at(v, "secret/secretName"); ok && !slices.Contains(secrets, secret.(string)) && of(all, "KafkaUser", secret.(string)) == nil {
				t.Errorf("%s mounts the secret %s, which neither Strimzi nor the guide makes", name, secret)
			}
			if config, ok := at(v, "configMap/name"); ok && !slices.Contains(configs, config.(string)) && of(all, "ConfigMap", config.(string)) == nil {
				t.Errorf("%s mounts %s, which is not there", name, config)
			}
		}
		container := "spec/template/spec/containers/0/"
		wanted := map[string]any{
			"securityContext/readOnlyRootFilesystem": true, "securityContext/allowPrivilegeEscalation": false, "securityContext/runAsNonRoot": true,
			"livenessProbe/httpGet/path": "/live", "readinessProbe/httpGet/path": "/ready", "startupProbe/httpGet/path": "/startup",
		}
		kinds := []string{"Service", "PodDisruptionBudget", "NetworkPolicy"}
		if name == "kairos-"+topologies.OperatorRole { // nobody waits for it
			maps.DeleteFunc(wanted, func(path string, _ any) bool { return strings.Contains(path, "Probe/") })
			kinds = []string{"NetworkPolicy"}
		}
		for path, want := range wanted {
			if got := must(t, o, container+path); got != want {
				t.Errorf("%s: %s is %v, want %v", name, path, got, want)
			}
		}
		if want := fmt.Sprint(must(t, o, "spec/selector/matchLabels")); !strings.Contains(fmt.Sprint(must(t, o, "spec/template/spec/affinity/podAntiAffinity")), want) {
			t.Errorf("pods of %s may all be on one machine", name)
		}
		must(t, o, container+"resources/limits/memory")
		for _, kind := range kinds {
			if of(all, kind, name) == nil {
				t.Errorf("%s has no %s", name, kind)
			}
		}
	}
}

// reaches says whether a policy lets its pods reach an address that is no pod's,
// such as one of the internet.
func reaches(t *testing.T, policy object, address string) bool {
	t.Helper()
	at := netip.MustParseAddr(address)
	for _, rule := range must(t, policy, "spec/egress").([]any) {
		to, _ := rule.(object)["to"].([]any)
		for _, whom := range to {
			block, ok := whom.(object)["ipBlock"].(object)
			if !ok || !netip.MustParsePrefix(block["cidr"].(string)).Contains(at) {
				continue
			}
			if !slices.ContainsFunc(block["except"].([]any), func(p any) bool { return netip.MustParsePrefix(p.(string)).Contains(at) }) {
				return true
			}
		}
	}
	return false
}

func TestOnlyDeliveryReachesTheInternetAndNobodyWithin(t *testing.T) {
	all := base(t)
	for _, o := range all {
		if o["kind"] != "NetworkPolicy" {
			continue
		}
		name := must(t, o, "metadata/name")
		for _, public := range []string{"93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"} {
			if reaches(t, o, public) != (name == "kairos-delivery") {
				t.Errorf("%s reaches %s: %v", name, public, name != "kairos-delivery")
			}
		}
		for _, own := range []string{"10.96.0.1", "127.0.0.1", "169.254.169.254", "172.20.1.1", "192.168.1.1", "100.100.0.1", "0.0.0.0", "239.1.1.1", "::1", "fd00::1", "fe80::1", "64:ff9b::a00:1", "2002:a00:1::1"} {
			if reaches(t, o, own) {
				t.Errorf("%s reaches %s, which is within", name, own)
			}
		}
		for _, rule := range must(t, o, "spec/egress").([]any) {
			if ports, _ := rule.(object)["ports"].([]any); rule.(object)["to"] == nil && !strings.Contains(fmt.Sprint(ports), "port:53 ") {
				t.Errorf("%s reaches everybody: %v", name, rule)
			}
		}
	}
	if of(all, "NetworkPolicy", "kairos-probe") == nil || strings.Contains(fmt.Sprint(of(all, "NetworkPolicy", "kairos-probe")), "strimzi") {
		t.Error("the prober reaches Kafka, and need not")
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
	peers, groups := args[slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--peers=") })], 0
	for _, o := range all {
		name := fmt.Sprint(must(t, o, "metadata").(object)["name"])
		scaled := of(all, "HorizontalPodAutoscaler", name)
		if o["kind"] != "StatefulSet" || name == "kairos-"+topologies.IngestRole { // no group of stages
			continue
		}
		groups++
		most := must(t, scaled, "spec/maxReplicas").(int)
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
	if want := len(deployed(t).Groups); groups != want {
		t.Errorf("%d groups, want %d", groups, want)
	}
}

// What scales goes by what more processes mend, and never to more of them than
// have work. A destination is not scaled: see the guide.
func TestAutoscalersAreOfWhatIsThereAndHasARequest(t *testing.T) {
	all := base(t)
	scaled := map[string]bool{}
	for _, o := range all {
		if o["kind"] != "HorizontalPodAutoscaler" {
			continue
		}
		kind, name := must(t, o, "spec/scaleTargetRef/kind").(string), must(t, o, "spec/scaleTargetRef/name").(string)
		scaled[name] = true
		run := of(all, kind, name)
		if run == nil {
			t.Errorf("%s %s is scaled, and not there", kind, name)
			continue
		}
		if least := must(t, o, "spec/minReplicas").(int); least > must(t, run, "spec/replicas").(int) {
			t.Errorf("%s begins with fewer than its autoscaler's %d", name, least)
		}
		if metric, cpu := at(o, "spec/metrics/0/resource/name"); cpu {
			must(t, run, fmt.Sprintf("spec/template/spec/containers/0/resources/requests/%v", metric))
		}
	}
	for _, o := range workloads(t, all) {
		name := must(t, o, "metadata/name").(string)
		if want := !slices.Contains([]string{"kairos-delivery", "kairos-probe", "kairos-operator"}, name); scaled[name] != want {
			t.Errorf("%s is scaled: %v, want %v", name, scaled[name], want)
		}
	}
}

// Nobody gets in at the door without a key, and each process sees no other's.
func TestTheDoorAsksForKeysAndTheProberHasItsOwn(t *testing.T) {
	all := base(t)
	sees := func(name, argument, file string) {
		t.Helper()
		o := of(all, "Deployment", name)
		if args := texts(must(t, o, "spec/template/spec/containers/0/args")); !slices.Contains(args, argument+"/etc/kairos/sources/"+file) {
			t.Errorf("%s is started with %q", name, args)
		}
		volumes := must(t, o, "spec/template/spec/volumes").([]any)
		i := slices.IndexFunc(volumes, func(v any) bool { secret, _ := at(v, "secret/secretName"); return secret == "kairos-sources" })
		if i < 0 {
			t.Fatalf("%s has no keys", name)
		}
		if items, _ := at(volumes[i], "secret/items"); fmt.Sprint(items) != fmt.Sprintf("[map[key:%s path:%s]]", file, file) {
			t.Errorf("%s sees %v", name, items)
		}
	}
	sees("kairos-door", "--sources=", "sources.yaml")
	sees("kairos-probe", "--key=file:", "probe")
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
	for _, overlay := range overlays {
		k := objects(t, "kubernetes/"+overlay+"/kustomization.yaml")[0]
		for _, r := range must(t, k, "replicas").([]any) {
			name := must(t, r.(object), "name").(string)
			if of(all, "StatefulSet", name) == nil && of(all, "Deployment", name) == nil {
				t.Errorf("%s gives replicas to %s, which is not there", overlay, name)
			}
		}
		for _, p := range must(t, k, "patches").([]any) {
			var operations []struct{ Op, Path string }
			if err := yaml.Unmarshal([]byte(must(t, p.(object), "patch").(string)), &operations); err != nil {
				t.Fatalf("%s: %v", overlay, err)
			}
			patched := targets(t, all, must(t, p.(object), "target").(object))
			if len(patched) == 0 {
				t.Errorf("%s patches %v, which is not there", overlay, must(t, p.(object), "target"))
			}
			for _, o := range patched {
				for _, operation := range operations {
					path := operation.Path
					if operation.Op == "add" {
						path = filepath.Dir(path)
					}
					must(t, o, path)
				}
			}
		}
	}
}

var overlays = []string{"small", "large", "own"}

// targets are the objects that a patch is for, whose kind and name are patterns.
func targets(t *testing.T, all []object, target object) []object {
	t.Helper()
	matches := func(field, text string) bool {
		pattern, given := target[field].(string)
		return !given || regexp.MustCompile("^(?:"+pattern+")$").MatchString(text)
	}
	return slices.DeleteFunc(slices.Clone(all), func(o object) bool {
		return !matches("kind", fmt.Sprint(o["kind"])) || !matches("name", fmt.Sprint(must(t, o, "metadata").(object)["name"]))
	})
}
