package stage_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"kairos/processors/stage"
	"kairos/schemas"
)

func TestAWakeBeforeARecordRunsBeforeIt(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20 then:wake=30")
	store.say(t, run, "k", 40, "hello")
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20 then:wake=30", "k 20 woken", "k 30 woken", "k 40 hello"})
}

func TestAWakeAtTheTimeOfARecordWaitsForIt(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20")
	store.say(t, run, "k", 20, "wake=0")
	store.wake(t, run, "k", 99)
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20", "k 20 wake=0"})
}

func TestALateRecordDoesNotTurnBackItsKeysTime(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 100, "wake=150")
	store.say(t, run, "k", 7, "late pass=k")
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 100 wake=150", "k 100 late pass=k", "k 100 reply heard"})
	store.say(t, run, "k", 160, "after")
	if got := store.lines(t, writerTable, "k")[3]; got != "k 150 woken" {
		t.Errorf("the wake after a late record: %q", got)
	}
}

func TestWakesRunUpToTheTimeAskedAndNoFurther(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20 then:wake=30")
	e := store.wake(t, run, "k", 20)
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20 then:wake=30", "k 20 woken"})
	if len(e.Rows) != 1 || e.Rows[0].Wake != 30 || schemas.WakeOf(e.Rows[0].Value) != 30 {
		t.Errorf("the row asks for the next wake at %v", e.Rows)
	}
	if e := store.wake(t, run, "k", 29); len(e.Rows)+len(e.Records)+len(e.Drops) != 0 {
		t.Errorf("a wake that is not due did something: %v", e)
	}
	if e := store.wake(t, run, "nobody", 99); len(e.Rows)+len(e.Records)+len(e.Drops) != 0 {
		t.Errorf("a wake without a row did something: %v", e)
	}
}

func TestAChainDeliversWithoutATopic(t *testing.T) {
	store, run := rows{}, chain(t)
	e := store.say(t, run, "k", 10, "pass=k")
	same(t, "topics", topicsOf(e), []string{echoes.Name, replies.Name})
	same(t, "reader", store.lines(t, readerTable, "k"), []string{"k 10 passed"})
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 pass=k", "k 10 reply heard"})
}

func TestAPublicStreamIsProducedAlthoughTheChainReadsIt(t *testing.T) {
	e := rows{}.say(t, chain(t), "k", 10, "pass=k")
	if got := topicsOf(e)[1]; got != replies.Name {
		t.Errorf("the public stream within the chain was not produced, but %s", got)
	}
}

func TestTheLoopLeavesTheChain(t *testing.T) {
	store, run := rows{}, chain(t)
	e := store.say(t, run, "k", 10, "tell=other")
	if len(e.Records) != 1 || e.Records[0].Topic != loop.Name || e.Records[0].Key != "other" || e.Records[0].PartitionBy != "other" {
		t.Fatalf("records %v", e.Records)
	}
	same(t, "other key", store.lines(t, writerTable, "other"), nil)
	back := stage.Message{Topic: loop.Name, Key: "other", Value: e.Records[0].Value}
	effects, err := run.Message(store, back)
	if err != nil {
		t.Fatal(err)
	}
	store.apply(effects)
	same(t, "other key", store.lines(t, writerTable, "other"), []string{"other 10 told"})
}

func TestAStageOfItsOwnSpeaksThroughTopics(t *testing.T) {
	store := rows{}
	write, read := runner(t, separate[0], writer()), runner(t, separate[1], reader())
	e := store.say(t, write, "k", 10, "pass=k")
	same(t, "topics", topicsOf(e), []string{passed.Name})
	effects, err := read.Message(store, stage.Message{Topic: passed.Name, Key: "k", Value: e.Records[0].Value})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "topics", topicsOf(effects), []string{echoes.Name, replies.Name})
}

func TestTheWordsOfAWakeComeBeforeWhatIsQueued(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20 then:pass=k")
	store.say(t, run, "k", 30, "pass=k")
	same(t, "reader", store.lines(t, readerTable, "k"), []string{"k 20 passed", "k 30 passed"})
}

func TestAWakeBetweenAMessageAndItsConsequenceComesBetweenThem(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=12 late-pass=15")
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=12 late-pass=15", "k 12 woken", "k 15 reply heard"})
}

func TestARefusalLeavesOneDeadLetterAndNothingElse(t *testing.T) {
	store, run := rows{}, chain(t)
	m := message(t, "k", 10, "pass=k drop tell=x refuse")
	letter := onlyLetter(t, store.say(t, run, "k", 10, "pass=k drop tell=x refuse"))
	if letter.Reason != "kairos-writer-unwanted" || letter.Stage != "writer" || letter.Cause != 10 {
		t.Errorf("letter %+v", letter)
	}
	if letter.Topic != notes.Name || letter.Partition != 3 || letter.Offset != 42 || string(letter.Key) != "k" || !bytes.Equal(letter.Value, m.Value) {
		t.Errorf("the letter does not hold the record: %+v", letter)
	}
}

