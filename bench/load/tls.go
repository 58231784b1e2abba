package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// tlsFiles are paths of PEM files; without Cert and Key the client shows no certificate.
type tlsFiles struct {
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

func (f *tlsFiles) config() (*tls.Config, error) {
	if f == nil {
		return nil, nil
	}
	authority, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in " + f.CA)
	}
	config := &tls.Config{RootCAs: roots}
	if f.Cert == "" {
		return config, nil
	}
	own, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{own}
	return config, nil
}
