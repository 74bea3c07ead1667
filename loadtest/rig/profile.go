package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// takeProfiles begins to record what kairos does with its CPU time. The
// function that it returns waits for the end of the profiles.
func (w *World) takeProfiles(ctx context.Context) (wait func() error) {
	if w.Profile == 0 {
		return func() error { return nil }
	}
	running := w.processes()
	taken := make(chan error, len(running))
	for _, r := range running {
		go func() { taken <- w.takeProfile(ctx, r) }()
	}
	return func() error {
		var problems []error
		for range running {
			problems = append(problems, <-taken)
		}
		return errors.Join(problems...)
	}
}

func (w *World) takeProfile(ctx context.Context, r running) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", r.rim, int(w.Profile.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile of %s: %w", r.name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile of %s: %s", r.name, response.Status)
	}
	file, err := os.Create(filepath.Join(w.Results, w.Name+"-"+r.name+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