func TestAPanicLeavesOneDeadLetterAndNothingElse(t *testing.T) {
	store, run := rows{}, chain(t)
	letter := onlyLetter(t, store.say(t, run, "k", 10, "pass=k panic"))
	if letter.Reason != "kairos-writer-panic" || !strings.Contains(letter.Detail, "planted") || !strings.Contains(letter.Detail, "toys_test.go") {
		t.Errorf("letter %s: %s", letter.Reason, letter.Detail)
	}
}

func TestAPanicFurtherDownTheChainUndoesAllOfIt(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 5, "hello pass=k")
	before := store.lines(t, writerTable, "k")
	letter := onlyLetter(t, store.say(t, run, "k", 10, "fail-behind"))
	if letter.Stage != "reader" || letter.Topic != notes.Name {
		t.Errorf("letter %+v", letter)
	}
	same(t, "writer", store.lines(t, writerTable, "k"), before)
}

func TestTheSamePanicGivesTheSameBytes(t *testing.T) {
	run, done := chain(t), make(chan []byte)
	for range 2 { // on two goroutines: neither their numbers nor addresses may show
		go func() { done <- rows{}.say(t, run, "k", 10, "panic").Records[0].Value }()
	}
	if a, b := <-done, <-done; !bytes.Equal(a, b) {
		t.Errorf("two dead letters of one record differ:\n%q\n%q", a, b)
	}
}

func TestAFailedAttemptLeavesNoTraceInTheNextOne(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20 then:panic")
	e := store.say(t, run, "k", 30, "hello") // the wake fails first; both in one call
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20 then:panic", "k 30 hello"})
	if all := letters(t, e); len(all) != 1 || all[0].Reason != "kairos-writer-panic" || all[0].Cause != 20 || len(all[0].Value) != 0 {
		t.Errorf("want one letter for the wake, got %v", all)
	}
}

func TestWhatWakesDidStandsWhateverFailsBehindThem(t *testing.T) {
	for _, fails := range []string{"panic", "refuse", "fail-behind", "delete panic"} {
		store, run := rows{}, chain(t)
		store.say(t, run, "k", 10, "wake=20 then:pass=k")
		e := store.say(t, run, "k", 40, fails)
		if all := letters(t, e); len(all) != 1 || all[0].Cause != 40 || len(e.Drops) != 1 {
			t.Fatalf("%s: want one letter for the message, got %v", fails, all)
		}
		same(t, fails+", writer", store.lines(t, writerTable, "k")[1:], []string{"k 20 woken", "k 20 reply heard"})
		same(t, fails+", reader", store.lines(t, readerTable, "k"), []string{"k 20 passed"})
		store.say(t, run, "k", 50, "hello")
		if got := store.lines(t, writerTable, "k")[3]; got != "k 50 hello" {
			t.Errorf("%s: what follows is %q", fails, got)
		}
	}
}

func TestAWakeThatFailsCostsTheSamePromptOrOvertaken(t *testing.T) {
	run := chain(t)
	var tables [2]rows
	var said [2][]byte
	for i, prompt := range []bool{true, false} {
		store := rows{}
		store.say(t, run, "k", 10, "wake=20 then:pass=k,panic panic")
		var records []stage.Record
		if prompt {
			records = store.wake(t, run, "k", 25).Records
		}
		records = append(records, store.say(t, run, "k", 30, "pass=k").Records...)
		tables[i] = store
		for _, record := range records {
			said[i] = append(append(said[i], record.Topic...), record.Value...)
		}
	}
	if !bytes.Equal(said[0], said[1]) {
		t.Errorf("records differ:\n%q\n%q", said[0], said[1])
	}
	for key, row := range tables[0] {
		if !bytes.Equal(row, tables[1][key]) {
			t.Errorf("row %v differs: %q, %q", key, row, tables[1][key])
		}
	}
}

