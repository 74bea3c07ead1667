package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kairos/cmd/kairos/demo"
	"kairos/loadtest/cdnow"
	"kairos/loadtest/judge"
	"kairos/loadtest/loopback"
	"kairos/schemas"
)

// kairos runs a command as a terminal would, and gives back what it says.
func kairos(ctx context.Context, in string, args ...string) (code int, out, complaints string) {
	var stdout, stderr bytes.Buffer
	p := &process{Context: ctx, in: strings.NewReader(in), out: &stdout, err: &stderr, width: func() int { return 100 }}
	code = run(p, args)
	return code, stdout.String(), stderr.String()
}

func expect(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, out, complaints := kairos(t.Context(), "", args...)
	if code != want {
		t.Fatalf("kairos %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, complaints)
	}
	return out + complaints
}

func embedded(t *testing.T) string {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return "--brokers=" + broker.ListenAddrs()[0]
}

// lines is where a command that goes on for long writes; it can be waited for.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
	more  chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) said() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// running runs `kairos run` until the test ends.
type running struct {
	door, metrics, api string
	log                *lines
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	addresses := apart(t, 3)
	r := &running{door: addresses[0], metrics: addresses[1], api: addresses[2], log: &lines{more: make(chan struct{}, 1)}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		p := &process{Context: ctx, in: strings.NewReader(""), out: r.log, err: r.log, width: func() int { return 100 }}
		ended <- run(p, append([]string{"run", "--door=" + r.door, "--metrics=" + r.metrics, "--api=" + r.api}, args...))
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kairos run says\n%s", r.log.said())
		}
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("kairos run ended with %d:\n%s", code, r.log.said())
		}
	})
	return r
}

func free(t *testing.T) string { return apart(t, 1)[0] }

