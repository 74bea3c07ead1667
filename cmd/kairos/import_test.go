package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kairos/topologies"
)

const crmMapping = `kind: mapping
name: crm
event: customer_changed
id: id
identifiers: {crm_id: id, email: mail}
time: {field: changed, format: DD.MM.YYYY, zone: Europe/Paris}
attributes: [country, points]
types: {points: number}
labels: {email: [C2]}
`

const crmExport = `id;mail;changed;country;points
1;ann@secret.example;01.03.2026;FR;12,5
2;bob@secret.example;02.03.2026;FR;7
3;;03.03.2026;DE;
;;soon;;1
`

// A CRM's export is looked at without Kafka, then imported, and then again.
func TestAnExportIsCheckedImportedAndNotImportedTwice(t *testing.T) {
	folder := t.TempDir()
	definitions, export, rejects := filepath.Join(folder, "crm.yaml"), filepath.Join(folder, "crm.csv"), filepath.Join(folder, "rejects")
	write(t, definitions, crmMapping)
	write(t, export, crmExport)
	said := expect(t, exitNo, "import", export, "--mapping=crm", "--dry-run", "-f", definitions, "--rejects", rejects)
	for _, part := range []string{"4 rows, 2 good, 2 refused", "points", "is no number", "changed", "does not hold an id"} {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q:\n%s", part, said)
		}
	}
	written, err := os.ReadFile(rejects)
	if err != nil || !strings.Contains(string(written), "2\tpoints\tis no number\n") {
		t.Errorf("rejects: %s, %v", written, err)
	}
	brokers := embedded(t)
	if said := expect(t, exitNo, "import", export, "--mapping=crm", brokers); !strings.Contains(said, "there is no mapping crm") {
		t.Errorf("it says %q", said)
	}
	expect(t, 0, "apply", "-f", definitions, brokers, "--partitions=2")
	said += expect(t, exitNo, "import", export, "--mapping=crm", brokers)
	said += expect(t, 0, "import", export, "--mapping=crm", brokers)
	if !strings.Contains(said, "2 imported, 2 refused") || !strings.Contains(said, "nothing was to do") || strings.Contains(said, "secret") {
		t.Errorf("it says %s", said)
	}
	var got []string
	for _, value := range committed(t, brokers, topologies.Events.Name) {
		e, err := topologies.Events.Codec.Decode(value)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID+" "+e.Time.String()+" "+e.Identifiers[0].String())
	}
	if all := strings.Join(got, ", "); len(got) != 2 || !strings.Contains(all, "2 2026-03-01T23:00:00Z crm_id:2") || !strings.Contains(all, "3 2026-03-02T23:00:00Z crm_id:3") {
		t.Errorf("events %v", got)
	}
}

func TestAnImportOnATerminalShowsHowFarItIs(t *testing.T) {
	folder := t.TempDir()
	definitions, export := filepath.Join(folder, "crm.yaml"), filepath.Join(folder, "crm.csv")
	write(t, definitions, crmMapping)
	write(t, export, crmExport)
	var drawn bytes.Buffer
	p := &process{Context: t.Context(), in: strings.NewReader(""), out: io.Discard, err: &drawn, errScreen: true, width: func() int { return 300 }}
	if code := run(p, []string{"import", export, "--mapping=crm", "--dry-run", "-f", definitions}); code != exitNo {
		t.Errorf("it ends with %d", code)
	}
	if said := drawn.String(); !strings.Contains(said, "100 %") || !strings.Contains(said, "4 rows") || !strings.Contains(said, "a second") {
		t.Errorf("it draws %q", said)
	}
}

func TestWrongImportsAreRefused(t *testing.T) {
	export := filepath.Join(t.TempDir(), "crm.csv")
	write(t, export, crmExport)
	brokers := embedded(t)
	for _, c := range []struct {
		code int
		part string
		args []string
	}{
		{exitAsked, "-f is for --dry-run", []string{export, "--mapping=crm", "-f", "."}},
		{exitAsked, "one character", []string{export, "--separator=ab"}},
		{exitFailed, "--mapping", []string{export}},
	} {
		if said := expect(t, c.code, append(append([]string{"import"}, c.args...), brokers)...); !strings.Contains(said, c.part) {
			t.Errorf("%v: it says %q, want %q", c.args, said, c.part)
		}
	}
}