func TestAPoisonedWakeIsRemovedAndNotRetried(t *testing.T) {
	for name, then := range map[string]string{
		"panic":                    "panic",
		"refusal":                  "refuse",
		"panic down the chain":     "fail-behind",
		"a due wake left":          "keep-wake",
		"a wake in the past":       "wake=20",
		"a row that was not given": "forget-row",
	} {
		t.Run(name, func(t *testing.T) {
			store, run := rows{}, chain(t)
			store.say(t, run, "k", 10, "wake=20 then:"+then)
			e := store.wake(t, run, "k", 25)
			if len(letters(t, e)) != 1 || len(e.Records) != 1 || len(e.Drops) != 1 {
				t.Fatalf("want one dead letter, got %v, drops %v", topicsOf(e), e.Drops)
			}
			if letter := letters(t, e)[0]; letter.Topic != "(wake)" || string(letter.Key) != "k" {
				t.Errorf("letter %+v", letter)
			}
			if len(e.Rows) != 1 || e.Rows[0].Table != writerTable.Name || e.Rows[0].Wake != 0 {
				t.Fatalf("rows %v: want the writer's without its wake", e.Rows)
			}
			same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20 then:" + then})
			if e := store.wake(t, run, "k", 99); len(e.Rows)+len(e.Records)+len(e.Drops) != 0 {
				t.Errorf("the wake came back: %v", e)
			}
		})
	}
}

func TestAStepThatLeavesADueWakeIsABug(t *testing.T) {
	for _, text := range []string{"wake=10", "wake=9"} {
		letter := onlyLetter(t, rows{}.say(t, chain(t), "k", 10, text))
		if letter.Reason != "kairos-writer-panic" || !strings.Contains(letter.Detail, "deals with everything up to its time") {
			t.Errorf("%s: letter %s: %s", text, letter.Reason, letter.Detail)
		}
	}
}

func TestAWakeThatNoStepHandlesIsABug(t *testing.T) {
	value, err := noteCodec.Append(nil, &note{10, "wake=20"})
	if err != nil {
		t.Fatal(err)
	}
	effects, err := runner(t, separate[1], reader()).Message(rows{}, stage.Message{Topic: passed.Name, Key: "k", Value: value})
	if err != nil {
		t.Fatal(err)
	}
	if letter := onlyLetter(t, effects); letter.Reason != "kairos-reader-panic" {
		t.Errorf("letter %s", letter.Reason)
	}
}

func TestOnlyALoopMayLeadToAnotherKey(t *testing.T) {
	letter := onlyLetter(t, rows{}.say(t, chain(t), "k", 10, "pass=other"))
	if !strings.Contains(letter.Detail, "only a loop may") {
		t.Errorf("letter %s", letter.Detail)
	}
}

func TestBadBytesLeaveOneDeadLetterAndNothingElse(t *testing.T) {
	good := message(t, "k", 10, "hello")
	alter := func(f func(*stage.Message)) stage.Message {
		m := good
		m.Value = bytes.Clone(good.Value)
		f(&m)
		return m
	}
	for reason, m := range map[string]stage.Message{
		stage.ReasonEmptyKey:      alter(func(m *stage.Message) { m.Key = "" }),
		stage.ReasonTooLarge:      alter(func(m *stage.Message) { m.Value = make([]byte, 2<<20) }),
		stage.ReasonUnknownSchema: alter(func(m *stage.Message) { m.Value[2] ^= 1 }),
		stage.ReasonUndecodable:   alter(func(m *stage.Message) { m.Value = m.Value[:len(m.Value)-1] }),
		stage.ReasonTime:          message(t, "k", 1<<60, "hello"),
	} {
		t.Run(reason, func(t *testing.T) {
			effects, err := chain(t).Message(rows{}, m)
			if err != nil {
				t.Fatal(err)
			}
			letter := onlyLetter(t, effects)
			if letter.Reason != "kairos-writer-"+reason || !bytes.Equal(letter.Value, m.Value) || string(letter.Key) != m.Key {
				t.Errorf("letter %s with %d bytes", letter.Reason, len(letter.Value))
			}
		})
	}
}

func TestNoPrefixOrExtensionOfARecordIsTakenForOne(t *testing.T) {
	m := message(t, "k", 1234567, "hello")
	for n := range m.Value {
		cut := m
		cut.Value = m.Value[:n]
		effects, err := chain(t).Message(rows{}, cut)
		if err != nil {
			t.Fatal(err)
		}
		onlyLetter(t, effects)
	}
	m.Value = append(m.Value, 0)
	effects, err := chain(t).Message(rows{}, m)
	if err != nil {
		t.Fatal(err)
	}
	onlyLetter(t, effects)
}

func TestARowOfANewerReleaseStopsEverything(t *testing.T) {
	for _, table := range []string{writerTable.Name, readerTable.Name} {
		store := rows{{table, "k"}: []byte("\xc3\x01newer!!!...")}
		effects, err := chain(t).Message(store, message(t, "k", 10, "pass=k"))
		var unknown *schemas.UnknownSchemaError
		if !errors.As(err, &unknown) || len(effects.Records)+len(effects.Rows)+len(effects.Drops) != 0 {
			t.Errorf("%s: error %v, effects %v", table, err, effects)
		}
	}
}

