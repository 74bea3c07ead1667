package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kairos/cmd/internal/whatif"
)

const (
	oneCustomer = "kind: identity\nnamespaces:\n  - {name: crm_id, priority: 100, per_person: 1}\n  - {name: email, priority: 80}\n"
	twoOfThem   = "kind: identity\nnamespaces:\n  - {name: crm_id, priority: 100, per_person: 2}\n  - {name: email, priority: 80}\n"
)

func TestWhatIfSaysWhatApplyThenDoes(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	write(t, filepath.Join(folder, "identity.yaml"), oneCustomer)
	write(t, filepath.Join(folder, "audiences.yaml"), "kind: audience\nname: regulars\nwhen: events(\"purchase\").count() >= 2\n")
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=2")
	r := start(t, brokers)
	r.await(t, "/readyz", http.StatusOK)
	for _, customer := range []string{"crm_id=1", "crm_id=2"} { // two numbers, one address
		expect(t, 0, "send", "--door=http://"+r.door, customer, "email=sarah@example.org", "purchase")
	}
	inspect := func(wanted ...string) func() bool {
		return func() bool {
			code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "crm_id=2")
			return code == 0 && strings.Contains(out, wanted[0]) && strings.Contains(out, wanted[1])
		}
	}
	await(t, "the newer customer number has bought, and the link is known", inspect("purchase", "crm_id:2  "))

	rules := filepath.Join(t.TempDir(), "identity.yaml")
	write(t, rules, twoOfThem)
	asked := []string{"identity", "what-if", "-f", rules, brokers}
	var report whatif.Report
	await(t, "the merge is foreseen", func() bool {
		code, out, complaints := kairos(t.Context(), "", append(asked, "--json")...)
		report = whatif.Report{}
		if err := json.Unmarshal([]byte(out), &report); code != 0 || err != nil {
			t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, complaints)
		}
		return report.Merges.Count == 1
	})
	if report.People != (whatif.Count{Before: 2, After: 1}) || report.Splits.Count != 0 || len(report.Audiences) != 1 || report.Audiences[0].Enter != 1 {
		t.Errorf("it reports %+v", report)
	}
	if text := expect(t, 0, asked...); !strings.Contains(text, "per-person (crm_id)") || !strings.Contains(text, "enters regulars") {
		t.Errorf("it says %s", text)
	}

	if said := expect(t, 0, "apply", "-f", rules, brokers); said != "changed    identity identity, version 2\n" {
		t.Errorf("what-if has published something: then apply says %q", said)
	}
	await(t, "the two are one", inspect("crm_id:1", "regulars"))
	if text := expect(t, 0, asked...); !strings.Contains(text, "nothing would change") {
		t.Errorf("of what is published it says %s", text)
	}
}

func TestWhatIfRefusesWrongRulesAsApplyDoes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity.yaml")
	write(t, file, "kind: identity\nmax_identifiers: many\n")
	if said := expect(t, exitAsked, "identity", "what-if", "-f", file, embedded(t)); !strings.Contains(said, file+":2:") || !strings.Contains(said, "nothing was published") {
		t.Errorf("it says %q", said)
	}
}

func TestPrecisionIsMeasuredWithoutKafka(t *testing.T) {
	if said := expect(t, 0, "identity", "precision", "--people=40", "--events=800"); !strings.Contains(said, "all protections") {
		t.Errorf("it says %q", said)
	}
	if said := expect(t, 0, "identity", "precision", "--people=40", "--events=800", "--rules=no protection"); strings.Contains(said, "all protections") {
		t.Errorf("asked for one kind of rules it says %q", said)
	}
	expect(t, exitAsked, "identity", "precision", "--people=0")
	expect(t, exitAsked, "identity", "precision", "--rules=nonsense")
}
