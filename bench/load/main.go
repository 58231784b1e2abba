// Makes load for one slice of the benchmark and prints what it saw as JSON.
//
// The plan comes as JSON on standard input: where to, for how long, and one or more classes of requests that run at the
// same time. It goes to loopback addresses only, ends by itself, and reads the CPU time of the processes under load
// from the kernel at the two ends of the measured window, so that both are about the same requests.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

func main() {
	// Collecting garbage here would be taken for slowness there.
	debug.SetGCPercent(800)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var given plan
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return fmt.Errorf("the plan cannot be read: %w", err)
	}
	if err := given.check(); err != nil {
		return err
	}
	if given.Preload {
		return preload(&given)
	}
	seen, err := measure(&given)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

type outcome struct {
	Seconds float64       `json:"seconds"`
	CPU     []float64     `json:"cpuSeconds"`
	Classes []classReport `json:"classes"`
}

// measure runs all classes over the warm-up and the window; requests count if they were due within the window.
func measure(given *plan) (outcome, error) {
	begin := time.Now().Add(20 * time.Millisecond)
	opens := begin.Add(seconds(given.WarmupSeconds))
	closes := opens.Add(seconds(given.Seconds))

	running := make([]*load, len(given.Classes))
	for i := range given.Classes {
		started, err := startLoad(given, &given.Classes[i], begin, opens, closes)
		if err != nil {
			return outcome{}, err
		}
		running[i] = started
	}
	time.Sleep(time.Until(opens))
	before := cpuTimes(given.Pids)
	time.Sleep(time.Until(closes))
	after := cpuTimes(given.Pids)

	seen := outcome{Seconds: given.Seconds, CPU: cpuSeconds(after, before)}
	for _, each := range running {
		seen.Classes = append(seen.Classes, each.report())
	}
	return seen, nil
}

func seconds(n float64) time.Duration {
	return time.Duration(n * float64(time.Second))
}