type brokenRows struct{ panics bool }

var errDisk = errors.New("the disk is gone")

func (b brokenRows) Row(string, string) ([]byte, error) {
	if b.panics {
		panic(errDisk)
	}
	return nil, errDisk
}

func TestAnErrorOfTheTableStopsEverything(t *testing.T) {
	run := chain(t)
	if e, err := run.Message(brokenRows{}, message(t, "k", 10, "hello")); !errors.Is(err, errDisk) || len(e.Records) != 0 {
		t.Errorf("message: %v, %v", e, err)
	}
	if e, err := run.Wake(brokenRows{}, "k", 10); !errors.Is(err, errDisk) || len(e.Records) != 0 {
		t.Errorf("wake: %v, %v", e, err)
	}
	if e, err := run.Sweep(brokenRows{}, "writer", "k", 10); !errors.Is(err, errDisk) || len(e.Records) != 0 {
		t.Errorf("sweep: %v, %v", e, err)
	}
}

func TestAPanicOfTheTableIsNeverSwallowed(t *testing.T) {
	for _, run := range []*stage.Runner{chain(t), runner(t, separate[1], reader())} {
		m := message(t, "k", 10, "hello")
		if run.Group().Name == separate[1].Name {
			m.Topic = passed.Name
		}
		func() {
			defer func() {
				if p := recover(); p != errDisk {
					t.Errorf("%s: recovered %v", run.Group().Name, p)
				}
			}()
			_, _ = run.Message(brokenRows{panics: true}, m)
			t.Errorf("%s: a broken table went unnoticed", run.Group().Name)
		}()
	}
}

func TestATopicThatTheGroupDoesNotReadIsAnError(t *testing.T) {
	if _, err := chain(t).Message(rows{}, stage.Message{Topic: passed.Name, Key: "k"}); err == nil {
		t.Error("a record of a topic inside the chain came from outside and nobody minded")
	}
}

func TestDroppingIsCountedAndChangesNothing(t *testing.T) {
	store, run := rows{}, chain(t)
	e := store.say(t, run, "k", 10, "drop")
	if len(e.Drops) != 1 || e.Drops[0] != (stage.Drop{Stage: "writer", Reason: "dull"}) {
		t.Errorf("drops %v", e.Drops)
	}
}

func TestADeletedRowIsGone(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "hello")
	e := store.say(t, run, "k", 20, "delete")
	if len(e.Rows) != 1 || e.Rows[0].Value != nil || e.Rows[0].Wake != 0 {
		t.Errorf("rows %v", e.Rows)
	}
	store.say(t, run, "k", 30, "again")
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 30 again"})
}

func TestASweepRecomputesAfterTheWakesBeforeIt(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "wake=20 swept:pass=k")
	effects, err := run.Sweep(store, "writer", "k", 50)
	if err != nil {
		t.Fatal(err)
	}
	store.apply(effects)
	same(t, "writer", store.lines(t, writerTable, "k"), []string{"k 10 wake=20 swept:pass=k", "k 20 woken", "k 50 swept", "k 50 reply heard"})
	effects, err = run.Sweep(store, "reader", "k", 60) // the writer is before it
	if err != nil || len(effects.Rows) != 2 {
		t.Errorf("effects %v, %v", effects, err)
	}
}

func TestASweepThatFailsLeavesADeadLetter(t *testing.T) {
	store, run := rows{}, chain(t)
	store.say(t, run, "k", 10, "swept:panic")
	effects, err := run.Sweep(store, "writer", "k", 50)
	if err != nil {
		t.Fatal(err)
	}
	if letter := onlyLetter(t, effects); letter.Topic != "(sweep)" || string(letter.Key) != "k" {
		t.Errorf("letter %+v", letter)
	}
}

func TestARunnerTakesOnlyTheStagesOfItsGroup(t *testing.T) {
	if _, err := stage.NewRunner(chained, writer()); err == nil {
		t.Error("a stage is missing and nobody minded")
	}
	if _, err := stage.NewRunner(chained, reader(), writer()); err == nil {
		t.Error("the stages are in the wrong order and nobody minded")
	}
}

func TestAStageMustHandleWhatItDeclaresAndNothingElse(t *testing.T) {
	for name, define := range map[string]func(){
		"missing": func() { stage.Define(readerDeclared, readerTable) },
		"extra":   func() { stage.Define(readerDeclared, readerTable, stage.On(passed, echo), stage.On(notes, echo)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s step: nobody minded", name)
				}
			}()
			define()
		}()
	}
}
