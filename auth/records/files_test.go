package records_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

// bucket is files with what a test does to them from outside.
type bucket struct {
	*records.Files
	// location opens the same files again.
	location string
	// keys lists what is kept, but for the bucket's own mark.
	keys func(t *testing.T) []string
	// fail puts it out of order.
	fail func(t *testing.T)
}

var folderKeys = [][]byte{[]byte("a key of the server"), []byte("the key before it")}

// eachBucket runs a test over a directory, over memory, and over S3, spoken to by its real client.
func eachBucket(t *testing.T, test func(t *testing.T, b *bucket)) {
	t.Helper()
	for name, bucketOf := range map[string]func(*testing.T) *bucket{"directory": directory, "memory": memory, "s3": s3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bucketOf(t)
			b.Files = open(t, b.location)
			test(t, b)
		})
	}
}

func open(t *testing.T, location string) *records.Files {
	t.Helper()
	f, err := records.OpenFiles(t.Context(), location, folderKeys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func directory(t *testing.T) *bucket {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kept", "files")
	list := func(t *testing.T) (keys []string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && path != dir {
				path, _ = filepath.Rel(dir, path)
				keys = append(keys, filepath.ToSlash(path)) // directories too: their names tell whose they were
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(keys, func(key string) bool { return slices.Contains([]string{"claimsmith", "people", "public"}, key) })
	}
	return &bucket{location: dir, keys: list, fail: func(t *testing.T) {
		t.Helper()
		// As a volume that is not mounted any more: root reads and writes whatever the modes say.
		if err := os.Rename(dir, dir+" elsewhere"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}}
}

func memory(*testing.T) *bucket { return &bucket{location: records.InMemory} }

func s3(t *testing.T) *bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("kept"); err != nil {
		t.Fatal(err)
	}
	var broken atomic.Bool
	speaker := gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "out of order", http.StatusForbidden) // not repeated by the client, unlike 5xx
			return
		}
		speaker.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it answers some failures twice
	server.Start()
	t.Cleanup(server.Close)
	list := func(t *testing.T) (keys []string) {
		t.Helper()
		found, err := backend.ListBucket("kept", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range found.Contents {
			if object.Key != "claimsmith" {
				keys = append(keys, object.Key)
			}
		}
		return keys
	}
	query := url.Values{"region": {"anywhere"}, "endpoint": {server.URL}, "use_path_style": {"true"}, "anonymous": {"true"}}
	return &bucket{location: "s3://kept?" + query.Encode(), keys: list, fail: func(*testing.T) { broken.Store(true) }}
}

func put(t *testing.T, f *records.Files, folder records.Folder, name, content string) (id string) {
	t.Helper()
	id = f.NewID(folder) + name
	size, err := f.Put(t.Context(), folder, id, "text/plain", text(content))
	if err != nil || size != int64(len(content)) {
		t.Fatalf("putting %q: %d, %v", id, size, err)
	}
	return id
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, strings.NewReader(s))
		return err
	}
}

func content(t *testing.T, f *records.Files, folder records.Folder, id string) string {
	t.Helper()
	file, err := f.Open(t.Context(), folder, id)
	if auth.CodeOf(err) == auth.NotFound {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil || int64(len(all)) != file.Size || file.ChangedAt.IsZero() {
		t.Fatalf("reading %q: %d of %d bytes, of %v, %v", id, len(all), file.Size, file.ChangedAt, err)
	}
	return string(all)
}

var (
	janes     = records.Folder{User: "jane", Org: "acme"}
	janesSeen = records.Folder{User: "jane", Org: "acme", Public: true}
)

func TestFilesAreWhatWasPut(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *bucket) {
		long := strings.Repeat("0123456789abcdef", 11<<16) // 11 MiB: three parts of S3
		id, empty, seen := put(t, b.Files, janes, "", long), put(t, b.Files, janes, "", ""), put(t, b.Files, janesSeen, "/500.jpg", "picture")
		if got := content(t, b.Files, janes, id); got != long {
			t.Errorf("%d bytes, of %d", len(got), len(long))
		}
		if got := content(t, b.Files, janes, empty); got != "" {
			t.Errorf("%q in an empty file", got)
		}
		if got := content(t, b.Files, records.Folder{Public: true}, seen); got != "picture" || strings.Contains(seen, "jane") {
			t.Errorf("%q by %q", got, seen)
		}
		file, err := b.Open(t.Context(), janes, id)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		part := make([]byte, 4)
		for _, from := range []int64{5 << 20, 3, 16} {
			if _, err := file.Seek(from, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(file, part); err != nil || string(part) != long[from:from+4] {
				t.Errorf("%q from %d, %v", part, from, err)
			}
		}
	})
}

