package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// renderers returns the CPU time of those processes below this one that draw a browser's
// pages.
func renderers() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parents := map[int]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return 0, err
		}
		if parents[pid], err = parseParent(string(text)); err != nil {
			return 0, err
		}
	}
	var all time.Duration
	found := false
	for pid := range parents {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !strings.Contains(string(line), "--type=renderer") || !below(parents, pid, os.Getpid()) {
			continue
		}
		cpu, err := cpuTime(pid)
		if err != nil {
			continue
		}
		all, found = all+cpu, true
	}
	if !found {
		return 0, fmt.Errorf("the browser has no process for its page")
	}
	return all, nil
}

// below tells whether a process descends from another one.
func below(parents map[int]int, pid, from int) bool {
	for pid > 1 && pid != from {
		pid = parents[pid]
	}
	return pid == from
}

// parseParent returns the parent in /proc/PID/stat: the fourth field, the second behind
// the command.
func parseParent(text string) (int, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("no parent in %q", text)
	}
	return strconv.Atoi(fields[1])
}
