package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the CPU times in /proc/PID/stat: Linux shows user space
// 100 ticks a second on every architecture that Go supports.
const tick = 10 * time.Millisecond

// cpuTime returns the CPU time that process pid has used, its ended children
// included. The scheduler's own figures are exact, but know neither ended
// threads nor children; /proc/PID/stat knows both, in ticks, rounded down. So
// the larger of the two is the better one.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	coarse, err := parseStat(string(stat))
	if err != nil {
		return 0, err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var fine time.Duration
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		ran, err := parseSchedstat(string(text))
		if err != nil {
			return 0, err
		}
		fine += ran
	}
	return max(coarse, fine), nil
}

// parseStat returns the sum of utime, stime, cutime and cstime, fields 14 to 17
// of proc_pid_stat(5). The second field is the command in parentheses and may
// itself contain blanks and parentheses.
func parseStat(text string) (time.Duration, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return 0, fmt.Errorf("no command in %q", text)
	}
	const first, afterCommand = 14, 3
	fields := strings.Fields(text[end+1:])
	if len(fields) < first-afterCommand+4 {
		return 0, fmt.Errorf("too few fields in %q", text)
	}
	var ticks int64
	for _, f := range fields[first-afterCommand : first-afterCommand+4] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time in %q: %w", text, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// parseSchedstat returns the first of the three numbers in
// /proc/PID/task/TID/schedstat: nanoseconds spent on a CPU.
func parseSchedstat(text string) (time.Duration, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat %q: %w", text, err)
	}
	return time.Duration(n), nil
}

// resident returns the resident memory of process pid in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseResident(string(text))
}

// parseResident returns VmRSS of /proc/PID/status in bytes.
func parseResident(text string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		number, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB")
		if !ok {
			return 0, fmt.Errorf("unit of %q is not kB", line)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmRSS: %w", err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("no VmRSS in the status")
}
