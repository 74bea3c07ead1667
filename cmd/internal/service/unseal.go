package service

import (
	"context"
	"errors"
	"time"

	"kairos/processors/keyring"
)

// Why a host drops what came through a door.
const (
	dropErased     = "erased"     // sealed for somebody whose key is lost
	dropSuppressed = "suppressed" // not sealed, under an identifier of somebody who was erased
)

// patience is how long keys are waited for that a record says it is sealed
// under. Then the record is no sealed one, and becomes a dead letter.
const patience = 10 * time.Second

// unseal opens a record of the door's topic. Keys that have not come here yet
// are waited for: to drop the record would be to lose it.
func (s *service) unseal(ctx context.Context, key, value []byte) (k, v []byte, drop string, err error) {
	for began := time.Now(); ; {
		ring := s.ring.Load()
		if !keyring.IsSealed(value) {
			if ring != nil && len(key) > 0 && !ring.Holds(string(key)) {
				return nil, nil, dropSuppressed, nil
			}
			return key, value, "", nil
		}
		k, v, err = ring.Open(value)
		switch {
		case errors.Is(err, keyring.ErrLost):
			return nil, nil, dropErased, nil
		case err == nil:
			return k, v, "", nil
		case !errors.Is(err, keyring.ErrAhead) || time.Since(began) > patience:
			s.Logger.Error("a record in the door's topic looks sealed and is not", "error", err)
			return key, value, "", nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, "", ctx.Err()
		}
	}
}
