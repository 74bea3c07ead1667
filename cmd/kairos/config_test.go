package main

import (
	"path/filepath"
	"strings"
	"testing"

	"kairos/topologies/golden"
)

//go:generate go test -run ^TestTheReferenceOfSettingsIsThatOfTheCommands$ . -rewrite

func TestTheReferenceOfSettingsIsThatOfTheCommands(t *testing.T) {
	golden.File(t, filepath.Join(root, "deploy/SETTINGS.md"), expect(t, 0, "config", "reference"))
}

// withSettings writes a file of settings and names it.
func withSettings(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kairos.yaml")
	write(t, file, text)
	return "--config=" + file
}

func TestTheCommandLineWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	file := withSettings(t, "topology: {partitions: 3, replication: 3, unchained: true}\n")
	count := func(args ...string) string {
		t.Helper()
		for line := range strings.Lines(expect(t, 0, append([]string{"topology", "topics", file}, args...)...)) {
			if fields := strings.Fields(line); fields[0] == "kairos.door.events" {
				return fields[2]
			}
		}
		return ""
	}
	if got := count(); got != "3" {
		t.Errorf("the file says 3 partitions, there are %s", got)
	}
	if said := expect(t, 0, "topology", "topics", file); !strings.Contains(said, "kairos.segment.memberships") {
		t.Errorf("the file says unchained: %s", said)
	}
	t.Setenv("KAIROS_PARTITIONS", "5")
	if got := count(); got != "5" {
		t.Errorf("the environment says 5, there are %s", got)
	}
	if got := count("--partitions=7"); got != "7" {
		t.Errorf("the command line says 7, there are %s", got)
	}
}

func TestACommandHearsItsSectionAndThoseThatAllShare(t *testing.T) {
	broker := strings.TrimPrefix(embedded(t), "--brokers=")
	file := withSettings(t, "kafka: {brokers: ['"+broker+"']}\nrun: {door: '', metrics: 1.2.3.4:x}\nstatus: {max-lag: 5m}\n")
	if said := expect(t, exitNo, "status", file); !strings.Contains(said, "kairos topology apply") {
		t.Errorf("status on the file's broker says %s", said)
	}
	if said := expect(t, exitFailed, "run", file); !strings.Contains(said, "choose another with --metrics") {
		t.Errorf("run with the file's address says %s", said)
	}
}

func TestSettingsThatNobodyKnowsAreRefusedWithTheirLine(t *testing.T) {
	for text, words := range map[string]string{
		"kafka:\n  brokres: [a]\n":           `kairos.yaml:2: kafka: there is no setting "brokres"`,
		"kafak: {}\n":                        `there is no section "kafak"`,
		"run:\n  json: true\n":               `there is no setting "json"`,
		"run:\n  clock: sun\n":               `"sun" is none of wall,log`,
		"topology:\n  partitions: many\n":    "kairos.yaml:2: topology: partitions:",
		"status:\n  max-lag: {seconds: 5}\n": "want a plain value",
		"run: [\n":                           "kairos.yaml",
	} {
		for _, command := range []string{"status", "config"} {
			if said := expect(t, exitAsked, command, withSettings(t, text)); !strings.Contains(said, words) {
				t.Errorf("%q: kairos %s says %s", text, command, said)
			}
		}
	}
	if said := expect(t, exitAsked, "status", "--config=/nowhere"); !strings.Contains(said, "/nowhere") {
		t.Errorf("of a file that is not there: %s", said)
	}
}

func TestWhatCountsIsPrintedWithItsSourceAndWithoutSecrets(t *testing.T) {
	file := withSettings(t, "kafka: {sasl: plain, sasl-user: kairos, sasl-password: hunter2, sasl-token-url: 'https://kairos:hunter3@id.example/token', brokers: [a:1, b:2]}\nrun: {verbose: true}\n")
	t.Setenv("KAIROS_SASL_TOKEN", "hunter4")
	t.Setenv("KAIROS_TLS_CA", "/etc/ca.pem")
	said := expect(t, 0, "config", file)
	if strings.Contains(said, "hunter") {
		t.Errorf("it prints a secret:\n%s", said)
	}
	for _, line := range []string{"brokers: [a:1, b:2]", "sasl-password: '***'", "sasl-token: '***'", "tls-ca: /etc/ca.pem", "# KAIROS_TLS_CA", "clock: wall", "# default", "# file", "# partitions:"} {
		if !strings.Contains(said, line) {
			t.Errorf("it does not say %q:\n%s", line, said)
		}
	}
	file = withSettings(t, "kafka: {tls: true, sasl: plain, sasl-user: kairos, sasl-password: hunter2}\n")
	t.Setenv("KAIROS_SASL_TOKEN", "")
	t.Setenv("KAIROS_TLS_CA", "")
	if said := expect(t, exitFailed, "status", file); strings.Contains(said, "hunter") || !strings.Contains(said, "a secret is not written here") {
		t.Errorf("a secret in the file: %s", said)
	}
}

func TestWhatIsPrintedIsAFileOfTheSameSettings(t *testing.T) {
	first := expect(t, 0, "config", withSettings(t, "kafka: {brokers: [a:1, b:2], tls: true}\nrun: {peers: ['http://x:1']}\n"))
	again := expect(t, 0, "config", withSettings(t, first))
	strip := strings.NewReplacer("# default", "", "# file", "", " ", "")
	if strip.Replace(first) != strip.Replace(again) {
		t.Errorf("first\n%s\nthen\n%s", first, again)
	}
}
