package foreign

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"kairos/cmd/internal/access"
	"kairos/cmd/internal/credential"
)

// Registry says where a registry of schemas is and how we show it who we are.
// Without a URL there is none. Secrets are fetched for each request, and our
// certificate for each connection, so that they can be replaced while a process
// runs; none travels without TLS off loopback, or follows a redirect.
type Registry struct {
	URL      string `yaml:"-" kong:"-"`
	User     string `yaml:"user" placeholder:"NAME" help:"Who we are to the registry."`
	Password string `yaml:"password" placeholder:"FROM" help:"Where the password is kept, file:PATH or env:NAME."`
	Token    string `yaml:"token" placeholder:"FROM" help:"Where a bearer token is kept, file:PATH or env:NAME; instead of user and password."`

	CA   string `yaml:"ca" name:"ca" placeholder:"FILE" help:"Certificates of the authorities that sign the registry's, PEM. Without: those that the system trusts."`
	Cert string `yaml:"cert" placeholder:"FILE" help:"Our own certificate, PEM."`
	Key  string `yaml:"key" placeholder:"FILE" help:"Its key, PEM."`
}

// Check says what does not go together, and fetches every secret once. It never
// repeats the URL, in which somebody may have written one.
func (r Registry) Check() error {
	if r.URL == "" {
		if r != (Registry{}) {
			return errors.New("how the registry is reached is said, and not where it is: give its URL")
		}
		return nil
	}
	at, err := url.Parse(r.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return errors.New("the registry's URL is no address: give https://HOST:PORT")
	}
	switch {
	case at.User != nil:
		return errors.New("the registry's URL holds a user: give user, and password as file:PATH or env:NAME")
	case (r.User == "") != (r.Password == ""):
		return errors.New("the registry's user and password belong together: give both or none")
	case r.Token != "" && r.User != "":
		return errors.New("the registry takes a token or a password: give one of them")
	case (r.Cert == "") != (r.Key == ""):
		return errors.New("our certificate for the registry and its key belong together: give both or none")
	case at.Scheme == "http" && (r.CA != "" || r.Cert != ""):
		return errors.New("certificates for the registry are given, and its URL is http: use https")
	case at.Scheme == "http" && (r.User != "" || r.Token != "") && !access.IsLoopback(at.Host):
		return errors.New("http would show the registry's password or token to everybody on the way: use https")
	}
	if from := cmp.Or(r.Password, r.Token); from != "" {
		if _, err := credential.Secret(from); err != nil {
			return fmt.Errorf("the registry's password or token: %w", err)
		}
	}
	return nil
}

// client makes a client that gives an answer so long.
func (r Registry) client(patience time.Duration) (*sr.Client, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	trust, err := r.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return sr.NewClient(sr.URLs(r.URL), sr.PreReq(r.sign),
		sr.HTTPClient(&http.Client{Timeout: patience, Transport: transport, CheckRedirect: stay}))
}

// sign shows who we are.
func (r Registry) sign(request *http.Request) error {
	switch {
	case r.Token != "":
		token, err := credential.Secret(r.Token)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	case r.User != "":
		password, err := credential.Secret(r.Password)
		if err != nil {
			return err
		}
		request.SetBasicAuth(r.User, password)
	}
	return nil
}

func (r Registry) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CA != "" {
		text, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, fmt.Errorf("the registry's authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("the registry's authorities: %s holds no certificate: it must be PEM, with -----BEGIN CERTIFICATE-----", r.CA)
		}
	}
	if r.Cert != "" {
		if _, err := tls.LoadX509KeyPair(r.Cert, r.Key); err != nil {
			return nil, fmt.Errorf("our certificate for the registry: %w", err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(r.Cert, r.Key)
			return &pair, err
		}
	}
	return config, nil
}

// explain says the next move where the registry and we do not trust each other.
func explain(err error) error {
	var said *sr.ResponseError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &said) && said.StatusCode == http.StatusUnauthorized:
		return errors.New("the registry does not believe who we are (401): check its user and password, or token")
	case errors.As(err, &said) && said.StatusCode == http.StatusForbidden:
		return errors.New("the registry knows us and forbids it (403): let it allow us to read schemas, and to register those that we write")
	case errors.As(err, &said) && said.StatusCode/100 == 3:
		return fmt.Errorf("the registry sends us elsewhere (%d): give the URL that it names", said.StatusCode)
	case errors.As(err, &authority):
		return fmt.Errorf("%w: give the file of the authority that signed the registry's certificate", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w: name the registry as its certificate does", err)
	}
	return err
}
