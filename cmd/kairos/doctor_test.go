package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

func TestTheDoctorSaysTheNextMove(t *testing.T) {
	brokers := embedded(t)
	if said := expect(t, exitNo, "doctor", brokers); !strings.Contains(said, "kairos topology apply") || !strings.Contains(said, "kairos apply -f DIR") {
		t.Errorf("on an empty cluster it says %s", said)
	}
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	if said := expect(t, 0, "doctor", brokers, "--state="+t.TempDir()); !strings.Contains(said, "GiB free") || !strings.Contains(said, "all understood") {
		t.Errorf("on one that is fit it says %s", said)
	}
	code, out, _ := kairos(t.Context(), "", "doctor", "--json", brokers)
	var findings []cluster.Finding
	if err := json.Unmarshal([]byte(out), &findings); code != 0 || err != nil || len(findings) < 5 {
		t.Errorf("for machines: %d, %v\n%s", code, err, out)
	}
	taken := filepath.Join(t.TempDir(), "taken")
	write(t, taken, "")
	if said := expect(t, exitNo, "doctor", brokers, "--state="+taken); !strings.Contains(said, "--state") {
		t.Errorf("of a folder that is a file it says %s", said)
	}
}

func TestTheDoctorLooksAtRights(t *testing.T) {
	g := guardedBroker(t)
	g.prepare(t)
	operator := mustTopology(t).ACLs(topologies.OperatorRole)
	g.grant(t, operator...)
	look := append([]string{"doctor", "--role=door,identity,person"}, g.user...)
	if said := expect(t, exitNo, look...); !strings.Contains(said, "Write transactionalId kairos.person-*") {
		t.Errorf("it says %s", said)
	}
	g.grant(t, needed(t)...)
	if said := expect(t, 0, look...); !strings.Contains(said, "may do what it needs") {
		t.Errorf("then it says %s", said)
	}
}

func TestTheDoctorCallsOnWhoCannotBeReached(t *testing.T) {
	g := guardedBroker(t)
	t.Setenv("KAIROS_WRONG", "close sesame")
	said := expect(t, exitNo, append([]string{"doctor"}, append(slices.Clone(g.user), "--sasl-password=env:KAIROS_WRONG")...)...)
	if !strings.Contains(said, "--sasl-password") || strings.Contains(said, "sesame") {
		t.Errorf("with a wrong password it says %s", said)
	}
}

func completions(t *testing.T, line ...string) []string {
	t.Helper()
	return strings.Fields(expect(t, 0, append([]string{"completion", "words", "--"}, line...)...))
}

func TestCompletionKnowsCommandsFlagsAndTheirValues(t *testing.T) {
	for want, line := range map[string][]string{
		"topology":      {"topo"},
		"acls":          {"topology", "ac"},
		"--tls-ca=":     {"run", "--tls-ca"},
		"--clock=log":   {"run", "--clock=l"},
		"--config=":     {"status", "--conf"},
		"zsh":           {"completion", "z"},
		"--unchained":   {"run", "door", "--unch"},
		"--sasl-scope=": {"doctor", "--brokers=a:1", "--sasl-sc"},
	} {
		if got := completions(t, line...); !slices.Equal(got, []string{want}) {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}
	if got := completions(t, ""); !slices.Contains(got, "run") || !slices.Contains(got, "doctor") {
		t.Errorf("nothing completes to %q", got)
	}
}

func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	dir := t.TempDir()
	answer := "#!" + bash + "\nprintf 'topology\\n'; echo \"$@\" > " + dir + "/asked\n"
	if err := os.WriteFile(filepath.Join(dir, "kairos"), []byte(answer), 0o755); err != nil {
		t.Fatal(err)
	}
	script := expect(t, 0, "completion", "bash") + "COMP_WORDS=(kairos --json topo); COMP_CWORD=2; _kairos; echo \"got ${COMPREPLY[@]}\"\n"
	command := exec.Command(bash, "-c", script)
	command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || string(out) != "got topology\n" || string(asked) != "completion words -- --json topo\n" {
		t.Errorf("bash says %q after asking %q: %v", out, asked, err)
	}
}
