// Package machine looks at the machine that kairos runs on.
//
// In: nothing. Out: room on disks, whether the clock is kept right. State:
// none. Not here: what is too little (kairos doctor).
package machine

import "syscall"

// Room is how many bytes of the disk that holds a folder are free for us, and
// how many there are.
func Room(folder string) (free, total uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