// A file is found in its own folder alone, and only by what NewID returned.
func TestFilesAreInTheirFolderAlone(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *bucket) {
		id, seen := put(t, b.Files, janes, "", "hers"), put(t, b.Files, janesSeen, "/30.jpg", "seen")
		for _, other := range []records.Folder{
			{User: "jane", Org: "other"}, {User: "bob", Org: "acme"}, {User: "jane"}, {Org: "acme"}, {}, {User: "jane", Org: "acme", Public: true},
			{User: "jane/acme", Org: "acme"}, {User: "..", Org: "acme"}, {User: "jane", Org: ".."},
		} {
			if got := content(t, b.Files, other, id); got != "(none)" {
				t.Errorf("%+v has %q", other, got)
			}
		}
		random := seen[strings.Index(seen, ".")+1 : strings.Index(seen, "/")]
		for _, wrong := range []string{
			"", "..", "/", id + "/", id + "\x00", "../acme/" + id, "./" + id, strings.ToUpper(id), id[1:], id + "a", id + "/../" + id, "*",
			"../../../claimsmith", id + ".1a2b.tmp", strings.TrimSuffix(seen, "/30.jpg"), seen, random + "/30.jpg", id + "/A.JPG", id + "/..",
		} {
			if got := content(t, b.Files, janes, wrong); got != "(none)" {
				t.Errorf("%q is %q", wrong, got)
			}
			if err := b.Delete(t.Context(), janes, wrong); err != nil {
				t.Errorf("deleting %q: %v", wrong, err)
			}
			if _, err := b.Put(t.Context(), janes, wrong, "text/plain", text("x")); err == nil && wrong != random+"/30.jpg" {
				t.Errorf("%q is kept", wrong)
			}
		}
		if got := content(t, b.Files, janes, id) + content(t, b.Files, janesSeen, seen); got != "hersseen" {
			t.Errorf("afterwards %q", got)
		}
	})
}

func TestDeletedFilesAreGone(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *bucket) {
		id, other := put(t, b.Files, janes, "", "gone"), put(t, b.Files, janes, "", "stays")
		for range 2 {
			if err := b.Delete(t.Context(), janes, id); err != nil {
				t.Error(err)
			}
		}
		if got := content(t, b.Files, janes, id) + " " + content(t, b.Files, janes, other); got != "(none) stays" {
			t.Errorf("%q", got)
		}
	})
}

func TestErasingFindsEverything(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *bucket) {
		before, err := records.OpenFiles(t.Context(), b.location, folderKeys[1:]) // when the older key was the one of the server
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		if b.location == records.InMemory {
			before = b.Files
		}
		fill := func(user string) (ids map[records.Folder]string) {
			ids = map[records.Folder]string{}
			for _, folder := range []records.Folder{{User: user, Org: "acme"}, {User: user, Org: "acme-2"}, {User: user, Public: true}} {
				ids[folder] = put(t, b.Files, folder, "", user)
			}
			put(t, before, records.Folder{User: user, Public: true}, "/50.jpg", user)
			return ids
		}
		hers, others, third := fill("jane"), fill("jane-2"), fill("jan")
		erase := func(folder records.Folder, want ...records.Folder) {
			t.Helper()
			for range 2 {
				if err := b.Erase(t.Context(), folder); err != nil {
					t.Fatal(err)
				}
			}
			for at, id := range hers {
				if got := content(t, b.Files, at, id) != "(none)"; got != slices.Contains(want, at) {
					t.Errorf("after erasing %+v: %+v there is %t", folder, at, got)
				}
			}
		}
		two, seen := records.Folder{User: "jane", Org: "acme-2"}, records.Folder{User: "jane", Public: true}
		erase(janes, two, seen)
		erase(janesSeen, two)
		hers = fill("jane")
		erase(records.Folder{User: "jane"})
		for _, ids := range []map[records.Folder]string{others, third} {
			for at, id := range ids {
				if content(t, b.Files, at, id) != at.User {
					t.Errorf("%+v is gone too", at)
				}
			}
		}
		for _, folder := range []records.Folder{{}, {Org: "acme"}, {User: "."}, {User: "jane", Org: "."}, {User: "*"}} {
			if err := b.Erase(t.Context(), folder); err == nil {
				t.Errorf("%+v was erased", folder)
			}
		}
		if b.keys == nil {
			return
		}
		for _, user := range []string{"jan", "jane-2"} {
			if err := b.Erase(t.Context(), records.Folder{User: user}); err != nil {
				t.Error(err)
			}
		}
		if left := b.keys(t); len(left) > 0 {
			t.Errorf("left is %q", left)
		}
	})
}

