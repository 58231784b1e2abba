// The service that Kask is measured against: the same HTTP over the same table, as a Go engineer would write it with
// net/http, gocql and client_golang. It is a measuring rod and not for use.
//
// Flags name the cluster and the prefix of keys; GOMAXPROCS comes from the environment. Once it serves it prints a line
// of JSON with its origin, as Kask does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type options struct {
	hosts      string
	datacenter string
	keyspace   string
	baseURI    string
	ttl        int
	direct     bool
}

func main() {
	var given options
	flag.StringVar(&given.hosts, "hosts", "127.0.0.1", "addresses of nodes, separated by commas")
	flag.StringVar(&given.datacenter, "dc", "", "datacenter whose nodes coordinate")
	flag.StringVar(&given.keyspace, "keyspace", "kask", "keyspace of the table \"values\"")
	flag.StringVar(&given.baseURI, "base-uri", "/sessions/v1/", "prefix of keys")
	flag.IntVar(&given.ttl, "ttl", 86400, "seconds that a value lives")
	flag.BoolVar(&given.direct, "direct", false, "send a statement at once, not up to 200 µs later with others")
	flag.Parse()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(given, logger); err != nil {
		logger.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(given options, logger *slog.Logger) error {
	store, err := openStore(given)
	if err != nil {
		return err
	}
	defer store.close()

	metrics := newMetrics()
	mux := http.NewServeMux()
	mux.Handle(given.baseURI, metrics.observe(&sessions{store: store, prefix: given.baseURI, logger: logger}))
	mux.Handle("GET /metrics", promhttp.Handler())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	origin := "http://" + listener.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"msg": "listening", "origin": origin}); err != nil {
		return err
	}
	return serve(&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, listener)
}

func serve(server *http.Server, listener net.Listener) error {
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-stopped.Done()
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(limit)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
