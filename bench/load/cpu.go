package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	nanosecond = 1e-9
	// Linux tells user and system time in hundredths of a second, whatever the kernel's own tick is.
	tick = 0.01
)

// cpuTime is what a process has used of the CPU so far, in all of its threads, in seconds.
type cpuTime struct {
	scheduled float64
	accounted float64
}

func cpuTimes(pids []int) []cpuTime {
	used := make([]cpuTime, len(pids))
	for i, pid := range pids {
		used[i] = cpuTime{scheduled(pid), accounted(pid)}
	}
	return used
}

// since prefers the finer of the two counts, unless threads ended meanwhile and took theirs with them.
func (now cpuTime) since(before cpuTime) float64 {
	fine, coarse := now.scheduled-before.scheduled, now.accounted-before.accounted
	if coarse > fine+2*tick {
		return coarse
	}
	return fine
}

// scheduled adds up what the scheduler counts for each thread, to the nanosecond; threads that ended are missing.
func scheduled(pid int) float64 {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	total := 0.0
	for _, file := range files {
		text, _ := os.ReadFile(file)
		first, _, _ := strings.Cut(string(text), " ")
		onCPU, _ := strconv.ParseFloat(first, 64)
		total += onCPU * nanosecond
	}
	return total
}

// accounted is utime and stime of the process, threads that ended included, to a hundredth of a second.
func accounted(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name stands in brackets and may hold spaces; utime and stime are the 12th and 13th field behind it.
	_, behind, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(behind)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) * tick
}

func cpuSeconds(after, before []cpuTime) []float64 {
	used := make([]float64, len(after))
	for i := range after {
		used[i] = after[i].since(before[i])
	}
	return used
}
