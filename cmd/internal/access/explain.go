package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// RefusedError says that a broker is there, and we and it do not trust each
// other, or speak differently.
type RefusedError struct {
	Broker string
	What   string // happened
	Next   string // move
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("broker %s: %s: %s", e.Broker, e.What, e.Next)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// Explain makes a RefusedError of an error that a broker's refusal, or ours,
// led to. Others come back as they are.
func (c Config) Explain(broker string, err error) error {
	var known *RefusedError
	if err == nil || errors.As(err, &known) {
		return err
	}
	if what, next := c.ours(err); what != "" {
		return &RefusedError{broker, what, next, err}
	}
	if what, next := c.theirs(err); what != "" {
		return &RefusedError{broker, what, next, err}
	}
	return err
}

// ours is why we refuse a broker.
func (c Config) ours(err error) (what, next string) {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	trusted := "those that the system trusts"
	if c.CA != "" {
		trusted = "those in " + c.CA
	}
	switch {
	case errors.As(err, &authority):
		return "its certificate is signed by none of the authorities that we know, " + trusted, "give the file of its authority with --tls-ca"
	case errors.As(err, &name):
		return fmt.Sprintf("its certificate is for %s, not for %s", names(name.Certificate), name.Host), "name brokers (also their advertised.listeners) as the certificate does, or say with --tls-name which name it has"
	case errors.As(err, &invalid):
		return "its certificate does not hold (" + invalid.Error() + ")", "renew it, or look at this machine's clock"
	case errors.As(err, &record):
		return "it does not speak TLS on this port", "leave --tls out, or name its port for TLS"
	}
	return "", ""
}

func names(certificate *x509.Certificate) string {
	all := append([]string{}, certificate.DNSNames...)
	for _, ip := range certificate.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no host"
	}
	return strings.Join(all, ", ")
}

// theirs is why a broker refuses us.
func (c Config) theirs(err error) (what, next string) {
	var remote *net.OpError
	var handshake *handshakeError
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "it does not believe that we are " + c.who() + " (" + c.SASL + ")", "check " + c.saslFlags() + ", and that the cluster knows the user"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "it does not offer " + c.SASL, "choose with --sasl what its listener has in sasl.enabled.mechanisms"
	case errors.Is(err, kerr.IllegalSaslState):
		return "it does not take SASL on this port", "leave --sasl out, or name its port for SASL"
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert of TLS
		if c.Cert == "" {
			return "it ended TLS (" + remote.Err.Error() + ")", "it may want a certificate of ours: give --tls-cert and --tls-key"
		}
		return "it refuses our certificate (" + remote.Err.Error() + ")", "check who signed " + c.Cert + " and until when it holds; the broker must have that authority in its trust store"
	case strings.Contains(err.Error(), "tls alert record"): // has no type
		return "it answers in TLS", "add --tls"
	case isFirstRead(err):
		return "it hung up at the first word", "its port may want TLS (--tls), SASL (--sasl), or neither"
	case errors.As(err, &handshake) && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, context.DeadlineExceeded)):
		return "it does not answer in TLS", "leave --tls out, or name its port for TLS"
	case c.SASL != "" && errors.Is(err, io.EOF):
		return "it hung up when told that we are " + c.who() + " (" + c.SASL + ")", "check " + c.saslFlags()
	}
	return "", ""
}

func isFirstRead(err error) bool {
	var first *kgo.ErrFirstReadEOF
	return errors.As(err, &first)
}

func (c Config) who() string {
	if c.User != "" {
		return c.User
	}
	return "whom our token says"
}

func (c Config) saslFlags() string {
	if c.Token != "" {
		return "--sasl-token, until when it holds and whom it is for"
	}
	return "--sasl-user and --sasl-password"
}
