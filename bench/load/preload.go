package main

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// preload writes each key once, over all connections of its class.
func preload(p *plan) error {
	secured, err := p.TLS.config()
	if err != nil {
		return err
	}
	for i := range p.Classes {
		c := &p.Classes[i]
		words := newWording(p, c)
		var next atomic.Int64
		var workers sync.WaitGroup
		failures := make(chan error, c.Connections)
		for range c.Connections {
			workers.Go(func() {
				if err := fill(&connection{address: p.Address, tls: secured}, words, &next); err != nil {
					failures <- err
				}
			})
		}
		workers.Wait()
		if len(failures) > 0 {
			return <-failures
		}
	}
	return nil
}

func fill(c *connection, words *wording, next *atomic.Int64) error {
	defer c.close()
	var request []byte
	for {
		number := int(next.Add(1)) - 1
		if number >= words.class.Keys {
			return nil
		}
		request = words.write(request[:0], post, number)
		got, err := c.exchange(request)
		if err != nil {
			return fmt.Errorf("preloading: %w", err)
		}
		if got.status != words.expected(post) {
			return fmt.Errorf("preloading: status %d", got.status)
		}
	}
}
