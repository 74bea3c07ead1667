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
	Identifiers []Identifier   `json:"identifiers"`
	Attributes  map[string]any `json:"attributes"`
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
		ID: fmt.Sprintf("%s/%s/%s/%d", a.Destination, a.Person, a.Audience, a.Revision), Destination: a.Destination,
		Person: a.Person, Audience: a.Audience, Entered: a.Entered, Revision: a.Revision, At: a.Cause.String(), Reason: a.Reason,
		Identifiers: []Identifier{}, Attributes: map[string]any{},
	}
	for _, id := range a.Identifiers {
		m.Identifiers = append(m.Identifiers, Identifier{id.Namespace, id.Value})
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

// outcome is what came of one request.
type outcome int

const (
	taken   outcome = iota
	refused         // this message will never be taken
	failed          // try again
)

// tell tells items in one request, again and again until it is taken, refused
// or too old. A batch that is refused is told one by one, since perhaps only one
// of it is wrong.
func (d *Deliverer) tell(ctx context.Context, items []item) error {
	body, id, err := encode(items, d.config.Batch > 1)
	if err != nil {
		return err
	}
	began, others := d.config.Clock.Now(), d.breaker.taken.Load()
	for try := 0; ; try++ {
		probe, err := d.breaker.enter(ctx)
		if err != nil {
			return err
		}
		if err := d.pace.wait(ctx); err != nil {
			d.breaker.leave(probe, failed, 0)
			return err
		}
		result, status, after := d.post(ctx, body, id)
		if ctx.Err() != nil {
			d.breaker.leave(probe, failed, 0)
			return ctx.Err()
		}
		d.breaker.leave(probe, result, after)
		age := d.config.Clock.Now().Sub(began)
		switch {
		case result == taken:
			d.metrics.results.WithLabelValues(d.config.Destination, "delivered").Add(float64(len(items)))
			return nil
		case result == refused && len(items) > 1:
			for _, one := range items {
				if err := d.tell(ctx, []item{one}); err != nil {
					return err
				}
			}
			return nil
		case result == refused:
			return d.letter(ctx, items[0].record, "refused", fmt.Sprintf("%s answers %s: mend what it does not like, then resend", d.config.Destination, status))
		case age > d.config.GiveUpAfter:
			return d.giveUp(ctx, items, "expired", fmt.Sprintf("%s has not taken it for %v, at last %s: resend when it is well", d.config.Destination, d.config.GiveUpAfter, status))
		case age > poisonAfter && d.breaker.taken.Load() > others:
			return d.giveUp(ctx, items, "poison", fmt.Sprintf("%s takes others and fails on this one for %v, at last with %s: let it mend that, then resend", d.config.Destination, poisonAfter, status))
		}
		d.metrics.retries.WithLabelValues(d.config.Destination).Inc()
		if try == 0 {
			d.config.Logger.Warn("a delivery failed and is tried again", "destination", d.config.Destination, "status", status)
		}
		if err := d.config.Clock.Wait(ctx, max(after, backoff(try, d.config.Random()))); err != nil {
			return err
		}
	}
}

// poisonAfter is how long a message may fail while others are taken. It holds
// up its person, and in the end the destination.
const poisonAfter = time.Minute

func (d *Deliverer) giveUp(ctx context.Context, items []item, what, detail string) error {
	for _, one := range items {
		if err := d.letter(ctx, one.record, what, detail); err != nil {
			return err
		}
	}
	return nil
}

func encode(items []item, batched bool) (body []byte, id string, err error) {
	all := Messages{}
	for _, one := range items {
		all.Messages = append(all.Messages, messageOf(one.Activation))
	}
	id = all.Messages[0].ID
	if !batched {
		body, err = json.Marshal(all.Messages[0])
		return body, id, err
	}
	sum := sha256.New()
	for _, m := range all.Messages {
		fmt.Fprintln(sum, m.ID)
	}
	body, err = json.Marshal(all)
	return body, hex.EncodeToString(sum.Sum(nil)), err
}

// post sends one request. status says what came of it, without a word of the
// receiver's.
func (d *Deliverer) post(ctx context.Context, body []byte, id string) (result outcome, status string, after time.Duration) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.config.URL, bytes.NewReader(body))
	if err != nil {
		return refused, "an impossible URL", 0
	}
	stamp := strconv.FormatInt(d.config.Clock.Now().Unix(), 10)
	h := request.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "kairos")
	h.Set("Idempotency-Key", id)
	h.Set("Kairos-Signature", Sign(d.config.Secrets, stamp, body))
	response, err := d.http.Do(request)
	if err != nil {
		if errors.Is(err, errForbidden) {
			return failed, errForbidden.Error(), 0
		}
		return failed, "nothing: it cannot be reached", 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	switch s := response.StatusCode; {
	case s >= 200 && s < 300:
		return taken, "", 0
	case s == http.StatusBadRequest, s == http.StatusRequestEntityTooLarge, s == http.StatusUnprocessableEntity:
		return refused, strconv.Itoa(s), 0
	default: // 401 and 404 too: they are about the webhook, not about this message
		return failed, strconv.Itoa(s), retryAfter(response.Header.Get("Retry-After"), d.config.Clock.Now())
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
	var d time.Duration
	if seconds, err := strconv.Atoi(text); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}

// backoff is the pause after the try-th failure: twice as long each time, from a
// second to five minutes, and up to half of it less, so that many do not come
// back together.
func backoff(try int, random float64) time.Duration {
	const first, most = time.Second, 5 * time.Minute
	d := min(first<<min(try, 20), most)
	return d - time.Duration(random*float64(d)/2)
}
