package delivery

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"syscall"
	"time"
)

// mostTogether is how many messages may be in one request.
const mostTogether = 500

func (w Webhook) withDefaults() Webhook {
	set := func(d *time.Duration, usual time.Duration) {
		if *d == 0 {
			*d = usual
		}
	}
	set(&w.Timeout, 10*time.Second)
	set(&w.GiveUpAfter, 72*time.Hour)
	set(&w.PoisonAfter, time.Hour)
	w.Batch = max(w.Batch, 1)
	if len(w.Refused) == 0 {
		w.Refused = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}
	}
	if w.Lanes == 0 {
		w.Lanes = 8
	}
	return w
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

func (w Webhook) validate() error {
	switch {
	case w.Destination == "":
		return errors.New("names no destination")
	case len(w.Secrets) > 2 || len(w.Secrets) == 0 && w.Body == "":
		return errors.New("needs one secret, or two while one follows the other; only a body of one's own goes without")
	case w.PerSecond < 0 || w.Batch > mostTogether || w.Lanes < 1 || w.Timeout < 0 || w.GiveUpAfter < 0 || w.PoisonAfter < 0:
		return fmt.Errorf("per_second, lanes and times cannot be negative, and batch is at most %d", mostTogether)
	}
	for _, s := range w.Secrets {
		if len(s) < 16 {
			return errors.New("a secret has at least 16 characters")
		}
	}
	for _, h := range w.Headers {
		if !headerName.MatchString(h.Name) {
			return fmt.Errorf("%q is no header's name", h.Name)
		}
	}
	entry, exit, err := w.calls()
	if err != nil {
		return err
	}
	for _, c := range []call{entry, exit} {
		if err := c.validate(w.Destination); err != nil {
			return err
		}
	}
	return nil
}

// validate tries a call with invented people.
func (c call) validate(destination string) error {
	sample := Telling{ID: "id", Audience: "audience", AudienceID: "1", Entered: true, Messages: []Message{{
		ID: "id", Destination: destination, Person: "person", Audience: "audience", Entered: true, Revision: 1, At: "2026-01-01T00:00:00Z",
		Identifiers: []Identifier{{"email", "a@b.example"}}, Attributes: map[string]any{},
	}}}
	sample.Messages = append(sample.Messages, sample.Messages[0])
	address, _, err := c.fill(sample)
	if err != nil {
		return err
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("url must be one of https://, or of http:// for tests")
	case u.User != nil:
		return errors.New("url holds a user and password: receivers know us by the signature, or by a header")
	}
	return nil
}

// errForbidden is an address that no receiver of ours may have.
var errForbidden = errors.New("the address belongs to a private network: allow it with allow_private if it is meant")

// newHTTP makes a client that looks at every address that it is about to dial,
// after names are resolved, redirects included: a name that leads inside is how
// a webhook is made to attack its own network.
func newHTTP(w Webhook) *http.Client {
	dialer := &net.Dialer{Timeout: w.Timeout, Control: func(_, address string, _ syscall.RawConn) error {
		if w.AllowPrivate {
			return nil
		}
		at, err := netip.ParseAddrPort(address)
		if err != nil || !isPublic(at.Addr().Unmap()) {
			return errForbidden
		}
		return nil
	}}
	return &http.Client{
		Timeout: w.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: w.Lanes, MaxResponseHeaderBytes: 64 << 10,
			TLSHandshakeTimeout: w.Timeout, IdleConnTimeout: 90 * time.Second, // and no proxy: it would dial for us
		},
		CheckRedirect: func(request *http.Request, before []*http.Request) error {
			elsewhere := len(w.Headers) > 0 && request.URL.Host != before[0].URL.Host // which would show it our token
			if len(before) > 3 || elsewhere || before[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// shared are ranges that netip does not call private and that are nobody's on
// the internet: carrier-grade NAT, documentation, benchmarks, and what maps IPv4
// into IPv6.
var shared = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001:db8::/32"),
}

func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range shared {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
