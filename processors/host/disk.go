package host

type disk struct{}

func openDisk(Config, []string) (*disk, error) { return nil, nil }
func (d *disk) load(*partition) error          { return nil }
func (d *disk) forget(int32)                   {}
func (d *disk) write(int32, *layer)            {}
func (d *disk) close()                         {}
