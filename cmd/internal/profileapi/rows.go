package profileapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"kairos/processors/host"
	"kairos/schemas"
	"kairos/topologies"
)

// reading gathers the rows of one request, wherever they are, and the earliest
// time up to which they are.
type reading struct {
	api  *API
	time schemas.Instant
}

// Row implements lookup.Rows.
func (r *reading) Row(ctx context.Context, table topologies.Topic, key string) ([]byte, error) {
	err := host.ErrElsewhere
	var row []byte
	var until schemas.Instant
	if local := r.api.config.Local(); local != nil {
		if row, err = local.Row(ctx, table, key); err == nil {
			until = local.TimeOf(table.Name, key)
		}
	}
	if errors.Is(err, host.ErrElsewhere) {
		row, until, err = r.api.peers.row(ctx, table.Name, key)
	}
	if err == nil && until != 0 && (r.time == 0 || until < r.time) {
		r.time = until
	}
	return row, err
}

// timeHeader carries up to when a row is.
const timeHeader = "Kairos-Time"

// row answers a peer from this process's own rows: 204 if there is none, 421 if
// the key's partition is elsewhere.
func (a *API) row(w http.ResponseWriter, r *http.Request) {
	table, key := r.PathValue("table"), r.URL.Query().Get("key")
	local := a.config.Local()
	if local == nil {
		answer(w, http.StatusMisdirectedRequest, problem{"no host runs here"})
		return
	}
	row, err := local.Row(r.Context(), topologies.Topic{Name: table}, key)
	switch {
	case errors.Is(err, host.ErrElsewhere):
		answer(w, http.StatusMisdirectedRequest, problem{"the key is elsewhere"})
	case err != nil:
		answerError(w, err)
	default:
		w.Header().Set(timeHeader, strconv.FormatInt(int64(local.TimeOf(table, key)), 10))
		if row == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(row) // the peer went away: nobody to tell
	}
}

// peers ask other processes for rows, first the one that had the partition the
// last time.
type peers struct {
	config Config
	client *http.Client

	home func(key []byte, partitions int32) int32

	lock sync.Mutex
	last map[place]int
}

type place struct {
	table  string
	number int32
}

func newPeers(c Config) *peers {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &peers{config: c, client: &http.Client{Transport: transport, Timeout: 5 * time.Second}, home: host.Partitioner(), last: map[place]int{}}
}

func (p *peers) row(ctx context.Context, table, key string) ([]byte, schemas.Instant, error) {
	at := place{table, p.home([]byte(key), max(p.config.Partitions(), 1))}
	p.lock.Lock()
	first := p.last[at]
	p.lock.Unlock()
	err := error(nil)
	for i := range p.config.Peers {
		n := (first + i) % len(p.config.Peers)
		row, until, askErr := p.ask(ctx, p.config.Peers[n], table, key)
		if askErr == nil {
			p.lock.Lock()
			p.last[at] = n
			p.lock.Unlock()
			return row, until, nil
		}
		if !errors.Is(askErr, host.ErrElsewhere) {
			err = errors.Join(err, askErr)
		}
	}
	if err == nil {
		err = fmt.Errorf("partition %d of %s is with nobody that was asked: it moves, or a process is missing among the peers", at.number, table)
	}
	return nil, 0, err
}

func (p *peers) ask(ctx context.Context, peer, table, key string) ([]byte, schemas.Instant, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, peer+"/v1/rows/"+url.PathEscape(table)+"?key="+url.QueryEscape(key), nil)
	if err != nil {
		return nil, 0, err
	}
	if p.config.PeerToken != "" {
		request.Header.Set("Authorization", "Bearer "+p.config.PeerToken)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("peer %s does not answer", peer) // the error itself would name the person
	}
	defer drain(response.Body)
	until, _ := strconv.ParseInt(response.Header.Get(timeHeader), 10, 64)
	switch response.StatusCode {
	case http.StatusOK:
		row, err := io.ReadAll(io.LimitReader(response.Body, topologies.MaxBatchBytes))
		return row, schemas.Instant(until), err
	case http.StatusNoContent:
		return nil, schemas.Instant(until), nil
	case http.StatusMisdirectedRequest:
		return nil, 0, host.ErrElsewhere
	}
	return nil, 0, fmt.Errorf("peer %s answers %s", peer, response.Status)
}
