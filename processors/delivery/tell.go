package delivery

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kairos/schemas"
)

// Message is what a receiver is told about one person and one audience.
type Message struct {
	ID          string         `json:"id"` // the same however often it is told
	Destination string         `json:"destination"`
	Person      string         `json:"person"`
	Audience    string         `json:"audience"`
	Entered     bool           `json:"entered"`  // or left
	Revision    int64          `json:"revision"` // rises by one per person and audience; an older one is out of date
	At          string         `json:"at"`       // of the cause, RFC 3339
	Reason      string         `json:"reason"`
	Identifiers []Identifier   `json:"identifiers"`      // of an exit: all that were told
	Former      []Identifier   `json:"former,omitempty"` // of an entry: those that were told and hold no longer
	Attributes  map[string]any `json:"attributes"`

	cause schemas.Instant
}

// Identifier is one that the receiver may see.
type Identifier struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

// Messages is a batch.
type Messages struct {
	Messages []Message `json:"messages"`
}

func messageOf(a *schemas.Activation) Message {
	m := Message{
		ID: nameOf(a), Destination: a.Destination,
		Person: a.Person, Audience: a.Audience, Entered: a.Entered, Revision: a.Revision, At: a.Cause.String(), Reason: a.Reason,
		Identifiers: []Identifier{}, Attributes: map[string]any{}, cause: a.Cause,
	}
	for _, id := range a.Identifiers {
		m.Identifiers = append(m.Identifiers, Identifier{id.Namespace, id.Value})
	}
	for _, id := range a.Former {
		m.Former = append(m.Former, Identifier{id.Namespace, id.Value})
	}
	for _, p := range a.Attributes {
		switch p.Value.Kind {
		case schemas.Number:
			m.Attributes[p.Name] = p.Value.Number
		case schemas.Boolean:
			m.Attributes[p.Name] = p.Value.True()
		case schemas.Text:
			m.Attributes[p.Name] = p.Value.Text
		default:
			m.Attributes[p.Name] = nil
		}
	}
	return m
}

// nameOf is the id of what a is told by. Its last part is of the content: a
// revision is told again when an attribute changes, and once more when consent ends,
// and who looks at ids would take that for what it has already.
func nameOf(a *schemas.Activation) string {
	content, err := schemas.ActivationCodec.Append(nil, a)
	if err != nil {
		panic(err) // it has been decoded from the same form
	}
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%s/%s/%s/%d/%x", a.Destination, a.Person, a.Audience, a.Revision, sum[:6])
}

// outcome is what came of a request, or of a message in the end.
type outcome int

const (
	taken       outcome = iota
	refused             // this message will never be taken
	failed              // try again
	busy                // try again later: the receiver says that it has too much to do
	expired             // nobody took it in time
	broken              // the receiver takes others and breaks on it
	undecodable         // it is no message
)

// reason is what a dead letter gives for it.
func (o outcome) reason() string {
	return map[outcome]string{
		refused: "kairos-delivery-refused", expired: "kairos-delivery-expired", broken: "kairos-delivery-poison", undecodable: "kairos-delivery-undecodable",
	}[o]
}

// word is the reason in metrics.
func (o outcome) word() string { return strings.TrimPrefix(o.reason(), "kairos-"+Word+"-") }

// answer is what came of a request: in words, which are none of the receiver's,
// and for how long it wants to be left alone.
type answer struct {
	result outcome
	status string
	after  time.Duration
}

// tell tells a request's messages once.
func (d *Deliverer) tell(ctx context.Context, r *request) answer {
	t := Telling{Audience: r.items[0].Audience, Entered: r.items[0].Entered}
	for _, i := range r.items {
		t.Messages = append(t.Messages, messageOf(i.Activation))
	}
	t.ID = idOf(t.Messages, d.config.Batch > 1)
	t.AudienceID = t.Audience
	if id, there := d.config.Audiences[t.Audience]; there {
		t.AudienceID = id
	}
	c := d.entry
	if !t.Entered && d.config.grouped() {
		c = d.exit
	}
	address, body, err := c.fill(t)
	if err == nil && body == nil {
		if body, err = json.Marshal(t.Messages[0]); d.config.Batch > 1 {
			body, err = json.Marshal(Messages{t.Messages})
		}
	}
	if err != nil {
		return answer{refused, "nothing, for it was not asked: " + err.Error(), 0}
	}
	return d.post(ctx, c.method, address, body, t.ID)
}

