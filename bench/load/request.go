package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

type verb int

const (
	hit verb = iota
	miss
	post
	put
	remove
	verbs
)

// wording writes the requests of one class.
type wording struct {
	plan  *plan
	class *class
	value []byte
}

func newWording(p *plan, c *class) *wording {
	value := make([]byte, c.Bytes)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, uint64(c.Bytes)))
	for i := range value {
		value[i] = letters[random.IntN(len(letters))]
	}
	return &wording{p, c, value}
}

// key looks like that of a session, and belongs to the size of its value, so that lengths can be checked.
func (w *wording) key(number int, what string) string {
	scattered := uint32(number) * 0x9e3779b1
	return fmt.Sprintf("wiki%%3AMWSession%%3A%s%07d%08x%08x", what, w.class.Bytes, scattered, ^scattered)
}

// pick draws a method by its share.
func (w *wording) pick(random *rand.Rand) verb {
	drawn := random.Float64()
	for _, share := range []struct {
		verb verb
		of   float64
	}{{post, w.class.Post}, {put, w.class.Put}, {remove, w.class.Delete}} {
		if drawn < share.of {
			return share.verb
		}
		drawn -= share.of
	}
	if w.class.Misses > 0 && random.Float64() < w.class.Misses {
		return miss
	}
	return hit
}

// write appends a whole request. What is deleted are keys of their own, so that reads go on finding theirs.
func (w *wording) write(to []byte, what verb, number int) []byte {
	switch what {
	case miss:
		return w.line(to, "GET", w.key(number, "absent"))
	case post:
		return w.body(to, "POST", w.key(number, ""))
	case put:
		return w.body(to, "PUT", w.key(number, ""))
	case remove:
		return w.line(to, "DELETE", w.key(number, "gone"))
	default:
		return w.line(to, "GET", w.key(number, ""))
	}
}

func (w *wording) line(to []byte, method, key string) []byte {
	if w.plan.Dialect == "webdis" {
		return w.head(to, "GET", webdisPath(method, key))
	}
	return w.head(to, method, w.plan.BaseURI+key)
}

func (w *wording) body(to []byte, method, key string) []byte {
	path := w.plan.BaseURI + key
	if w.plan.Dialect == "webdis" {
		method, path = "PUT", "/SETEX/"+key+"/86400"
	}
	to = append(to, method...)
	to = append(to, ' ')
	to = append(to, path...)
	to = append(to, " HTTP/1.1\r\nHost: "...)
	to = append(to, w.plan.Address...)
	to = append(to, "\r\nContent-Type: application/octet-stream\r\nContent-Length: "...)
	to = strconv.AppendInt(to, int64(len(w.value)), 10)
	to = append(to, "\r\n\r\n"...)
	return append(to, w.value...)
}

func (w *wording) head(to []byte, method, path string) []byte {
	to = append(to, method...)
	to = append(to, ' ')
	to = append(to, path...)
	to = append(to, " HTTP/1.1\r\nHost: "...)
	to = append(to, w.plan.Address...)
	return append(to, "\r\n\r\n"...)
}

func webdisPath(method, key string) string {
	if method == "DELETE" {
		return "/DEL/" + key
	}
	return "/GET/" + key + ".bin"
}

// expected is the status that a request has to be answered with.
func (w *wording) expected(what verb) int {
	if w.plan.Dialect == "webdis" {
		return [verbs]int{200, 404, 200, 200, 200}[what]
	}
	return [verbs]int{200, 404, 201, 201, 204}[what]
}
