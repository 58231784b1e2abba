package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() metrics {
	labels := []string{"code", "method"}
	return metrics{
		requests: promauto.NewCounterVec(
			prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests"}, labels),
		durations: promauto.NewHistogramVec(
			prometheus.HistogramOpts{
				Name:    "http_request_duration_seconds",
				Help:    "How long clients wait",
				Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
			}, labels),
	}
}

func (m metrics) observe(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(m.requests, promhttp.InstrumentHandlerDuration(m.durations, next))
}