// idOf is the same whenever the same messages are told.
func idOf(messages []Message, batched bool) string {
	if !batched {
		return messages[0].ID
	}
	sum := sha256.New()
	for _, m := range messages {
		fmt.Fprintln(sum, m.ID)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// detail says of a message that is given up what happened, and the next move.
func (d *Deliverer) detail(v verdict) string {
	name, status := d.config.Destination, v.status
	switch v.result {
	case refused:
		return fmt.Sprintf("%s answers %s: mend what it does not like, then resend", name, status)
	case expired:
		return fmt.Sprintf("%s has not taken it for %v, at last %s: resend when it is well", name, d.config.GiveUpAfter, status)
	case broken:
		return fmt.Sprintf("%s takes others and fails on this one for %v, at last with %s: let it mend that, then resend", name, d.config.PoisonAfter, status)
	}
	return status
}

// post sends one request. What comes of it is said without a word of the
// receiver's.
func (d *Deliverer) post(ctx context.Context, method, address string, body []byte, id string) answer {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{refused, "nothing, for its URL is impossible", 0}
	}
	h := request.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "kairos")
	h.Set("Idempotency-Key", id)
	if len(d.config.Secrets) > 0 {
		stamp := strconv.FormatInt(d.config.Clock.Now().Unix(), 10)
		h.Set("Kairos-Signature", Sign(d.config.Secrets, stamp, body))
	}
	for _, header := range d.config.Headers {
		value, err := header.Value()
		if err != nil || strings.ContainsAny(value, "\r\n\x00") {
			return answer{failed, "nothing, for the secret of its header " + header.Name + " cannot be read", 0}
		}
		h.Set(header.Name, value)
	}
	response, err := d.http.Do(request)
	if err != nil {
		if errors.Is(err, errForbidden) {
			return answer{failed, errForbidden.Error(), 0}
		}
		return answer{failed, "nothing: it cannot be reached", 0}
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	after := retryAfter(response.Header.Get("Retry-After"), d.config.Clock.Now())
	switch s := response.StatusCode; {
	case s >= 200 && s < 300:
		return answer{taken, "", 0}
	case slices.Contains(d.config.Refused, s):
		return answer{refused, strconv.Itoa(s), 0}
	case s == http.StatusTooManyRequests:
		return answer{busy, strconv.Itoa(s), after}
	default: // 401 and 404 too: they are about the webhook, or will be told apart by what becomes of others
		return answer{failed, strconv.Itoa(s), after}
	}
}

// Sign is the value of Kairos-Signature: the time in seconds since 1970, and for
// each secret the HMAC-SHA256 of "time.body" in hexadecimal. A receiver computes
// one of them and refuses old times.
func Sign(secrets []string, stamp string, body []byte) string {
	parts := []string{"t=" + stamp}
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "."))
		mac.Write(body)
		parts = append(parts, "v1="+hex.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(parts, ",")
}

// retryAfter reads a Retry-After header; an hour is the most that is waited.
func retryAfter(text string, now time.Time) time.Duration {
	const most = time.Hour
	var d time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(seconds, int(most.Seconds()))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), most)
}

// backoff is the pause after the try-th failure: twice as long each time, from a
// second to five minutes, and up to half of it less, so that many do not come
// back together.
func backoff(try int, random float64) time.Duration {
	const first, most = time.Second, 5 * time.Minute
	d := min(first<<min(try, 20), most)
	return d - time.Duration(random*float64(d)/2)
}
