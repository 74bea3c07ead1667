package foreign

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whoever writes to a foreign topic may name any schema in each record.
func TestSchemasThatNobodyKnowsAreNotRememberedWithoutEnd(t *testing.T) {
	asked := make(chan string, 3*mostUnknown)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		if r.URL.Path == "/schemas/ids/1" {
			_, _ = io.WriteString(w, `{"schema": "{\"type\": \"record\", \"name\": \"r\", \"fields\": []}"}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error_code": 40403, "message": "Schema not found"}`)
	}))
	defer registry.Close()
	k, err := NewKnown(nil, Registry{URL: registry.URL}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	find := func(id int) error {
		for {
			if _, err := k.find(t.Context(), reference{id: id}); !errors.Is(err, ErrPending) {
				return err
			}
			<-k.News()
		}
	}
	if err := find(1); err != nil {
		t.Fatal(err)
	}
	for n := range mostUnknown + 100 {
		if err := find(2 + n); err == nil {
			t.Fatal("it is known")
		}
	}
	if len(k.byName) > mostUnknown {
		t.Errorf("%d are remembered", len(k.byName))
	}
	if before := len(asked); find(1) != nil || len(asked) != before {
		t.Error("what was known is asked for again")
	}
}