// apart gives addresses that are free and not the same.
func apart(t *testing.T, many int) []string {
	t.Helper()
	addresses, err := loopback.Apart(many)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// await asks until the answer is yes.
func await(t *testing.T, what string, ask func() bool) {
	t.Helper()
	deadline, again := time.After(60*time.Second), time.NewTicker(50*time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (r *running) await(t *testing.T, path string, status int) {
	t.Helper()
	await(t, path+" answers", func() bool {
		response, err := http.Get("http://" + r.metrics + path)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == status
	})
}

func TestAskingWronglyIsSaidWithCodeTwo(t *testing.T) {
	for _, args := range [][]string{
		{"dance"}, {"demo", "--no-such-flag"}, {"topology", "topics", "--partitions=-1"}, {"apply", "--check", "-f", "no-such-folder"},
		{"replay", "cdnow", "--variant=backwards"}, {"replay", "cdnow", "--to=1996-01-01"}, {"deadletters", "list", "nonsense"},
		{"deadletters", "resend"}, {"inspect", "person", "sarah"}, {"run", "nobody"}, {"send", "email=a@b"},
	} {
		if said := expect(t, exitAsked, args...); !strings.HasPrefix(said, "kairos: ") && !strings.Contains(said, "\nkairos: ") {
			t.Errorf("kairos %s says %q", strings.Join(args, " "), said)
		}
	}
}

func TestABrokerThatDoesNotAnswerIsCodeOne(t *testing.T) {
	if testing.Short() {
		t.Skip("waits five seconds for nobody")
	}
	if said := expect(t, exitFailed, "topology", "check", "--brokers=127.0.0.1:1"); !strings.Contains(said, "make kafka") {
		t.Errorf("said %q", said)
	}
}

func TestHelpSaysHowToStart(t *testing.T) {
	if said := expect(t, 0, "--help"); !strings.Contains(said, "kairos demo") || !strings.Contains(said, "Exit codes") {
		t.Errorf("said %q", said)
	}
}

func TestBadDefinitionsAreRefusedWithTheirPlace(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "audiences.yaml")
	write(t, file, "kind: audience\nname: buyers\nwhen: events(\"purchase\").cuont() > 1\n")
	brokers := embedded(t)
	for _, args := range [][]string{{"apply", "-f", folder, brokers}, {"apply", "-f", file, brokers}, {"apply", "--check", "-f", folder}} {
		if said := expect(t, exitAsked, args...); !strings.Contains(said, file+":3:") || !strings.Contains(said, "nothing was published") {
			t.Errorf("kairos %s says %q", strings.Join(args, " "), said)
		}
	}
}

func TestAFolderWithoutDefinitionsWithdrawsNothing(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	file := filepath.Join(folder, "a.yaml")
	write(t, file, "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n")
	expect(t, 0, "apply", "-f", folder, brokers)
	for _, empty := range []string{t.TempDir(), os.DevNull} {
		if said := expect(t, exitAsked, "apply", "-f", empty, brokers); !strings.Contains(said, "there is no definition in "+empty) {
			t.Errorf("of %s it says %q", empty, said)
		}
	}
	if said := expect(t, 0, "apply", "-f", folder, brokers); said != "nothing changed\n" {
		t.Errorf("then the definitions again: %q", said)
	}
}

func TestStagesThatHaveWorkedInAChainDoNotStartApart(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=1")
	t.Run("chained", func(t *testing.T) {
		r := start(t, brokers)
		r.await(t, "/readyz", http.StatusOK)
		expect(t, 0, "send", "--door=http://"+r.door, "device_id=d1", "cancel")
		await(t, "the event has gone through", func() bool {
			code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "device_id=d1")
			return code == 0 && strings.Contains(out, "told to app")
		})
	})
	addresses := apart(t, 2)
	said := expect(t, exitFailed, "run", "--unchained", "--door="+addresses[0], "--metrics="+addresses[1], "--api=", brokers)
	if !strings.Contains(said, "count twice") || !strings.Contains(said, "--unchained always or never") {
		t.Errorf("it says %q", said)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestApplyPublishesWhatChangedAndAFileLeavesTheOthersAlone(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	write(t, filepath.Join(folder, "a.yaml"), "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n")
	if said := expect(t, 0, "apply", "-f", folder, brokers); said != "new        audience buyers, version 1\n" {
		t.Errorf("at first %q", said)
	}
	single := filepath.Join(t.TempDir(), "b.yaml")
	write(t, single, "kind: destination\nname: shop\naudiences: [buyers]\nidentifiers: [email]\n")
	if said := expect(t, 0, "apply", "-f", single, brokers); said != "new        destination shop, version 1\n" {
		t.Errorf("one file %q", said)
	}
	if said := expect(t, 0, "topology", "diff", brokers); said != "" {
		t.Errorf("the new destination has no stream: %q", said)
	}
	if said := expect(t, 0, "apply", "-f", folder, brokers); said != "withdrawn  destination shop, version 2\n" {
		t.Errorf("the folder again %q", said)
	}
}

func TestDemoExitPrintsASummaryForMachines(t *testing.T) {
	code, out, complaints := kairos(t.Context(), "", "demo", "--exit", "--days=3")
	var summary demo.Summary
	if err := json.Unmarshal([]byte(out), &summary); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, complaints)
	}
	if summary.Events == 0 || summary.People == 0 || len(summary.Audiences) < 8 || summary.DeadLetters != 0 || summary.Seconds <= 0 {
		t.Errorf("the summary is %s", out)
	}
}

func TestAPersonIsFollowedFromTheDoorToTheExplanation(t *testing.T) {
	brokers := embedded(t)
	r := start(t, brokers, "--partitions=2")
	r.await(t, "/readyz", http.StatusServiceUnavailable) // no definitions yet
	r.await(t, "/live", http.StatusOK)
	r.await(t, "/startup", http.StatusOK)
	r.await(t, "/ready", http.StatusServiceUnavailable)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers)
	r.await(t, "/ready", http.StatusOK)
	r.await(t, "/metrics", http.StatusOK)

	door := "--door=http://" + r.door
	expect(t, 0, "send", door, "device_id=d1", "email=Sarah@Example.org", "login", "channel=app")
	// With her login on it: before, what she does would be told with the merge.
	await(t, "her device and her e-mail address are one person", func() bool {
		code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "device_id=d1")
		return code == 0 && strings.Contains(out, "email:sarah@example.org") && strings.Contains(out, "device_id:d1") && strings.Contains(out, "login")
	})
	expect(t, 0, "send", door, `{"name": "cancel", "identifiers": {"email": "sarah@example.org"}, "attributes": {"first_name": "Sarah"}}`)
	if said := expect(t, exitNo, "send", door, `{"name": "cancel"}`); !strings.Contains(said, "/0/identifiers") {
		t.Errorf("the door says %q", said)
	}
	await(t, "Sarah is in win_back", func() bool {
		code, out, _ := kairos(t.Context(), "", "explain", brokers, "email=SARAH@example.org", "win_back")
		return code == 0 && strings.Contains(out, "is in win_back") && strings.Contains(out, "because events(cancel)")
	})
	if said := expect(t, 0, "inspect", "person", brokers, "device_id=d1"); !strings.Contains(said, "first_name") || !strings.Contains(said, "Sarah") {
		t.Errorf("inspect says %s", said)
	}
	if said := expect(t, exitNo, "inspect", "person", brokers, "email=nobody@example.org"); !strings.Contains(said, "nobody is known by") {
		t.Errorf("about nobody it says %q", said)
	}
	if said := expect(t, exitAsked, "explain", brokers, "device_id=d1", "win_bck"); !strings.Contains(said, "win_back") {
		t.Errorf("about a misspelled audience it says %q", said)
	}
}

