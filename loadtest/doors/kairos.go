package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"kairos/loadtest/binary"
	"kairos/loadtest/loopback"
	"kairos/loadtest/rig"
)

// instance is `kairos run`, all in one process, that is ended and started again
// at the same addresses with the same local rows.
type instance struct {
	binary            *binary.Binary
	door, api, rim    string
	args              []string
	log               string
	lock              sync.Mutex
	process           *binary.Process
	used              rig.Usage // by those that have ended
	away              []outage
	killed, graceful  int
	readyAfterRestart []time.Duration
}

// outage is when kairos was not there, until it was ready again.
type outage struct{ from, to time.Time }

// settle is how long after a restart answers are not counted as those of a quiet
// time: connections are made anew, rows and code are cold.
const settle = 5 * time.Second

func begin(ctx context.Context, c config, brokers, folder string) (*instance, error) {
	k := &instance{log: filepath.Join(folder, "kairos.log")}
	var err error
	if k.binary, err = binary.Build(ctx, folder); err != nil {
		return nil, err
	}
	addresses, err := loopback.Apart(3)
	if err != nil {
		return nil, err
	}
	k.door, k.api, k.rim = addresses[0], addresses[1], addresses[2]
	definitions := filepath.Join(folder, "definitions")
	for _, from := range []string{c.audiences, filepath.Join(filepath.Dir(c.audiences), "doors", "definitions")} {
		if err := os.CopyFS(definitions, os.DirFS(from)); err != nil {
			return nil, err
		}
	}
	size := []string{"--brokers", brokers, "--partitions", strconv.Itoa(c.partitions)}
	for _, command := range [][]string{{"apply", "-f", definitions}, {"topology", "apply"}} {
		if _, err := k.binary.Run(ctx, append(command, size...)...); err != nil {
			return nil, err
		}
	}
	k.args = append([]string{"run", "--door", k.door, "--api", k.api, "--metrics", k.rim, "--state", filepath.Join(folder, "state"), "--instance", "doors"}, size...)
	if err := k.start(); err != nil {
		return nil, err
	}
	return k, k.ready(ctx, c.patience)
}

func (k *instance) start() error {
	process, err := k.binary.Start(k.log, k.args...)
	if err != nil {
		return err
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	k.process = process
	return nil
}

// ready returns when all partitions are owned and their rows recovered.
func (k *instance) ready(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		response, err := http.Get("http://" + k.rim + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-k.process.Ended():
			return fmt.Errorf("kairos ended by itself; the end of its log:\n%s", k.process.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("kairos is not ready; the end of its log:\n%s", k.process.LogTail())
		}
	}
}

// restart ends kairos, as a failing machine would or in good order, and starts
// it again at once.
func (k *instance) restart(ctx context.Context, kill bool, patience time.Duration) error {
	used, err := rig.UsageOf(k.process.PID)
	if err != nil {
		return err
	}
	from := time.Now()
	k.lock.Lock()
	k.used.CPU += used.CPU
	k.away = append(k.away, outage{from: from})
	k.lock.Unlock()
	if kill {
		k.killed++
		err = k.process.Kill()
	} else {
		k.graceful++
		err = k.process.Stop(patience)
	}
	if err != nil {
		return err
	}
	if err := k.start(); err != nil {
		return err
	}
	if err := k.ready(ctx, patience); err != nil {
		return err
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	k.away[len(k.away)-1].to = time.Now()
	k.readyAfterRestart = append(k.readyAfterRestart, time.Since(from))
	return nil
}

// quiet says whether kairos was there at a moment, and had been for a while.
func (k *instance) quiet(at time.Time) bool {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, o := range k.away {
		if at.After(o.from.Add(-time.Second)) && (o.to.IsZero() || at.Before(o.to.Add(settle))) {
			return false
		}
	}
	return true
}

func (k *instance) end() error { return k.process.Stop(time.Minute) }

// cpu is what all of them have used.
func (k *instance) cpu() (time.Duration, error) {
	used, err := rig.UsageOf(k.process.PID)
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.used.CPU + used.CPU, err
}

// restarts spreads them over the time of the load.
func (k *instance) restarts(ctx context.Context, c config) error {
	begun := time.Now()
	for i := range c.restarts {
		at := begun.Add(c.length * time.Duration(i+1) / time.Duration(c.restarts+1))
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := k.restart(ctx, i%2 == 0, c.patience); err != nil {
			return errors.Join(fmt.Errorf("restart %d", i+1), err)
		}
	}
	return nil
}
