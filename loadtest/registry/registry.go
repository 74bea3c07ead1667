// Package registry gives tests a real registry of schemas of their own, Apicurio
// behind Confluent's interface, on loopback; it is stopped and deleted with the
// test.
//
// In: a test. Out: a registry's URL, and the means to take it away and bring it
// back, with what the test puts into it before anybody else can ask. Without Java 21 or Maven the test is skipped,
// and says so on standard error; KAIROS_KAFKA=off and required count here too.
//
// Not here: what is asked of it (cmd/internal/foreign).
package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"kairos/loadtest/loopback"
)

// artifact is where Maven finds the registry.
const artifact = "io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all"

// Registry is a running registry.
type Registry struct {
	URL string // for everybody; a proxy, so that the registry is not there before it is filled

	java, dir, direct string // URL without the proxy
	address, behind   string // host:port of both
	process           *exec.Cmd
	door              *http.Server
}

// Start runs a registry for the length of the test.
func Start(t testing.TB) *Registry {
	t.Helper()
	java, err := findJava()
	if err == nil {
		_, err = exec.LookPath("mvn")
	}
	switch wish := os.Getenv("KAIROS_KAFKA"); {
	case wish == "off":
		t.Skip("KAIROS_KAFKA=off")
	case err != nil && wish == "required":
		t.Fatalf("needs a real registry of schemas: %v", err)
	case err != nil:
		fmt.Fprintf(os.Stderr, "SKIPPED %s: needs a real registry of schemas: %v\n", t.Name(), err)
		t.Skip(err)
	}
	r := &Registry{java: java, dir: t.TempDir()}
	for _, command := range [][]string{
		{"mvn", "-q", "-B", "dependency:copy", "-Dartifact=" + artifact, "-DoutputDirectory=" + r.dir},
		{"sh", "-c", "tar xzf *.tar.gz && rm *.tar.gz"},
	} {
		c := exec.Command(command[0], command[1:]...)
		c.Dir = r.dir
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, said)
		}
	}
	r.address, r.behind = freeAddress(t), freeAddress(t)
	r.URL, r.direct = "http://"+r.address+path, "http://"+r.behind+path
	r.Return(t, func() {})
	t.Cleanup(r.Leave)
	return r
}

const path = "/apis/ccompat/v7"

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := loopback.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Return brings the registry up, empty, lets fill register what must be there,
// and opens it for everybody.
func (r *Registry) Return(t testing.TB, fill func()) {
	t.Helper()
	r.launch(t)
	fill()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.door = &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.behind})}
	go r.door.Serve(listener)
}

// launch returns once the registry answers.
func (r *Registry) launch(t testing.TB) {
	t.Helper()
	log, err := os.Create(filepath.Join(r.dir, "registry.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r.process = exec.Command(r.java, "-Xmx256m", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+portOf(r.behind), "-jar", "quarkus-run.jar")
	r.process.Dir, r.process.Stdout, r.process.Stderr = r.dir, log, log
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	deadline, again := time.After(90*time.Second), time.NewTicker(100*time.Millisecond)
	defer again.Stop()
	for {
		answer, err := http.Get(r.direct + "/subjects")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-again.C:
		case <-deadline:
			said, _ := os.ReadFile(log.Name())
			r.Leave()
			t.Fatalf("the registry does not answer at %s: %v\n%s", r.direct, err, said)
		}
	}
}

// Leave takes the registry away, and all that was in it.
func (r *Registry) Leave() {
	if r.door != nil {
		_ = r.door.Close()
		r.door = nil
	}
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait()
		r.process = nil
	}
}

// Register puts a schema under a subject and gives its id.
func (r *Registry) Register(t testing.TB, subject, schema string, references ...sr.SchemaReference) int {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(r.direct), sr.HTTPClient(&http.Client{Timeout: time.Minute})) // the first answer takes its time on a busy machine
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.CreateSchema(context.Background(), subject, sr.Schema{Schema: schema, References: references})
	if err != nil {
		t.Fatalf("register %s: %v", subject, err)
	}
	return made.ID
}

// Latest is the newest schema of a subject.
func (r *Registry) Latest(t testing.TB, subject string) sr.SubjectSchema {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(r.direct), sr.HTTPClient(&http.Client{Timeout: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	found, err := client.SchemaByVersion(context.Background(), subject, -1)
	if err != nil {
		t.Fatalf("look up %s: %v", subject, err)
	}
	return found
}

var version = regexp.MustCompile(`version "(\d+)`)

// findJava finds a Java that is new enough, on the PATH or beside it.
func findJava() (string, error) {
	found, _ := filepath.Glob("/usr/lib/jvm/*/bin/java")
	for _, java := range append([]string{"java"}, found...) {
		said, err := exec.Command(java, "-version").CombinedOutput()
		if m := version.FindSubmatch(said); err == nil && m != nil {
			if major, _ := strconv.Atoi(string(m[1])); major >= 21 {
				return java, nil
			}
		}
	}
	return "", fmt.Errorf("no Java 21 or later on the PATH or in /usr/lib/jvm (Debian: temurin-25-jdk)")
}
