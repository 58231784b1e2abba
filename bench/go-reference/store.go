package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

var errAbsent = errors.New("absent")

// store has the statements of a session, prepared by the driver when they are first used.
type store struct {
	session *gocql.Session
	read    string
	write   string
	remove  string
	ttl     int
}

func openStore(given options) (*store, error) {
	cluster := gocql.NewCluster(strings.Split(given.hosts, ",")...)
	if given.direct {
		cluster.WriteCoalesceWaitTime = 0
	}
	cluster.Timeout = 12 * time.Second
	cluster.ConnectTimeout = 5 * time.Second
	cluster.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.DCAwareRoundRobinPolicy(given.datacenter))
	session, err := cluster.CreateSession()
	if err != nil {
		return nil, err
	}
	table := fmt.Sprintf(`"%s"."values"`, given.keyspace)
	return &store{
		session: session,
		read:    "SELECT value FROM " + table + " WHERE key = ?",
		write:   "INSERT INTO " + table + " (key, value) VALUES (?, ?) USING TTL ?",
		remove:  "DELETE FROM " + table + " WHERE key = ?",
		ttl:     given.ttl,
	}, nil
}

func (s *store) get(ctx context.Context, key string) (value []byte, err error) {
	err = s.session.Query(s.read, key).Consistency(gocql.LocalQuorum).Idempotent(true).ScanContext(ctx, &value)
	if errors.Is(err, gocql.ErrNotFound) {
		return nil, errAbsent
	}
	return value, err
}

func (s *store) set(ctx context.Context, key string, value []byte) error {
	return s.session.Query(s.write, key, value, s.ttl).Consistency(gocql.LocalQuorum).Idempotent(true).ExecContext(ctx)
}

func (s *store) delete(ctx context.Context, key string) error {
	return s.session.Query(s.remove, key).Consistency(gocql.EachQuorum).Idempotent(true).ExecContext(ctx)
}

func (s *store) close() {
	s.session.Close()
}
