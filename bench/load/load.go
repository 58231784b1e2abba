package main

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// grace is how long after the window answers are still waited for; what has not even been sent by then is given up.
const grace = 5 * time.Second

// load is a class in progress.
type load struct {
	class   *class
	words   *wording
	opens   time.Time
	closes  time.Time
	address string
	due     chan time.Time
	workers sync.WaitGroup
	tallies []*tally
	pacing  *pace
}

func startLoad(p *plan, c *class, begin, opens, closes time.Time) (*load, error) {
	secured, err := p.TLS.config()
	if err != nil {
		return nil, err
	}
	l := &load{class: c, words: newWording(p, c), opens: opens, closes: closes, address: p.Address}
	connections := make([]*connection, c.Connections)
	for i := range connections {
		connections[i] = &connection{address: p.Address, tls: secured}
		if c.Fresh {
			continue
		}
		if err := connections[i].open(); err != nil {
			return nil, err
		}
	}
	if c.Rate > 0 {
		l.due = make(chan time.Time, int(c.Rate*closes.Sub(begin).Seconds())+1)
		l.pacing = &pace{rate: c.Rate, due: l.due}
		go l.pacing.run(begin, closes)
	}
	for i, connection := range connections {
		seen := &tally{failures: map[string]int{}}
		l.tallies = append(l.tallies, seen)
		l.workers.Add(1)
		go l.work(connection, rand.New(rand.NewPCG(uint64(i), uint64(begin.UnixNano()))), seen)
	}
	return l, nil
}

// work takes one request after the other. Without a rate each is due when the one before it has been answered.
func (l *load) work(c *connection, random *rand.Rand, seen *tally) {
	defer l.workers.Done()
	defer c.close()
	var request []byte
	for {
		due, more := l.next()
		if !more {
			return
		}
		if now := time.Now(); now.After(l.closes.Add(grace)) {
			seen.add("given up", now.Sub(due))
			continue
		}
		what := l.words.pick(random)
		request = l.words.write(request[:0], what, random.IntN(l.class.Keys))
		got, err := c.exchange(request)
		if l.class.Fresh {
			c.close()
		}
		done := time.Now()
		if l.counts(due, done) {
			seen.add(l.verdict(what, got, err), done.Sub(due))
		}
	}
}

func (l *load) next() (time.Time, bool) {
	if l.due != nil {
		due, more := <-l.due
		return due, more
	}
	now := time.Now()
	return now, now.Before(l.closes)
}

// counts: of a closed loop what was answered within the window, so that the CPU time is that of as many requests; of an
// open one what was due within it, however late the answer.
func (l *load) counts(due, done time.Time) bool {
	at := done
	if l.due != nil {
		at = due
	}
	return !at.Before(l.opens) && at.Before(l.closes)
}

// verdict is empty where the answer is the one that was to come.
func (l *load) verdict(what verb, got answer, err error) string {
	switch {
	case err != nil:
		return reason(err)
	case got.status != l.words.expected(what):
		return strconv.Itoa(got.status)
	case what == hit && got.length != l.class.Bytes:
		return "length"
	default:
		return ""
	}
}

func (l *load) report() classReport {
	l.workers.Wait()
	all := merge(l.tallies)
	report := all.report(l.class.Name, l.closes.Sub(l.opens).Seconds())
	if l.pacing != nil {
		report.PacingP99 = l.pacing.late.quantile(0.99)
	}
	return report
}
