package rig

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Usage is what processes have used so far.
type Usage struct {
	CPU     time.Duration
	Written int64 // bytes handed to the disk
}

// Since is what has been used since an earlier look.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{u.CPU - earlier.CPU, u.Written - earlier.Written}
}

// UsageOf sums up processes, as Linux tells in /proc.
func UsageOf(pids ...int) (Usage, error) {
	var sum Usage
	for _, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("usage of process %d: %w (it must live, on Linux)", pid, err)
		}
		written, err := writtenBy(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("bytes written by process %d: %w (it must live, on Linux)", pid, err)
		}
		sum.CPU += cpu
		sum.Written += written
	}
	return sum, nil
}

// cpuOf is user and system time. /proc counts in ticks, a hundred a second on
// every Linux that Go runs on.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), ") ") // a name may hold spaces
	fields := strings.Fields(rest)
	const user, system = 14 - 3, 15 - 3 // counted from 1 in proc(5); two fields lie before the cut
	if !found || len(fields) <= system {
		return 0, fmt.Errorf("stat is not understood: %q", text)
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil
}

// MachineCPU is the CPU time that all processes together have used.
func MachineCPU() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("usage of the machine: %w (needs Linux)", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq ...
	var ticks int64
	for i, field := range fields {
		if i == 0 || i == 4 || i == 5 || i > 7 { // the name, idle, iowait, stolen and guests, which count twice
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat is not understood: %q", line)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil
}

func writtenBy(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "write_bytes: "); found {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("no write_bytes in %q", text)
}

// TopicBytes is how large each topic is on the brokers' disks.
func TopicBytes(ctx context.Context, admin *kadm.Client) (map[string]int64, error) {
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("sizes of topics: %w", err)
	}
	sizes := map[string]int64{}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) { sizes[p.Topic] += p.Size })
	})
	return sizes, nil
}
