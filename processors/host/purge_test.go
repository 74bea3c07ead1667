package host

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// filesHold says whether any file below dir holds a text.
func filesHold(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = true
			t.Log("in ", entry.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAPurgeLeavesNoByteOfADeletedRowInTheFiles(t *testing.T) {
	const canary = "canary-7f3a-sarah"
	for _, purge := range []bool{false, true} {
		dir := t.TempDir()
		d := testDisk(t, dir, 1)
		r := newRows(diskTables)
		for n := range int64(50) {
			commit(d, 3, r, layerOf(n+1, fmt.Sprint("k", n), fmt.Sprint("v", n)))
		}
		commit(d, 3, r, layerOf(51, canary+"-key", canary+"-value"))
		d.sync()
		if err := d.db.Flush(); err != nil {
			t.Fatal(err)
		}
		if !filesHold(t, dir, canary) {
			t.Fatal("the canary is not in the files: there is nothing to purge")
		}
		gone := newLayer(len(diskTables))
		gone.put(0, canary+"-key", nil)
		gone.put(1, canary+"-key", nil)
		gone.next[0], gone.next[1], gone.purge = 52, 52, purge
		commit(d, 3, r, gone)
		d.close()
		if found := filesHold(t, dir, canary); found == purge {
			t.Errorf("purge %v: the files hold the canary is %v", purge, found)
		}
		d = testDisk(t, dir, 1)
		p := newPartition(3, diskTables)
		if err := d.load(p); err != nil {
			t.Fatal(err)
		}
		if p.rows.next[0] != 52 || p.rows.count != 50 {
			t.Errorf("purge %v: next %d, %d rows", purge, p.rows.next[0], p.rows.count)
		}
		d.close()
	}
}
