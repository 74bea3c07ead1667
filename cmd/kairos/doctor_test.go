package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kairos/cmd/internal/cluster"
	"kairos/topologies"
)

// healthy runs doctor, who must find nothing wrong but how full the disk is on which
// the tests run.
func healthy(t *testing.T, args ...string) string {
	t.Helper()
	_, out, said := kairos(t.Context(), "", args...)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "wrong ") && !strings.Contains(line, "GiB free") {
			t.Errorf("kairos %s finds %s", strings.Join(args, " "), line)
		}
	}
	return out + said
}

func TestTheDoctorSaysTheNextMove(t *testing.T) {
	brokers := embedded(t)
	if said := expect(t, exitNo, "doctor", brokers); !strings.Contains(said, "kairos topology apply") || !strings.Contains(said, "kairos apply -f DIR") {
		t.Errorf("on an empty cluster it says %s", said)
	}
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	if said := healthy(t, "doctor", brokers, "--state="+t.TempDir()); !strings.Contains(said, "GiB free") || !strings.Contains(said, "all understood") {
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
