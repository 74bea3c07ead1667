package access

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kairos/cmd/internal/credential"
)

// mechanism asks for the secret at every connection, and once now, so that one
// that is not there is noticed at the start.
func (c Config) mechanism() (sasl.Mechanism, error) {
	for flag, from := range map[string]string{"--sasl-password": c.Password, "--sasl-token": c.Token} {
		if from == "" {
			continue
		}
		if _, err := credential.Secret(from); err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
	}
	switch c.SASL {
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := credential.Secret(c.Password)
			return plain.Auth{User: c.User, Pass: password}, err
		}), nil
	case Scram256, Scram512:
		auth := func(context.Context) (scram.Auth, error) {
			password, err := credential.Secret(c.Password)
			return scram.Auth{User: c.User, Pass: password}, err
		}
		if c.SASL == Scram256 {
			return scram.Sha256(auth), nil
		}
		return scram.Sha512(auth), nil
	}
	if c.Token != "" {
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := credential.Secret(c.Token)
			return oauth.Auth{Token: token}, err
		}), nil
	}
	endpoint, err := c.tokenEndpoint()
	if err != nil {
		return nil, err
	}
	return oauth.Oauth(endpoint.auth), nil
}

// tokens gives bearer tokens for a client's id and secret (RFC 6749, 4.4). It
// asks again when most of a token's life is over.
type tokens struct {
	config Config
	http   *http.Client

	lock  sync.Mutex
	token string
	until time.Time
}

func (c Config) tokenEndpoint() (*tokens, error) {
	at, err := url.Parse(c.TokenURL)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("--sasl-token-url=%s is no address: give https://HOST/PATH", c.TokenURL)
	}
	if at.Scheme != "https" && !IsLoopback(at.Host) {
		return nil, fmt.Errorf("--sasl-token-url=%s would show the secret to everybody on the way: use https", c.TokenURL)
	}
	client := &http.Client{Timeout: patience}
	if c.CA != "" { // often the same house signs both
		client.Transport = &http.Transport{DialTLSContext: c.dial, Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	}
	return &tokens{config: c, http: client}, nil
}

func (t *tokens) auth(ctx context.Context) (oauth.Auth, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.token != "" && time.Now().Before(t.until) {
		return oauth.Auth{Token: t.token}, nil
	}
	token, life, err := t.ask(ctx)
	if err != nil {
		return oauth.Auth{}, fmt.Errorf("--sasl-token-url=%s: %w", t.config.TokenURL, err)
	}
	t.token, t.until = token, time.Now().Add(life*4/5)
	return oauth.Auth{Token: token}, nil
}

func (t *tokens) ask(ctx context.Context) (token string, life time.Duration, err error) {
	secret, err := credential.Secret(t.config.Password)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.config.Scope != "" {
		form.Set("scope", t.config.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(t.config.User), url.QueryEscape(secret))
	response, err := t.http.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", 0, err
	}
	if response.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("it refuses the client %s with %s: check --sasl-user and --sasl-password", t.config.User, response.Status)
	}
	var answer struct {
		Token string  `json:"access_token"`
		Life  float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return "", 0, errors.New("its answer holds no access_token: is it the token endpoint?")
	}
	return answer.Token, time.Duration(answer.Life * float64(time.Second)), nil
}
