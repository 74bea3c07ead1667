package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Place is where files go. A file is there as a whole or not at all; one that is
// put again replaces itself.
type Place interface {
	Put(ctx context.Context, name string, content []byte, mime string) error
}

// Folder is a folder of this machine. Files are written under another name,
// which begins with a dot, brought to the disk, and then renamed.
type Folder string

// Put writes a file.
func (f Folder) Put(_ context.Context, name string, content []byte, _ string) error {
	path := filepath.Join(string(f), filepath.FromSlash(name))
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	unready := filepath.Join(folder, "."+filepath.Base(path)+".unready")
	if err := writeSynced(unready, content); err != nil {
		return err
	}
	if err := os.Rename(unready, path); err != nil {
		return err
	}
	directory, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// S3 is a bucket of whoever speaks S3.
type S3 struct {
	Endpoint  string // https://s3.eu-central-1.amazonaws.com
	Region    string
	Bucket    string
	Prefix    string
	AccessKey string // empty: those of the environment, or of the machine's role
	SecretKey string
}

type bucket struct {
	S3
	client *minio.Client
}

// Open checks s. Nothing is connected before the first file.
func (s S3) Open() (Place, error) {
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" && u.Path != "/" || u.User != nil:
		return nil, errors.New("s3: endpoint must be such as https://s3.eu-central-1.amazonaws.com")
	case s.Bucket == "":
		return nil, errors.New("s3: names no bucket")
	case (s.AccessKey == "") != (s.SecretKey == ""):
		return nil, errors.New("s3: access_key and secret_key go together")
	}
	keys := credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")
	if s.AccessKey == "" {
		keys = credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.IAM{}})
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: keys, Secure: u.Scheme == "https", Region: s.Region})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return bucket{s, client}, nil
}

// Put writes an object: it is there once all of it is.
func (b bucket) Put(ctx context.Context, name string, content []byte, mime string) error {
	_, err := b.client.PutObject(ctx, b.Bucket, b.Prefix+name, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: mime})
	return err
}
