package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob" // the scheme s3
)

// InMemory is the location of files that are gone with the process.
const InMemory = "mem://"

// marker is in every bucket. Where it is missing, the bucket is not the one that was opened: an empty directory where the volume should be.
const marker = "claimsmith"

// OpenFiles opens the files at a location, and shows that they can be written: a directory, which is made, an address of S3 as
// gocloud.dev/blob/s3blob reads it (s3://bucket?region=…), or InMemory. The keys make the pseudonyms of public folders: the first one makes
// new ones, and erasing finds those of all.
func OpenFiles(ctx context.Context, location string, keys [][]byte) (*Files, error) {
	f := &Files{keys: keys}
	var err error
	switch scheme, _, isURL := strings.Cut(location, "://"); {
	case location == InMemory:
		f.bucket = memblob.OpenBucket(&memblob.Options{NoMD5: true})
	case isURL && scheme == "s3":
		f.bucket, err = blob.OpenBucket(ctx, location)
	case isURL:
		err = errors.New("the address must be a directory or s3://…")
	default:
		f.directory = location
		f.bucket, err = fileblob.OpenBucket(location, &fileblob.Options{
			CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open files: %w", err)
	}
	if err := f.bucket.WriteAll(ctx, marker, []byte("The files of an installation of Claimsmith.\n"), nil); err != nil {
		return nil, errors.Join(fmt.Errorf("open files: %w", err), f.bucket.Close())
	}
	return f, nil
}

// Close ends what the bucket does in the background.
func (f *Files) Close() error { return f.bucket.Close() }

var _ io.Closer = (*Files)(nil)
