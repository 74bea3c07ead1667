package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory is what kairos' processes hold, at one moment.
type Memory struct {
	HeapBytes     int64 `json:"heap_bytes"`     // alive after a collection
	StateBytes    int64 `json:"state_bytes"`    // of rows and their keys, as kairos says; 0: from before it was asked
	ResidentBytes int64 `json:"resident_bytes"` // as the system counts it: garbage and pages not returned included
}

// Memory lets kairos collect its garbage and asks what is left.
func (w *World) Memory(ctx context.Context) (sum Memory, err error) {
	for _, r := range w.processes() {
		for range 3 { // a pool gives up what it holds by the second collection, and what that held by the third
			if _, err := ask(ctx, r.rim, "/debug/pprof/heap?gc=1"); err != nil {
				return sum, err
			}
		}
		metrics, err := ask(ctx, r.rim, "/metrics")
		if err != nil {
			return sum, err
		}
		heap, err := metric(metrics, "go_memstats_heap_alloc_bytes")
		state, err2 := metric(metrics, "kairos_host_state_bytes")
		if err := errors.Join(err, err2); err != nil {
			return sum, fmt.Errorf("memory of %s: %w", r.name, err)
		}
		sum.HeapBytes += heap
		sum.StateBytes += state
	}
	sum.ResidentBytes, err = w.resident()
	return sum, err
}

// PeakWhile is the most that is resident at once while work goes on, in bytes,
// looked at every second.
func (w *World) PeakWhile(work func() error) (peak int64, err error) {
	done, looked := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for tick := time.Tick(time.Second); err == nil; {
			var now int64
			if now, err = w.resident(); err == nil {
				peak = max(peak, now)
			}
			select {
			case <-done:
				looked <- err
				return
			case <-tick:
			}
		}
		looked <- err
	}()
	err = work()
	close(done)
	return peak, errors.Join(err, <-looked)
}

func (w *World) resident() (sum int64, err error) {
	for _, r := range w.processes() {
		bytes, err := residentBytes(r.PID)
		if err != nil {
			return sum, fmt.Errorf("memory of %s: %w", r.name, err)
		}
		sum += bytes
	}
	return sum, nil
}

func ask(ctx context.Context, rim, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+rim+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s of %s: %s", path, rim, response.Status)
	}
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// metric is the sum of a figure, whatever its labels, in a text of metrics.
func metric(text, name string) (int64, error) {
	sum, found := 0.0, false
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, "{") {
			continue
		}
		f, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		sum, found = sum+f, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return int64(sum), nil
}

// residentBytes is what /proc says, in pages.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("%w (needs Linux)", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm is not understood: %q", pid, text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