func TestNewDefinitionsAreTakenUpWithoutARestart(t *testing.T) {
	brokers, folder := embedded(t), t.TempDir()
	write(t, filepath.Join(folder, "a.yaml"), "kind: audience\nname: buyers\nwhen: events(\"purchase\").any()\n")
	expect(t, 0, "apply", "-f", folder, brokers, "--partitions=2")
	r := start(t, brokers)
	r.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+r.door, "email=a@example.org", "purchase")
	write(t, filepath.Join(folder, "b.yaml"), "kind: destination\nname: shop\naudiences: [buyers]\nidentifiers: [email]\n")
	expect(t, 0, "apply", "-f", folder, brokers)
	await(t, "the new destination knows who has bought", func() bool {
		code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "email=a@example.org")
		return code == 0 && strings.Contains(out, "told to shop")
	})

	write(t, filepath.Join(folder, "c.yaml"), "kind: audience\nname: once\nwhen: events(\"purchase\").count() == 1\n")
	expect(t, 0, "apply", "-f", folder, brokers)
	await(t, "a new audience has whoever was there before it", func() bool {
		code, out, _ := kairos(t.Context(), "", "explain", brokers, "email=a@example.org", "once")
		return code == 0 && strings.Contains(out, "is in once")
	})

	await(t, "a history of 1997 is refused by a pipeline that lives today", func() bool {
		code, _, complaints := kairos(t.Context(), "", "replay", "cdnow", brokers, "--to=1997-01-02")
		return code == exitNo && strings.Contains(complaints, "it is 20")
	})
}

func TestAReplayOnAClusterSaysWhatTheJudgeSays(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=3")
	r := start(t, brokers, "--clock=log")
	r.await(t, "/readyz", http.StatusOK)
	first := []string{"replay", "cdnow", brokers, "--to=1997-01-04", "--variant=shuffled", "--no-wait"}
	expect(t, 0, first...)
	if said := expect(t, exitNo, first...); !strings.Contains(said, "it is 1997-01-03T23:59:59.999Z already") {
		t.Errorf("the same again: %s", said)
	}
	code, out, complaints := kairos(t.Context(), "", "replay", "cdnow", brokers, "--from=1997-01-04", "--to=1997-01-08", "--variant=doubled", "--json")
	var summary replaySummary
	if err := json.Unmarshal([]byte(out), &summary); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, complaints)
	}
	purchases, err := cdnow.Purchases()
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse(time.DateOnly, "1997-01-08")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, a := range judge.Expect(purchases, schemas.InstantOf(end)-1).Audiences {
		want[a.Name] = a.Size
	}
	for _, a := range summary.Audiences {
		if a.Size != want[a.Name] {
			t.Errorf("%s has %d people, the judge says %d", a.Name, a.Size, want[a.Name])
		}
	}
	if said := fmt.Sprint(summary.Events); said == "0" || !strings.Contains(complaints, "fed in") {
		t.Errorf("%s events; it says %s", said, complaints)
	}
}

func TestStagesMayRunInProcessesOfTheirOwn(t *testing.T) {
	brokers := embedded(t)
	expect(t, 0, "apply", "-f", "demo/definitions", brokers, "--partitions=2", "--unchained")
	door := start(t, brokers, "--unchained", "door", "identity", "propensity")
	others := start(t, brokers, "--unchained", "profile", "segment", "destination")
	door.await(t, "/readyz", http.StatusOK)
	others.await(t, "/readyz", http.StatusOK)
	expect(t, 0, "send", "--door=http://"+door.door, "device_id=d1", "cancel")
	await(t, "all five stages have done their part", func() bool {
		code, out, _ := kairos(t.Context(), "", "inspect", "person", brokers, "device_id=d1")
		return code == 0 && strings.Contains(out, "told to app") && strings.Contains(out, "repurchase")
	})
}
