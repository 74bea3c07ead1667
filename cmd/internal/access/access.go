// Package access says how a client reaches a Kafka cluster and shows who it is:
// TLS, a certificate of its own, SASL.
//
// In: addresses, names of files, and where secrets are kept. Out: options for
// any franz-go client; errors that say what to do. State: the last token of a
// token endpoint. Laws: every new connection reads certificates, keys,
// passwords and tokens anew, so that they can be replaced while a process runs;
// no secret is in an error or a log; none travels without TLS off loopback.
//
// Not here: what a principal may do (kairos/topologies, ACLs).
package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The SASL mechanisms.
const (
	Plain       = "plain"
	Scram256    = "scram-sha-256"
	Scram512    = "scram-sha-512"
	OAuthBearer = "oauthbearer"
)

// Config is how to reach a cluster. Only Brokers must be set.
type Config struct {
	Brokers []string // HOST:PORT to start from

	TLS        bool
	CA         string // PEM file of the authorities that sign brokers' certificates; "": the system's
	Cert, Key  string // PEM files with which we show who we are; "": we do not
	ServerName string // that brokers' certificates must have; "": the name in their address

	SASL     string // mechanism; "": none
	User     string // or client id of the token endpoint
	Password string // where it is kept: file:PATH or env:NAME; or the client secret
	Token    string // likewise, a bearer token
	TokenURL string // endpoint that gives bearer tokens for User and Password (OAuth 2.0 client credentials)
	Scope    string // asked of it; "": none
}

// Options are for any client of the cluster.
func (c Config) Options() ([]kgo.Opt, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	options := []kgo.Opt{kgo.SeedBrokers(c.Brokers...)}
	if c.TLS {
		if _, err := c.tlsConfig(""); err != nil {
			return nil, err
		}
		options = append(options, kgo.Dialer(c.dial))
	}
	if c.SASL != "" {
		mechanism, err := c.mechanism()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}

// Validate says what does not go together, and what to do about it. Errors name
// fields as the flags of the command line are called.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("no brokers given: name them with --brokers or KAIROS_BROKERS, such as 127.0.0.1:9092")
	}
	switch {
	case !c.TLS && (c.CA != "" || c.Cert != "" || c.ServerName != ""):
		return errors.New("--tls-ca, --tls-cert and --tls-name are for TLS: add --tls")
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("--tls-cert and --tls-key belong together: give both or none")
	}
	return c.validateSASL()
}

func (c Config) validateSASL() error {
	switch c.SASL {
	case "":
		if c.User != "" || c.Password != "" || c.Token != "" || c.TokenURL != "" {
			return errors.New("--sasl-user, --sasl-password and --sasl-token are for SASL: add --sasl=" + strings.Join(Mechanisms(), "|"))
		}
		return nil
	case Plain, Scram256, Scram512:
		if c.User == "" || c.Password == "" || c.Token != "" || c.TokenURL != "" {
			return fmt.Errorf("--sasl=%s takes --sasl-user and --sasl-password (file:PATH or env:NAME), and nothing else", c.SASL)
		}
	case OAuthBearer:
		if (c.Token == "") == (c.TokenURL == "") {
			return errors.New("--sasl=oauthbearer takes either --sasl-token (file:PATH or env:NAME) or --sasl-token-url with --sasl-user and --sasl-password")
		}
		if c.TokenURL != "" && (c.User == "" || c.Password == "") {
			return errors.New("--sasl-token-url gives tokens for --sasl-user and --sasl-password: give both")
		}
	default:
		return fmt.Errorf("--sasl is %q: use one of %s", c.SASL, strings.Join(Mechanisms(), ", "))
	}
	if (c.SASL == Plain || c.SASL == OAuthBearer) && !c.TLS && !all(c.Brokers, IsLoopback) {
		return fmt.Errorf("--sasl=%s without TLS shows the secret to everybody on the way: add --tls, or use scram-sha-512", c.SASL)
	}
	return nil
}

func all(addresses []string, f func(string) bool) bool {
	return !slices.ContainsFunc(addresses, func(a string) bool { return !f(a) })
}

// Mechanisms lists what --sasl takes.
func Mechanisms() []string { return []string{Plain, Scram256, Scram512, OAuthBearer} }

// IsLoopback says whether an address, with or without a port, is on this machine.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tlsConfig reads the files as they are now.
func (c Config) tlsConfig(host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.ServerName != "" {
		config.ServerName = c.ServerName
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-ca: %s holds no certificate: it must be PEM, with -----BEGIN CERTIFICATE-----", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert=%s, --tls-key=%s: %w", c.Cert, c.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// patience is how long a broker may take to answer a new connection: less than
// commands wait for the first answer, so that they can say what it waited for.
const patience = 4 * time.Second

// dial connects to one broker. It reads the files anew, so that a certificate
// which was replaced counts from the next connection on.
func (c Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config, err := c.tlsConfig(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, c.Explain(address, &handshakeError{err})
	}
	return conn, nil
}

// handshakeError says that the broker was there, and TLS did not begin.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }
