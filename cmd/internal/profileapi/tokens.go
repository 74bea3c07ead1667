package profileapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

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

// Tokens are who may ask for what. nil lets everybody ask for everything.
type Tokens struct {
	scopes map[credential.Hash][]string
}

// ReadTokens reads a file of tokens:
//
//	tokens:
//	  - name: app
//	    token: SHA-256 of the token in hexadecimal
//	    scopes: [profiles, transitions, audiences, rows, exports, erasures]
func ReadTokens(path string) (*Tokens, error) {
	var file struct {
		Tokens []struct {
			Name   string   `yaml:"name"`
			Token  string   `yaml:"token"`
			Scopes []string `yaml:"scopes"`
		} `yaml:"tokens"`
	}
	if err := credential.Read(path, &file); err != nil {
		return nil, err
	}
	t := &Tokens{map[credential.Hash][]string{}}
	for _, entry := range file.Tokens {
		hash, err := credential.Parse(entry.Token)
		if err != nil {
			return nil, fmt.Errorf("%s: the token of %q %w", path, entry.Name, err)
		}
		for _, scope := range entry.Scopes {
			if !slices.Contains(scopes, scope) {
				return nil, fmt.Errorf("%s: token %q has the scope %q: there are %s", path, entry.Name, scope, strings.Join(scopes, ", "))
			}
		}
		if _, twice := t.scopes[hash]; twice {
			return nil, fmt.Errorf("%s: the token of %q is there twice: each needs its own", path, entry.Name)
		}
		t.scopes[hash] = entry.Scopes
	}
	if len(t.scopes) == 0 {
		return nil, fmt.Errorf("%s: there is no token in it", path)
	}
	return t, nil
}

// guard lets requests through whose token has the scope.
func (t *Tokens) guard(scope string, serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t == nil {
			serve(w, r)
			return
		}
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		allowed, known := t.scopes[credential.Of(token)]
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
