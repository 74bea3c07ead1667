package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// kubernetes gives every object of a file in deploy/kubernetes/base.
func kubernetes(t *testing.T, f func(kind, name string, text []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/base/*.yaml"))
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
	kubernetes(t, func(kind, name string, text []byte) {
		var workload struct {
			Spec struct {
				Template struct {
					Spec struct{ Containers []struct{ Args []string } }
				}
			}
		}
		if kind != "StatefulSet" && kind != "Deployment" {
			return
		}
		if err := yaml.Unmarshal(text, &workload); err != nil {
			t.Fatal(err)
		}
		for _, c := range workload.Spec.Template.Spec.Containers {
			seen++
			parses(t, c.Args)
			if strings.HasPrefix(c.Args[len(c.Args)-1], "--metrics=127.") {
				t.Errorf("%s: probes cannot reach loopback", name)
			}
		}
	})
	if seen < 3 {
		t.Errorf("%d containers only", seen)
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
	for name, s := range compose.Services {
		if s.Image == "kairos" {
			command := strings.ReplaceAll(strings.Join(s.Command, "\n"), "/definitions", filepath.Join(root, "cmd/kairos/demo/definitions"))
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
