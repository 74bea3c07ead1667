package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kairos/cmd/internal/profileapi"
	"kairos/processors/definition"
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
	if seen < 4 {
		t.Errorf("%d containers only", seen)
	}
}

// mountedFiles puts files of here for those that containers are given.
func mountedFiles(t *testing.T) *strings.Replacer {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "tokens.yaml"), read(t, "deploy/compose/tokens.yaml"))
	write(t, filepath.Join(folder, "peer"), "token")
	return strings.NewReplacer("/etc/kairos/api/", folder+"/", "/etc/kairos/tokens.yaml", folder+"/tokens.yaml", "/definitions", "cmd/kairos/demo/definitions")
}

// The secret that the guide makes is one that processes take.
func TestTheSecretOfTheGuideHoldsTokensAndThePeers(t *testing.T) {
	folder := t.TempDir()
	guide := read(t, "deploy/README.md")
	i := slices.IndexFunc(blocks(guide, "sh"), func(block string) bool { return strings.Contains(block, "create secret generic kairos-api") })
	if i < 0 {
		t.Fatal("the guide makes no secret kairos-api")
	}
	// Instead of a cluster: a function that keeps what it is given.
	script := "kubectl() { for a in \"$@\"; do case \"$a\" in --from-literal=*) a=${a#--from-literal=}; printf %s \"${a#*=}\" > \"" + folder + "/${a%%=*}\";; esac; done; }\n" + blocks(guide, "sh")[i]
	if said, err := exec.CommandContext(t.Context(), "bash", "-euc", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	tokens, err := profileapi.ReadTokens(filepath.Join(folder, "tokens.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := os.ReadFile(filepath.Join(folder, "peer"))
	if err != nil {
		t.Fatal(err)
	}
	api := profileapi.New(profileapi.Config{Tokens: tokens, Plan: func() *definition.Plan { return nil }, Local: func() profileapi.Local { return nil }})
	request, answer := httptest.NewRequest(http.MethodGet, "/v1/rows/t?key=k", nil), httptest.NewRecorder()
	request.Header.Set("Authorization", "Bearer "+string(peer))
	if api.ServeHTTP(answer, request); answer.Code != http.StatusMisdirectedRequest {
		t.Errorf("a peer is answered %d: %s", answer.Code, answer.Body)
	}
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
	if len(compose.Services) < 5 {
		t.Errorf("%d services only", len(compose.Services))
	}
}
