package expression

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"time"
)

// zoneData is the IANA time zone database as Go 1.26.8 ships it in
// lib/time/zoneinfo.zip. It lies here, and not where the machine or the Go
// release has its own, because the same log must give the same bytes on every
// machine. To renew it, copy the file of a newer Go; rows whose terms speak of
// calendars are then brought up to date like under a change of definitions.
//
//go:embed zoneinfo.zip
var zoneData []byte

// ZoneDataID tells versions of the time zone data apart.
func ZoneDataID() int64 { return hash(string(zoneData)) }

// Zone opens the time zone of an IANA name such as "Europe/Paris", from the data
// here.
func Zone(name string) (*time.Location, error) { return (&zones{}).zone(name) }

// zones opens time zones, each once.
type zones struct {
	archive *zip.Reader
	open    map[string]*time.Location
}

// zone returns the time zone of an IANA name such as "Europe/Paris".
func (z *zones) zone(name string) (*time.Location, error) {
	if known := z.open[name]; known != nil {
		return known, nil
	}
	if z.archive == nil {
		archive, err := zip.NewReader(bytes.NewReader(zoneData), int64(len(zoneData)))
		if err != nil {
			return nil, fmt.Errorf("open the time zone data: %w", err)
		}
		z.archive, z.open = archive, map[string]*time.Location{"UTC": time.UTC}
		return z.zone(name)
	}
	for _, file := range z.archive.File {
		if file.Name == name && !file.FileInfo().IsDir() {
			zone, err := read(file)
			if err == nil {
				z.open[name] = zone
			}
			return zone, err
		}
	}
	return nil, fmt.Errorf("unknown time zone `%s`", name)
}

// names lists all time zones.
func (z *zones) names() (names []string) {
	if z.archive == nil {
		return nil
	}
	for _, file := range z.archive.File {
		names = append(names, file.Name)
	}
	return names
}

func read(file *zip.File) (*time.Location, error) {
	content, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("read the time zone %s: %w", file.Name, err)
	}
	defer func() { _ = content.Close() }() // nothing was written
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, fmt.Errorf("read the time zone %s: %w", file.Name, err)
	}
	zone, err := time.LoadLocationFromTZData(file.Name, data)
	if err != nil {
		return nil, fmt.Errorf("read the time zone %s: %w", file.Name, err)
	}
	return zone, nil
}
