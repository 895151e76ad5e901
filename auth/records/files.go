package records

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/claimsmith/claimsmith/auth"
)

// Files keeps files in a bucket of gocloud.dev/blob: a directory, or anything that speaks S3. Every file lies below a folder that is
// somebody's, so that erasing him finds also what nothing else knows of any more. Keys are made here alone and have nothing in them that a
// user wrote. It is safe for concurrent use; every failure of the bucket is auth.Unavailable. It is opened by OpenFiles.
type Files struct {
	bucket *blob.Bucket
	// directory is where the bucket is, "" where it is none.
	directory string
	keys      [][]byte
}

// Folder is what an organisation has of a user, or, with Public, what everybody may see of him, whatever Org is.
type Folder struct {
	User, Org string
	Public    bool
}

// File is one that is being read.
type File struct {
	io.ReadSeekCloser
	Size      int64
	ChangedAt time.Time
}

var (
	privateID = regexp.MustCompile(`^[a-z2-7]{26}(/[0-9a-z]+\.[a-z]+)?$`)
	publicID  = regexp.MustCompile(`^[a-z2-7]{26}\.[a-z2-7]{26}(/[0-9a-z]+\.[a-z]+)?$`)
)

// NewID returns a fresh id for a file in a folder. Several files of one thing share an id, with "/" and a name of their own behind it. The
// id in a public folder leads to the file without the user's own id, which it does not tell.
func (f *Files) NewID(folder Folder) string {
	random := strings.ToLower(rand.Text())
	if folder.Public {
		return pseudonym(f.keys[0], folder.User) + "." + random
	}
	return random
}

// pseudonym is what a user's public folder is called.
func pseudonym(key []byte, user string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(user))
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:26]
}

// key is where a file is, "" for what NewID cannot have returned.
func (folder Folder) key(id string) string {
	switch {
	case folder.Public && publicID.MatchString(id):
		return "public/" + strings.Replace(id, ".", "/", 1)
	case !folder.Public && privateID.MatchString(id) && auth.ValidUserID(folder.User) && auth.ValidSlug(folder.Org):
		return "people/" + folder.User + "/" + folder.Org + "/" + id
	}
	return ""
}

// partSize is what is held in memory of a file on its way to S3, which takes no smaller part.
const partSize = 5 << 20

// Put stores in a folder what write writes, and returns its size. When it fails, or write does, nothing is left that could be read; an
// error of write's own is returned as it is.
func (f *Files) Put(
	ctx context.Context, folder Folder, id, mediaType string, write func(io.Writer) error,
) (size int64, err error) {
	key := folder.key(id)
	if key == "" {
		return 0, errors.New("no id of a file")
	}
	if f.directory != "" { // which would be made again where it is not there
		if err := f.accessible(ctx); err != nil {
			return 0, err
		}
	}
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var file *os.File
	options := blob.WriterOptions{ContentType: mediaType, BufferSize: partSize, MaxConcurrency: 1, BeforeWrite: func(as func(any) bool) error {
		as(&file)
		return nil
	}}
	w, err := f.bucket.NewWriter(ctx, key, &options)
	if err != nil {
		return 0, unavailable(err)
	}
	out := &counted{Writer: w}
	if err = write(out); err == nil && file != nil {
		out.err = cmp.Or(out.err, file.Sync()) // the bucket only renames it
	}
	if err != nil {
		cancel() // before it is closed, so that it is not kept
	}
	closed := w.Close()
	if err == nil && out.err == nil && closed == nil {
		return out.size, nil
	}
	f.withdraw(whole, key)
	if out.err = cmp.Or(out.err, whole.Err()); err == nil || out.err != nil {
		return 0, unavailable(errors.Join(out.err, closed))
	}
	return 0, err
}

// counted knows how much was written, and what went wrong.
type counted struct {
	io.Writer
	size int64
	err  error
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.size += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// withdraw removes what may have been kept although the bucket said no, or nothing.
func (f *Files) withdraw(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
	defer cancel()
	_ = f.bucket.Delete(ctx, key) // nobody knows the key: it goes with the folder at the latest
}

const withdrawTime = 5 * time.Second

// Open opens a file: NotFound where there is none. It is read within ctx. Its errors are auth.Unavailable too.
func (f *Files) Open(ctx context.Context, folder Folder, id string) (*File, error) {
	key := folder.key(id)
	if key == "" {
		return nil, notFound()
	}
	r, err := f.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, f.failure(ctx, err)
	}
	return &File{ReadSeekCloser: reader{r}, Size: r.Size(), ChangedAt: r.ModTime()}, nil
}

type reader struct{ io.ReadSeekCloser }

func (r reader) Read(p []byte) (int, error) {
	n, err := r.ReadSeekCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = unavailable(err)
	}
	return n, err
}

// Delete removes a file. What is gone already is no error.
func (f *Files) Delete(ctx context.Context, folder Folder, id string) error {
	key := folder.key(id)
	if key == "" {
		return nil
	}
	return f.delete(ctx, key)
}

func (f *Files) delete(ctx context.Context, key string) error {
	err := f.bucket.Delete(ctx, key)
	if err != nil {
		err = f.failure(ctx, err)
	}
	if auth.CodeOf(err) == auth.NotFound {
		return nil
	}
	return err
}

// Erase removes all files of a folder, Org "" meaning all folders of the user.
func (f *Files) Erase(ctx context.Context, folder Folder) error {
	if !auth.ValidUserID(folder.User) || folder.Org != "" && !auth.ValidSlug(folder.Org) {
		return errors.New("no folder of a user")
	}
	// What a bucket that is not there lists is nothing.
	if err := f.accessible(ctx); err != nil {
		return err
	}
	for _, prefix := range f.prefixes(folder) {
		if err := f.erase(ctx, prefix); err != nil {
			return err
		}
	}
	return nil
}

func (f *Files) prefixes(folder Folder) (all []string) {
	if !folder.Public && folder.Org != "" {
		return []string{"people/" + folder.User + "/" + folder.Org + "/"}
	}
	for _, key := range f.keys {
		all = append(all, "public/"+pseudonym(key, folder.User)+"/")
	}
	if !folder.Public {
		all = append(all, "people/"+folder.User+"/")
	}
	return all
}

func (f *Files) erase(ctx context.Context, prefix string) error {
	files := f.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		file, err := files.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unavailable(err)
		}
		if err := f.delete(ctx, file.Key); err != nil {
			return err
		}
	}
	if f.directory == "" {
		return nil
	}
	// Directories stay when their files go, and what could not be read was not listed.
	if err := os.RemoveAll(filepath.Join(f.directory, filepath.FromSlash(prefix))); err != nil {
		return unavailable(err)
	}
	return nil
}

// failure tells a file that is not there from a bucket that is not.
func (f *Files) failure(ctx context.Context, err error) error {
	if gcerrors.Code(err) != gcerrors.NotFound {
		return unavailable(err)
	}
	if err := f.accessible(ctx); err != nil {
		return err
	}
	return notFound()
}

func (f *Files) accessible(ctx context.Context) error {
	there, err := f.bucket.Exists(ctx, marker)
	if err == nil && !there {
		err = errors.New(marker + " is not there any more")
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func notFound() error { return &auth.Error{Code: auth.NotFound, Detail: "there is no such file"} }

func unavailable(err error) error {
	return &auth.Error{Code: auth.Unavailable, Detail: "files cannot be reached; try again", Err: err}
}
