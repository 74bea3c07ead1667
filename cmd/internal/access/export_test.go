package access

import "context"

// AskToken gives two callers in a row what two connections would show.
func (c Config) AskToken(ctx context.Context) (string, error) {
	endpoint, err := c.tokenEndpoint()
	if err != nil {
		return "", err
	}
	if _, err := endpoint.auth(ctx); err != nil {
		return "", err
	}
	auth, err := endpoint.auth(ctx)
	return auth.Token, err
}