func TestWhatFailedIsNotKept(t *testing.T) {
	t.Parallel()
	mine := errors.New("the client went away")
	writes := map[string]func(cancel func()) func(io.Writer) error{
		"reader":        func(func()) func(io.Writer) error { return broken("only so much", mine) },
		"at once":       func(func()) func(io.Writer) error { return broken("", mine) },
		"in the second": func(func()) func(io.Writer) error { return broken(strings.Repeat("x", 6<<20), mine) },
		"context": func(cancel func()) func(io.Writer) error {
			return func(w io.Writer) error {
				defer cancel()
				return text("all of it")(w)
			}
		},
	}
	eachBucket(t, func(t *testing.T, b *bucket) {
		for name, write := range writes {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			id := b.NewID(janes)
			_, err := b.Put(ctx, janes, id, "text/plain", write(cancel))
			if name == "context" && auth.CodeOf(err) != auth.Unavailable || name != "context" && !errors.Is(err, mine) {
				t.Errorf("%s: %v", name, err)
			}
			if got := content(t, b.Files, janes, id); got != "(none)" {
				t.Errorf("%s: %d bytes are kept", name, len(got))
			}
		}
		if b.keys != nil && slices.ContainsFunc(b.keys(t), func(key string) bool { return strings.Count(key, "/") > 2 }) {
			t.Errorf("left is %q", b.keys(t))
		}
	})
}

func broken(first string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(strings.NewReader(first), iotest.ErrReader(err)))
		return err
	}
}

// What a bucket that cannot be reached would say is not known: neither that there is nothing, nor that it is done.
func TestABucketOutOfOrderIsUnavailable(t *testing.T) {
	t.Parallel()
	eachBucket(t, func(t *testing.T, b *bucket) {
		if b.fail == nil {
			t.Skip("it cannot fail")
		}
		id := put(t, b.Files, janes, "", "kept")
		b.fail(t)
		_, put := b.Put(t.Context(), janes, b.NewID(janes), "text/plain", text("more"))
		_, open := b.Open(t.Context(), janes, id)
		for what, err := range map[string]error{
			"put": put, "open": open, "delete": b.Delete(t.Context(), janes, id), "erase": b.Erase(t.Context(), records.Folder{User: "jane"}),
		} {
			if auth.CodeOf(err) != auth.Unavailable {
				t.Errorf("%s: %v", what, err)
			}
		}
		if f, err := records.OpenFiles(t.Context(), b.location, folderKeys); err == nil {
			t.Error("it can be opened", f.Close())
		}
	})
}

// An empty directory, where the volume is not mounted, is not the bucket.
func TestAnotherDirectoryIsNotTheBucket(t *testing.T) {
	t.Parallel()
	b := directory(t)
	f := open(t, b.location)
	id := put(t, f, janes, "", "kept")
	if err := errors.Join(os.Rename(b.location, b.location+" elsewhere"), os.Mkdir(b.location, 0o700)); err != nil {
		t.Fatal(err)
	}
	_, opened := f.Open(t.Context(), janes, id)
	_, kept := f.Put(t.Context(), janes, f.NewID(janes), "text/plain", text("more"))
	for what, err := range map[string]error{
		"put": kept, "open": opened, "delete": f.Delete(t.Context(), janes, id), "erase": f.Erase(t.Context(), records.Folder{User: "jane"}),
	} {
		if auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Reading fails as the rest does, also in the middle.
func TestReadingFails(t *testing.T) {
	t.Parallel()
	b := s3(t)
	b.Files = open(t, b.location)
	id := put(t, b.Files, janes, "", strings.Repeat("x", 1<<20))
	file, err := b.Open(t.Context(), janes, id)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b.fail(t)
	if _, err := file.Seek(1<<19, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Read(make([]byte, 1)); auth.CodeOf(err) != auth.Unavailable {
		t.Error(err)
	}
}

// Files of people are nobody else's on the machine.
func TestDirectoryIsTheServersAlone(t *testing.T) {
	t.Parallel()
	b := directory(t)
	put(t, open(t, b.location), janes, "", "kept")
	for _, name := range []string{"", "people/jane", "people/jane/acme"} {
		info, err := os.Stat(filepath.Join(b.location, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestOpenFilesRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	taken := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"http://127.0.0.1", "gs://kept", "azblob://kept", "mem://x", "file:///tmp", taken, taken + "/below"} {
		if f, err := records.OpenFiles(t.Context(), location, folderKeys); err == nil {
			t.Errorf("%q is opened, %v", location, f.Close())
		}
	}
}

// A file on its way is never held as a whole.
func TestPutHoldsLittle(t *testing.T) {
	f := open(t, directory(t).location)
	piece := bytes.Repeat([]byte{1}, 32<<10)
	const pieces = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := f.Put(t.Context(), janes, f.NewID(janes), "text/plain", func(w io.Writer) error {
		for range pieces {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; err != nil || held > pieces*uint64(len(piece))/20 {
		t.Errorf("%d bytes for a file of %d, %v", held, pieces*len(piece), err)
	}
}
