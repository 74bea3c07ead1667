package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kairos/cmd/internal/collector"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/foreign"
	"kairos/cmd/internal/profileapi"
	"kairos/processors/definition"
	"kairos/processors/delivery"
	"kairos/schemas"
)

// kubernetes gives every object of a file in deploy/kubernetes/base.
func kubernetes(t *testing.T, f func(kind, name string, text []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/base/*.yaml"))
	files = append(files, filepath.Join(root, "deploy/kubernetes/publish.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var o yaml.Node
			if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var head struct {
				Kind     string
				Metadata struct{ Name string }
			}
			if err := o.Decode(&head); err != nil {
				t.Fatal(err)
			}
			whole, err := yaml.Marshal(&o)
			if err != nil {
				t.Fatal(err)
			}
			f(head.Kind, head.Metadata.Name, whole)
		}
	}
}

func TestPodsAreStartedWithCommandsThatExist(t *testing.T) {
	seen := 0
	mounted := mountedFiles(t)
	kubernetes(t, func(kind, name string, text []byte) {
		var workload struct {
			Spec struct {
				Template struct {
					Spec struct{ Containers []struct{ Args []string } }
				}
			}
		}
		if kind != "StatefulSet" && kind != "Deployment" && kind != "Job" {
			return
		}
		if err := yaml.Unmarshal(text, &workload); err != nil {
			t.Fatal(err)
		}
		for _, c := range workload.Spec.Template.Spec.Containers {
			seen++
			for i, arg := range c.Args {
				c.Args[i] = mounted.Replace(arg)
				if strings.HasPrefix(arg, "--metrics=127.") {
					t.Errorf("%s: probes cannot reach loopback", name)
				}
			}
			parses(t, c.Args)
		}
	})
	if seen < 7 {
		t.Errorf("%d containers only", seen)
	}
}

// mountedFiles puts files of here for those that containers are given.
func mountedFiles(t *testing.T) *strings.Replacer {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "tokens.yaml"), read(t, "deploy/compose/tokens.yaml"))
	write(t, filepath.Join(folder, "sources.yaml"), read(t, "deploy/compose/sources.yaml"))
	write(t, filepath.Join(folder, "peer"), "token")
	return strings.NewReplacer("/etc/kairos/api/", folder+"/", "/etc/kairos/sources/", folder+"/", "/etc/kairos/tokens.yaml", folder+"/tokens.yaml",
		"/etc/kairos/sources.yaml", folder+"/sources.yaml", "/definitions", "cmd/kairos/demo/definitions",
		"/etc/kairos/delivery/deliver.yaml", own("deliver.yaml"), "/etc/kairos/ingest/ingest.yaml", own("ingest.yaml"),
		"/etc/kairos/deliver.yaml", laptop("deliver.yaml"), "/etc/kairos/ingest.yaml", laptop("ingest.yaml"))
}

func own(name string) string    { return filepath.Join(root, "deploy/kubernetes/own", name) }
func laptop(name string) string { return filepath.Join(root, "deploy/compose", name) }

// What an overlay of one's own, and the laptop, give deliver and ingest to read.
func TestTheFilesOfDeliverAndIngestAreRead(t *testing.T) {
	folder := t.TempDir()
	for _, secret := range []string{"app", "mail", "registry"} {
		write(t, filepath.Join(folder, secret), "0123456789abcdef")
	}
	here := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(folder, filepath.Base(file))
		write(t, copied, strings.ReplaceAll(string(text), "/etc/kairos/secrets/", folder+"/"))
		return copied
	}
	to, err := (&deliverCommand{File: here(own("deliver.yaml"))}).read()
	if err != nil || len(to.hooks) != 2 {
		t.Errorf("%d webhooks, %v", len(to.hooks), err)
	}
	for _, hook := range to.hooks {
		if _, err := delivery.New(delivery.Config{Webhook: hook, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Error(err)
		}
	}
	if to, err = (&deliverCommand{File: laptop("deliver.yaml")}).read(); err != nil || len(to.drops) != 1 {
		t.Errorf("%d kinds of files, %v", len(to.drops), err)
	}
	for _, file := range []string{here(own("ingest.yaml")), laptop("ingest.yaml")} {
		topics, known, err := readIngest(file, func(error) {})
		if err != nil || len(topics) != 1 {
			t.Errorf("%s: %d topics, %v", file, len(topics), err)
			continue
		}
		if topics[0].Framing == foreign.Plain {
			schema := known.Of(topics[0].Name)
			if schema == nil {
				t.Errorf("%s: there is no schema of %s", file, topics[0].Name)
			} else if _, err := schema.Mapping(); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestTheProbersAudienceIsPublishable(t *testing.T) {
	expect(t, 0, "apply", "--check", "-f", filepath.Join(root, "deploy/definitions"))
}

// guided runs what the guide makes secrets with, and gives the folder that has a
// folder for each, and what it says.
func guided(t *testing.T) (folder, said string) {
	t.Helper()
	folder = t.TempDir()
	all := blocks(read(t, "deploy/README.md"), "sh")
	i := slices.IndexFunc(all, func(block string) bool { return strings.Contains(block, "create secret generic kairos-api") })
	if i < 0 {
		t.Fatal("the guide makes no secret kairos-api")
	}
	// Instead of a cluster: a function that keeps what it is given.
	script := `kubectl() { local name=; for a in "$@"; do case "$a" in
--from-literal=*) a=${a#--from-literal=}; mkdir -p "` + folder + `/$name"; printf %s "${a#*=}" > "` + folder + `/$name/${a%%=*}";;
*) name=$a;; esac; done; }
` + all[i]
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return folder, string(out)
}

func kept(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The secrets that the guide makes are ones that processes take.
func TestTheSecretOfTheGuideHoldsTokensAndThePeers(t *testing.T) {
	folder, _ := guided(t)
	tokens, err := profileapi.ReadTokens(filepath.Join(folder, "kairos-api", "tokens.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	api := profileapi.New(profileapi.Config{Tokens: tokens, Plan: func() *definition.Plan { return nil }, Local: func() profileapi.Local { return nil }})
	for token, asked := range map[string]struct {
		path string
		code int
	}{
		"peer":  {"/v1/rows/t?key=k", http.StatusMisdirectedRequest},
		"probe": {"/v1/profiles/email/a@example.org", http.StatusServiceUnavailable}, // no definitions yet
	} {
		request, answer := httptest.NewRequest(http.MethodGet, asked.path, nil), httptest.NewRecorder()
		request.Header.Set("Authorization", "Bearer "+kept(t, folder, "kairos-api", token))
		if api.ServeHTTP(answer, request); answer.Code != asked.code {
			t.Errorf("%s is answered %d: %s", token, answer.Code, answer.Body)
		}
	}
}

func TestTheKeysOfTheGuideAndOfTheLaptopLetTheirSendersIn(t *testing.T) {
	folder, said := guided(t)
	guard := func(file string) door.Guard {
		t.Helper()
		sources, err := collector.ReadSources(file)
		if err != nil {
			t.Fatal(err)
		}
		return sources.Guard(func() schemas.Instant { return 1 })
	}
	enters := func(guard door.Guard, key, want string) {
		t.Helper()
		request := httptest.NewRequest(http.MethodPost, "/v1/events", nil)
		request.SetBasicAuth(key, "")
		if source, err := guard(request, 1); source != want || (err == nil) != (want != "") {
			t.Errorf("who should come in as %q comes in as %q: %v", want, source, err)
		}
	}
	guide := guard(filepath.Join(folder, "kairos-sources", "sources.yaml"))
	enters(guide, kept(t, folder, "kairos-sources", "probe"), "probe")
	enters(guide, "", "")
	told := regexp.MustCompile("[0-9a-f]{64}").FindAllString(said, -1)
	if len(told) != 3 {
		t.Fatalf("the guide tells %q", told)
	}
	for i, want := range []string{"", "shop", ""} { // a token of the API, a server, a page
		enters(guide, told[i], want)
	}
	enters(guard(laptop("sources.yaml")), "laptop", "laptop")
	enters(guard(laptop("sources.yaml")), "", "")
}

func TestTheSettingsOfPodsAreUnderstood(t *testing.T) {
	kubernetes(t, func(kind, name string, text []byte) {
		var config struct{ Data map[string]string }
		if kind != "ConfigMap" {
			return
		}
		if err := yaml.Unmarshal(text, &config); err != nil {
			t.Fatal(err)
		}
		said := expect(t, 0, "config", withSettings(t, config.Data["kairos.yaml"]))
		for _, line := range []string{"tls: \"true\"", "tls-cert: /etc/kairos/user/user.crt"} {
			if !strings.Contains(said, line) {
				t.Errorf("%s does not say %q:\n%s", name, line, said)
			}
		}
	})
}

func TestTheLaptopsComposeStartsCommandsThatExistAndMountsWhatIsThere(t *testing.T) {
	text := read(t, "deploy/compose/compose.yaml")
	var compose struct {
		Services map[string]struct {
			Image   string
			Build   struct{ Context, Dockerfile string }
			Command []string
			Volumes []string
			Ports   []string
			Depends map[string]any `yaml:"depends_on"`
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(text), &compose); err != nil {
		t.Fatal(err)
	}
	mounted := mountedFiles(t)
	for name, s := range compose.Services {
		if s.Image == "kairos" {
			command := mounted.Replace(strings.Join(s.Command, "\n"))
			var c commands
			parser, err := newParser(&process{Context: t.Context(), out: io.Discard, err: io.Discard}, &c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(strings.Split(command, "\n")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s.Build.Dockerfile != "" {
			read(t, s.Build.Dockerfile)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			_, named := compose.Volumes[from]
			if _, err := os.Stat(filepath.Join(root, "deploy/compose", from)); !named && err != nil {
				t.Errorf("%s mounts %s: %v", name, from, err)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s listens beyond the laptop: %s", name, p)
			}
		}
		for other := range s.Depends {
			if _, there := compose.Services[other]; !there {
				t.Errorf("%s waits for %s, which is not there", name, other)
			}
		}
	}
	if len(compose.Services) < 8 {
		t.Errorf("%d services only", len(compose.Services))
	}
	for _, m := range regexp.MustCompile(`"([a-z]+):9464"`).FindAllStringSubmatch(read(t, "deploy/prometheus/prometheus.yml"), -1) {
		if !slices.Contains(compose.Services[m[1]].Command, "--metrics=0.0.0.0:9464") {
			t.Errorf("Prometheus asks %s, who tells nothing", m[1])
		}
	}
}
