package binary

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"kairos/schemas"
)

// Status is what a process says at /status about one consumer group.
type Status struct {
	Group      string
	Partitions []struct {
		Number  int32
		Rows    int             // keys with rows
		Time    schemas.Instant // until which everything has been read
		Due     int             // wakes
		Waiting int             // records
		Telling bool            // the stages behind do not know Time yet
	}
}

// Reached reports whether the group has dealt, in all its partitions, with
// everything that happened until a time.
func (s Status) Reached(t schemas.Instant, partitions int) bool {
	for _, p := range s.Partitions {
		if p.Time < t || p.Due > 0 || p.Waiting > 0 || p.Telling {
			return false
		}
	}
	return len(s.Partitions) == partitions
}

// StatusAt asks the process that serves its metrics at address, one Status for
// each group that it runs.
func StatusAt(ctx context.Context, address string) ([]Status, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status at %s: %s", address, response.Status)
	}
	var groups []Status
	return groups, json.NewDecoder(response.Body).Decode(&groups)
}
