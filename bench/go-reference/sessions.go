package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxValueBytes = 8 << 20
	problemTypes  = "https://www.mediawiki.org/wiki/Kask/errors/"
)

type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
}

// sessions answers for one key a request.
type sessions struct {
	store  *store
	prefix string
	logger *slog.Logger
}

func (s *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.RawQuery != "" {
		refuse(w, r, http.StatusBadRequest, "bad_request", "Bad request", "The request has a query string")
		return
	}
	key, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), s.prefix))
	if err != nil || key == "" {
		absent(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.get(w, r, key)
	case http.MethodPost, http.MethodPut:
		s.set(w, r, key)
	case http.MethodDelete:
		s.delete(w, r, key)
	default:
		w.Header().Set("Allow", "GET, POST, PUT, DELETE")
		refuse(w, r, http.StatusMethodNotAllowed, "bad_request", "Method not allowed", "The method is not allowed")
	}
}

func (s *sessions) get(w http.ResponseWriter, r *http.Request, key string) {
	value, err := s.store.get(r.Context(), key)
	if errors.Is(err, errAbsent) {
		absent(w, r)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	_, _ = w.Write(value)
}

func (s *sessions) set(w http.ResponseWriter, r *http.Request, key string) {
	value, err := readValue(w, r)
	if err != nil {
		refuse(w, r, http.StatusBadRequest, "bad_request", "Bad request", "The value cannot be read")
		return
	}
	if len(value) == 0 {
		refuse(w, r, http.StatusBadRequest, "bad_request", "Bad request", "The value is empty")
		return
	}
	if err := s.store.set(r.Context(), key, value); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *sessions) delete(w http.ResponseWriter, r *http.Request, key string) {
	if err := s.store.delete(r.Context(), key); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readValue reads into a buffer of the right size where the client says how much will come.
func readValue(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, maxValueBytes)
	if r.ContentLength < 0 || r.ContentLength > maxValueBytes {
		return io.ReadAll(body)
	}
	value := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, value)
	return value, err
}

func (s *sessions) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.logger.Error("storage failed", "error", err, "request_id", r.Header.Get("X-Request-ID"))
	refuse(w, r, http.StatusInternalServerError, "server_error", "Internal server error",
		"The server encountered an error with your request")
}

func absent(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusNotFound, "not_found", "Not found", "The value you requested was not found")
}

func refuse(w http.ResponseWriter, r *http.Request, status int, kind, title, detail string) {
	body, err := json.Marshal(problem{problemTypes + kind, title, detail, r.URL.EscapedPath()})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
