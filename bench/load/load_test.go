package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func planFor(server *httptest.Server, classes ...class) *plan {
	address := strings.TrimPrefix(server.URL, "http://")
	return &plan{Address: address, Dialect: "kask", BaseURI: "/v1/", Seconds: 1, Pids: []int{os.Getpid()}, Classes: classes}
}

func TestGoesToLoopbackAddressesOnly(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "localhost:80", "0.0.0.0:80"} {
		if err := (&plan{Address: address, Dialect: "kask"}).check(); err == nil {
			t.Errorf("%s was accepted", address)
		}
	}
	if err := (&plan{Address: "127.1.2.3:80", Dialect: "kask"}).check(); err != nil {
		t.Error(err)
	}
}

func TestQuantilesAreOfRequestsThatWereSeen(t *testing.T) {
	seen := merge(nil)
	for i := 100; i >= 1; i-- {
		seen.add("", time.Duration(i)*time.Millisecond)
	}
	for share, expected := range map[float64]float64{0.5: 50, 0.99: 99, 1: 100, 0: 1} {
		if got := seen.quantile(share); got != expected {
			t.Errorf("quantile %v is %v, not %v", share, got, expected)
		}
	}
}

// A service that stands still for a while makes all wait that were due meanwhile, also those that could not be sent.
func TestLatenessCountsFromWhenARequestWasDue(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 20 {
			time.Sleep(500 * time.Millisecond)
		}
		_, _ = w.Write([]byte("value"))
	}))
	defer server.Close()

	seen, err := measure(planFor(server, class{Connections: 1, Rate: 100, Keys: 1, Bytes: 5}))
	if err != nil {
		t.Fatal(err)
	}
	got := seen.Classes[0]
	if got.Requests != 100 || len(got.Errors) != 0 {
		t.Errorf("%d requests, errors %v", got.Requests, got.Errors)
	}
	if got.P50 < 1 || got.P90 < 300 {
		t.Errorf("p50 %v ms, p90 %v ms: the queue behind the stall was left out", got.P50, got.P90)
	}
}

func TestChecksAnswers(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch requests.Add(1) % 3 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			_, _ = w.Write([]byte("short"))
		default:
			_, _ = w.Write([]byte("as long as it should be"))
		}
	}))
	defer server.Close()

	seen, err := measure(planFor(server, class{Connections: 1, Rate: 30, Keys: 1, Bytes: 23}))
	if err != nil {
		t.Fatal(err)
	}
	got := seen.Classes[0]
	if got.Errors["503"] != 10 || got.Errors["length"] != 10 || got.Requests != 30 {
		t.Errorf("%d requests, errors %v", got.Requests, got.Errors)
	}
}

func TestOpensAConnectionForEachRequestWhereItIsTold(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("value"))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()

	for _, fresh := range []bool{true, false} {
		opened.Store(0)
		if _, err := measure(planFor(server, class{Connections: 2, Rate: 50, Fresh: fresh, Keys: 1, Bytes: 5})); err != nil {
			t.Fatal(err)
		}
		expected := map[bool]int64{true: 50, false: 2}[fresh]
		if got := opened.Load(); got != expected {
			t.Errorf("fresh %v: %d connections, not %d", fresh, got, expected)
		}
	}
}
