package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func aBroker(t *testing.T) *broker {
	dir := t.TempDir()
	return &broker{dir: dir, port: 1, jars: filepath.Join(dir, "jars")}
}

func TestWithoutJavaStartSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", "")
	err := aBroker(t).start("pom.xml", &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "install Java") {
		t.Fatalf("got %v", err)
	}
}

func TestWithoutMavenStartSaysWhatToInstall(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	err := aBroker(t).start("pom.xml", &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "install Maven") {
		t.Fatalf("got %v", err)
	}
}

func TestAPortInUseIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	b := aBroker(t)
	b.port = listener.Addr().(*net.TCPAddr).Port
	if err := b.start("pom.xml", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), b.address()) {
		t.Fatalf("got %v", err)
	}
}

// A pid file outlives a machine that went down; its number then belongs to
// somebody else, who must not be stopped.
func TestAProcessThatIsNotTheBrokerIsNeverStopped(t *testing.T) {
	b := aBroker(t)
	if err := os.WriteFile(b.pidFile(), fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := b.stop(&said); err != nil || !strings.Contains(said.String(), "no broker runs") {
		t.Fatalf("got %q, %v", said.String(), err)
	}
	if err := b.status(&said); err == nil {
		t.Fatal("a broker that does not run has a status")
	}
}

func TestTheBrokerListensOnLoopbackOnlyAndASettingOfOnesOwnWins(t *testing.T) {
	b := aBroker(t)
	b.settings = settings{"num.io.threads=3"}
	config := b.config()
	for line := range strings.Lines(config) {
		if name, value, _ := strings.Cut(line, "="); name == "listeners" || name == "advertised.listeners" {
			for address := range strings.SplitSeq(value, ",") {
				if !strings.Contains(address, "://127.0.0.1:") {
					t.Errorf("%s is not on loopback", line)
				}
			}
		}
	}
	if !strings.HasSuffix(config, "num.io.threads=3\n") {
		t.Errorf("a setting given with -set is not the last word:\n%s", config)
	}
}
