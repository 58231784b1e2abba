package main

import (
	"runtime"
	"syscall"
	"time"
)

// pace says when requests are due. It sleeps in the kernel, on a thread of its own: timers of the runtime are a
// millisecond late, which would be taken for slowness of the service.
type pace struct {
	rate float64
	due  chan<- time.Time
	// late is by how much the pace itself was late.
	late tally
}

func (p *pace) run(begin, closes time.Time) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.due)
	between := float64(time.Second) / p.rate
	for i := 0; ; i++ {
		due := begin.Add(time.Duration(float64(i) * between))
		if !due.Before(closes) {
			return
		}
		sleepUntil(due)
		p.late.add("", time.Since(due))
		p.due <- due
	}
}

func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		wait := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&wait, nil)
	}
}
