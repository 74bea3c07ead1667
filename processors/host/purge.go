package host

import (
	"context"
	"time"
)

// A deleted row's bytes stay in Pebble's files until they are compacted, which
// may be never. Where a step asks for it (stage.Out.Purge, an erasure), all
// files are compacted down to the newest rows, beside the work. That reads and
// writes the whole store, so it rests for nine times as long as it took: of
// many erasures, those that come meanwhile share the next one.
func (d *disk) purge() {
	defer close(d.purged)
	for range d.purges {
		if d.isBroken() {
			continue
		}
		began := time.Now()
		if err := d.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false); err != nil {
			d.giveUp(err)
			continue
		}
		rest := time.NewTimer(9 * time.Since(began))
		select {
		case <-rest.C:
		case <-d.done: // the host ends: what is wanted is done at once
		}
		rest.Stop()
	}
}
