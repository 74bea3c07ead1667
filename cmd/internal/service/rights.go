package service

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"kairos/cmd/internal/cluster"
	"kairos/cmd/internal/door"
	"kairos/cmd/internal/erasure"
	"kairos/cmd/internal/profileapi"
	"kairos/schemas"
)

// rights let the API export and erase people.
type rights struct {
	service *service
	client  *cluster.Client
	key     ed25519.PrivateKey // signs receipts
}

// rights is nil where no key is given to sign receipts with.
func (s *service) rights(ctx context.Context) (profileapi.Rights, func(), error) {
	if s.API.Receipts == nil {
		return nil, func() {}, nil
	}
	client, err := s.Client.Again(ctx, door.Options()...)
	if err != nil {
		return nil, nil, err
	}
	return &rights{s, client, s.API.Receipts}, client.Close, nil
}

var errNoPlan = errors.New("no definitions are published yet")

// Export implements profileapi.Rights.
func (r *rights) Export(ctx context.Context, id schemas.Identifier) (any, error) {
	plan := r.service.plan.Load()
	if plan == nil {
		return nil, errNoPlan
	}
	topology, err := r.service.Topology(ctx, r.client)
	if err != nil {
		return nil, err
	}
	return erasure.Gather(ctx, r.client, topology, plan, id)
}

// Erase implements profileapi.Rights. It goes on when the client goes away:
// what is half erased is worth nothing.
func (r *rights) Erase(ctx context.Context, id schemas.Identifier, dryRun bool) (any, error) {
	topology, err := r.service.Topology(ctx, r.client)
	if err != nil {
		return nil, err
	}
	subject, err := erasure.Find(ctx, r.client, id)
	if err != nil {
		return nil, err
	}
	config := erasure.Config{Client: r.client, Topology: topology, Rules: r.service.rules(), Now: time.Now}
	if dryRun {
		return erasure.Look(ctx, config, subject)
	}
	receipt, err := erasure.Erase(context.WithoutCancel(ctx), config, subject)
	if err != nil {
		return nil, err
	}
	return erasure.Sign(receipt, r.key)
}
