package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const patience = 15 * time.Second

// connection speaks just enough HTTP/1.1 to be cheap: what it saves belongs to the service under load.
type connection struct {
	address string
	// tls is nil where the connection is in clear.
	tls    *tls.Config
	socket net.Conn
	reader *bufio.Reader
}

type answer struct {
	status int
	length int
	// last is set where the server will close the connection.
	last bool
}

func (c *connection) open() error {
	socket, err := c.dial()
	if err != nil {
		return err
	}
	c.socket = socket
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(socket, 16<<10)
	} else {
		c.reader.Reset(socket)
	}
	return nil
}

func (c *connection) dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	if c.tls == nil {
		return dialer.Dial("tcp", c.address)
	}
	return tls.DialWithDialer(dialer, "tcp", c.address, c.tls)
}

func (c *connection) close() {
	if c.socket != nil {
		_ = c.socket.Close()
		c.socket = nil
	}
}

func (c *connection) exchange(request []byte) (answer, error) {
	if c.socket == nil {
		if err := c.open(); err != nil {
			return answer{}, err
		}
	}
	seen, err := c.roundTrip(request)
	if err != nil || seen.last {
		c.close()
	}
	return seen, err
}

func (c *connection) roundTrip(request []byte) (answer, error) {
	if err := c.socket.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	if _, err := c.socket.Write(request); err != nil {
		return answer{}, err
	}
	return c.read()
}

func (c *connection) read() (answer, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return answer{}, fmt.Errorf("not HTTP: %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return answer{}, err
	}
	seen := answer{status: status}
	if err := c.readHeader(&seen); err != nil {
		return answer{}, err
	}
	return seen, c.readBody(&seen)
}

const chunked = -1

func (c *connection) readHeader(seen *answer) error {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if seen.length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			seen.length = chunked
		case bytes.EqualFold(name, []byte("connection")):
			seen.last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

func (c *connection) readBody(seen *answer) error {
	if seen.length != chunked {
		_, err := c.reader.Discard(seen.length)
		return err
	}
	seen.length = 0
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return err
		}
		if _, err := c.reader.Discard(int(size) + len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
		seen.length += int(size)
	}
}

// reason puts an error into few words that are the same for all of its kind.
func reason(err error) string {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF):
		return "closed"
	default:
		return "broken"
	}
}
