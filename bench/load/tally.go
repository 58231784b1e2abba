package main

import (
	"math"
	"slices"
	"time"
)

// tally keeps what one connection saw.
type tally struct {
	latencies []time.Duration
	failures  map[string]int
	sorted    bool
}

type classReport struct {
	Name      string         `json:"name"`
	Requests  int            `json:"requests"`
	Errors    map[string]int `json:"errors"`
	PerSecond float64        `json:"perSecond"`
	P50       float64        `json:"p50Ms"`
	P90       float64        `json:"p90Ms"`
	P99       float64        `json:"p99Ms"`
	Max       float64        `json:"maxMs"`
	// PacingP99 is how late requests were for reasons of our own.
	PacingP99 float64 `json:"pacingP99Ms"`
}

// add counts a request, whose latency counts also if it failed: a failure is no quick answer.
func (t *tally) add(failure string, latency time.Duration) {
	t.latencies = append(t.latencies, latency)
	if failure != "" {
		t.failures[failure]++
	}
}

func merge(tallies []*tally) *tally {
	all := &tally{failures: map[string]int{}}
	for _, each := range tallies {
		all.latencies = append(all.latencies, each.latencies...)
		for failure, count := range each.failures {
			all.failures[failure] += count
		}
	}
	return all
}

func (t *tally) report(name string, seconds float64) classReport {
	return classReport{
		Name:      name,
		Requests:  len(t.latencies),
		Errors:    t.failures,
		PerSecond: float64(len(t.latencies)) / seconds,
		P50:       t.quantile(0.5),
		P90:       t.quantile(0.9),
		P99:       t.quantile(0.99),
		Max:       t.quantile(1),
	}
}

// quantile is the smallest latency, in ms, that so large a share of the requests did not exceed.
func (t *tally) quantile(share float64) float64 {
	if len(t.latencies) == 0 {
		return 0
	}
	if !t.sorted {
		slices.Sort(t.latencies)
		t.sorted = true
	}
	rank := int(math.Ceil(share*float64(len(t.latencies)))) - 1
	return float64(t.latencies[max(rank, 0)].Microseconds()) / 1000
}
