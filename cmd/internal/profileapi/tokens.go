package profileapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"kairos/cmd/internal/credential"
)

// The scopes that a token may have.
const (
	scopeProfiles    = "profiles"
	scopeTransitions = "transitions"
	scopeAudiences   = "audiences"
	scopeRows        = "rows" // for peers: whole rows of anybody
	scopeExports     = "exports"
	scopeErasures    = "erasures"
)

var scopes = []string{scopeProfiles, scopeTransitions, scopeAudiences, scopeRows, scopeExports, scopeErasures}

// Tokens are who may ask for what, as a file says. nil lets everybody ask for
// everything.
type Tokens struct {
	path   string
	scopes atomic.Pointer[map[credential.Hash][]string]
}

// ReadTokens reads a file of tokens:
//
//	tokens:
//	  - name: app
//	    token: SHA-256 of the token in hexadecimal
//	    scopes: [profiles, transitions, audiences, rows, exports, erasures]
func ReadTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	return t, t.read()
}

// Follow lets the file say anew who may ask for what whenever it changes, until
// ctx ends. A file that is wrong changes nothing, and complain hears why.
func (t *Tokens) Follow(ctx context.Context, every time.Duration, complain func(error)) error {
	return credential.Follow(ctx, t.path, every, t.read, complain)
}

func (t *Tokens) read() error {
	path := t.path
	var file struct {
		Tokens []struct {
			Name   string   `yaml:"name"`
			Token  string   `yaml:"token"`
			Scopes []string `yaml:"scopes"`
		} `yaml:"tokens"`
	}
	if err := credential.Read(path, &file); err != nil {
		return err
	}
	all := map[credential.Hash][]string{}
	for _, entry := range file.Tokens {
		hash, err := credential.Parse(entry.Token)
		if err != nil {
			return fmt.Errorf("%s: the token of %q %w", path, entry.Name, err)
		}
		for _, scope := range entry.Scopes {
			if !slices.Contains(scopes, scope) {
				return fmt.Errorf("%s: token %q has the scope %q: there are %s", path, entry.Name, scope, strings.Join(scopes, ", "))
			}
		}
		if _, twice := all[hash]; twice {
			return fmt.Errorf("%s: the token of %q is there twice: each needs its own", path, entry.Name)
		}
		all[hash] = entry.Scopes
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: there is no token in it", path)
	}
	t.scopes.Store(&all)
	return nil
}

// guard lets requests through whose token has the scope.
func (t *Tokens) guard(scope string, serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t == nil {
			serve(w, r)
			return
		}
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		allowed, known := (*t.scopes.Load())[credential.Of(token)]
		switch {
		case !bearer || !known:
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, problem{"this needs a token: Authorization: Bearer TOKEN"})
		case !slices.Contains(allowed, scope):
			answer(w, http.StatusForbidden, problem{"this token does not have the scope " + scope})
		default:
			serve(w, r)
		}
	})
}
