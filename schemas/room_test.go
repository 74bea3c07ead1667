package schemas_test

import (
	"strings"
	"sync"
	"testing"

	"kairos/schemas"
)

func TestRecordsThatAreEncodedAtOnceKeepTheirBytesToThemselves(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			e := anEvent()
			e.ID = strings.Repeat(string(rune('a'+i)), 100*i)
			want, err := schemas.EventCodec.Append([]byte{}, e)
			if err != nil {
				t.Error(err)
				return
			}
			for range 2000 {
				got, err := schemas.EventCodec.Append(nil, e)
				if err != nil || string(got) != string(want) {
					t.Errorf("the bytes of goroutine %d are not its own any more, %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
}
