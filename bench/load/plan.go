package main

import (
	"errors"
	"fmt"
	"net"
)

const longestSeconds = 120

type plan struct {
	// Address is host and port; the host is an address of the loopback range.
	Address string `json:"address"`
	// Dialect is how a key is read and written: "kask" or "webdis".
	Dialect       string  `json:"dialect"`
	BaseURI       string  `json:"baseUri"`
	WarmupSeconds float64 `json:"warmupSeconds"`
	Seconds       float64 `json:"seconds"`
	Classes       []class `json:"classes"`
	// TLS is nil where the connection is in clear.
	TLS *tlsFiles `json:"tls"`
	// Pids are the processes whose CPU time counts.
	Pids []int `json:"pids"`
	// Preload writes every key of every class once, and measures nothing.
	Preload bool `json:"preload"`
}

// class is one kind of traffic.
type class struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
	// Rate is in requests a second; 0 is as fast as answers come.
	Rate float64 `json:"rate"`
	// Fresh opens a connection for each request.
	Fresh bool `json:"fresh"`
	Keys  int  `json:"keys"`
	Bytes int  `json:"bytes"`
	// Shares of the methods; what is left are reads.
	Post   float64 `json:"post"`
	Put    float64 `json:"put"`
	Delete float64 `json:"delete"`
	// Misses is the share of reads that ask for what is not there.
	Misses float64 `json:"misses"`
}

func (p *plan) check() error {
	host, _, err := net.SplitHostPort(p.Address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not an address of the loopback range", host)
	}
	if p.Seconds < 0 || p.WarmupSeconds < 0 || p.Seconds+p.WarmupSeconds > longestSeconds {
		return fmt.Errorf("a slice takes at most %d seconds", longestSeconds)
	}
	if p.Dialect != "kask" && p.Dialect != "webdis" {
		return fmt.Errorf("unknown dialect %q", p.Dialect)
	}
	for _, c := range p.Classes {
		if c.Connections < 1 || c.Keys < 1 || c.Bytes < 1 {
			return errors.New("a class needs connections, keys and bytes")
		}
	}
	return nil
}
