// Package stagetest holds runners to laws that every stage must keep.
package stagetest

import (
	"fmt"
	"reflect"

	"kairos/processors/stage"
)

// Message is r.Message. It panics if r, whose memory has been used by all messages
// before, does anything else than a runner in fresh memory: then a step keeps parts
// of a message or of a row, or changes a message.
func Message(r *stage.Runner, rows stage.Rows, m stage.Message) (stage.Effects, error) {
	did, err := r.Message(rows, m)
	fresh, freshErr := r.Fresh().Message(rows, m)
	if !reflect.DeepEqual(did, fresh) || (err == nil) != (freshErr == nil) {
		panic(fmt.Sprintf("%s, key %q: in used memory a step did\n%+v, %v\nand in fresh memory\n%+v, %v", m.Topic, m.Key, did, err, fresh, freshErr))
	}
	return did, err
}
