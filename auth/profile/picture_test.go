package profile_test

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// store is an S3 of its own, that a test can step into.
type store struct {
	location string
	backend  *s3mem.Backend

	mu     sync.Mutex
	before func(r *http.Request) (ok bool)
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{backend: s3mem.New()}
	if err := s.backend.CreateBucket("kept"); err != nil {
		t.Fatal(err)
	}
	speaker := gofakes3.New(s.backend, gofakes3.WithTimeSkewLimit(0)).Server()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before := s.hook(); before != nil && !before(r) {
			http.Error(w, "out of order", http.StatusForbidden) // not repeated by the client, unlike 5xx
			return
		}
		speaker.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	query := url.Values{"region": {"anywhere"}, "endpoint": {server.URL}, "use_path_style": {"true"}, "anonymous": {"true"}}
	s.location = "s3://kept?" + query.Encode()
	return s
}

func (s *store) hook() func(*http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.before
}

// stepIn has every request asked about before it is served.
func (s *store) stepIn(before func(r *http.Request) (ok bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// pictures are the folders there is something in.
func (s *store) pictures(t *testing.T) (ids []string) {
	t.Helper()
	found, err := s.backend.ListBucket("kept", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range found.Contents {
		if parts := strings.Split(object.Key, "/"); parts[0] == "public" && !slices.Contains(ids, parts[1]+"."+parts[2]) {
			ids = append(ids, parts[1]+"."+parts[2])
		}
	}
	return ids
}

// keepIn has pictures kept there by a server that has these keys.
func (w *world) keepIn(t *testing.T, s *store, keys ...string) {
	t.Helper()
	var all [][]byte
	for _, key := range keys {
		all = append(all, []byte(key))
	}
	files, err := records.OpenFiles(t.Context(), s.location, all)
	w.must(err)
	t.Cleanup(func() { _ = files.Close() })
	w.profile.Files, w.profile.Limiter = files, w.users.Limiter
}

func (w *world) setPicture(name string) error {
	w.t.Helper()
	var b bytes.Buffer
	w.must(png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 60, 40))))
	b.WriteString(strings.Repeat("\x00", 100))
	return w.profile.SetPicture(w.ctx(), w.person(name), "me", "me.png", "image/png", &b)
}

func (w *world) wantPictures(t *testing.T, s *store, want ...string) {
	t.Helper()
	if got := s.pictures(t); !slices.Equal(got, want) {
		t.Errorf("there are %q, not %q", got, want)
	}
}

// A picture that could not be removed when another one took its place, which the person is told, goes with whatever is next.
func TestAReplacedPictureIsNotForgotten(t *testing.T) {
	t.Parallel()
	next := map[string]func(w *world) error{
		"another":  func(w *world) error { return w.setPicture("alice") },
		"removal":  func(w *world) error { return w.profile.RemovePicture(w.ctx(), w.person("alice"), "me") },
		"erasure":  func(w *world) error { return w.profile.EraseUser(w.ctx(), w.ids["alice"], nil, true) },
		"operator": func(w *world) error { return w.operatorSays("alice", "https://people.example/alice.png") },
	}
	for name, next := range next {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld(t, redistest.Embedded(t)), newStore(t)
			w.keepIn(t, s, "key")
			w.users.Pictures = w.profile
			w.must(w.setPicture("bob"))
			w.must(w.setPicture("alice"))
			s.stepIn(func(r *http.Request) bool { return r.Method != http.MethodDelete })
			if err := w.setPicture("alice"); auth.CodeOf(err) != auth.Unavailable {
				t.Errorf("while nothing could be removed: %v", err)
			}
			if got := s.pictures(t); len(got) != 3 || !slices.Contains(got, w.record("alice").Biography.Picture) {
				t.Fatalf("there are %q", got)
			}
			s.stepIn(nil)
			w.must(next(w))
			want := []string{w.record("bob").Biography.Picture}
			if name == "another" {
				want = append(want, w.record("alice").Biography.Picture)
				slices.Sort(want)
			}
			w.wantPictures(t, s, want...)
		})
	}
}

// operatorSays has an operator give a person another picture.
func (w *world) operatorSays(name, picture string) error {
	return w.update(name, func(p *claims.Profile) { p.Picture = picture })
}

func (w *world) update(name string, change func(*claims.Profile)) error {
	_, err := w.users.Update(w.ctx(), auth.System(), w.record(name).Orgs[0], name, nil, auth.UserChange{Profile: change})
	return err
}

// What a change of the claim could not remove stays in the record, so that the change can be repeated.
func TestAWithdrawnPictureIsGone(t *testing.T) {
	t.Parallel()
	for _, picture := range []string{"", "https://people.example/alice.png"} {
		w, s := newWorld(t, redistest.Embedded(t)), newStore(t)
		w.keepIn(t, s, "key")
		w.users.Pictures = w.profile
		w.must(w.setPicture("alice"))
		kept := w.record("alice").Biography.Picture
		w.must(w.update("alice", func(p *claims.Profile) { p.Nickname = "Al" }))
		w.wantPictures(t, s, kept)
		s.stepIn(func(r *http.Request) bool { return r.Method != http.MethodDelete })
		if err := w.operatorSays("alice", picture); auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("while nothing could be removed: %v", err)
		}
		s.stepIn(nil)
		w.must(w.operatorSays("alice", picture))
		w.wantPictures(t, s)
		if u := w.record("alice"); u.Biography.Picture != "" || u.Profile.Picture != picture {
			t.Errorf("the record has %q, %q", u.Biography.Picture, u.Profile.Picture)
		}
	}
}

// Of two pictures set at once one is the person's, whole, and nothing is left of the other.
func TestPicturesSetAtOnce(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"first put", "list"} {
		w, s := newWorld(t, redistest.Embedded(t)), newStore(t)
		w.keepIn(t, s, "key")
		w.must(w.setPicture("alice"))
		var once sync.Once
		s.stepIn(func(r *http.Request) bool {
			if at == "list" && r.URL.Query().Has("prefix") || at == "first put" && r.Method == http.MethodPut {
				once.Do(func() {
					s.stepIn(nil)
					if err := w.setPicture("alice"); err != nil {
						t.Error(err)
					}
				})
			}
			return true
		})
		w.must(w.setPicture("alice"))
		id := w.record("alice").Biography.Picture
		w.wantPictures(t, s, id)
		for _, size := range profile.PictureSizes {
			u := w.record("alice")
			address := w.profile.PictureURL(&u, size)
			file, err := w.profile.OpenPicture(w.ctx(), id, address[strings.LastIndex(address, "/")+1:])
			if err != nil {
				t.Errorf("%s: %s: %v", at, address, err)
				continue
			}
			_ = file.Close()
		}
	}
}

// What was put there under a key that the server no longer has is found by the record.
func TestPicturesOfARetiredKeyGo(t *testing.T) {
	t.Parallel()
	next := map[string]func(w *world) error{
		"another": func(w *world) error { return w.setPicture("alice") },
		"removal": func(w *world) error { return w.profile.RemovePicture(w.ctx(), w.person("alice"), "me") },
		"erasure": func(w *world) error { return w.profile.EraseUser(w.ctx(), w.ids["alice"], nil, true) },
	}
	for name, next := range next {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld(t, redistest.Embedded(t)), newStore(t)
			w.keepIn(t, s, "retired")
			w.must(w.setPicture("alice"))
			w.keepIn(t, s, "present")
			w.must(next(w))
			if name == "another" {
				w.wantPictures(t, s, w.record("alice").Biography.Picture)
			} else {
				w.wantPictures(t, s)
			}
		})
	}
}

func TestPicturesAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t))
	w.keepIn(t, newStore(t), "key")
	try := func(name string) error {
		return w.profile.SetPicture(w.ctx(), w.person(name), "me", "me.png", "image/png", strings.NewReader("no picture"))
	}
	for range 30 {
		if err := try("alice"); auth.CodeOf(err) == auth.Throttled {
			t.Fatal(err)
		}
	}
	if err := w.setPicture("alice"); auth.CodeOf(err) != auth.Throttled {
		t.Errorf("one more: %v", err)
	}
	if err := w.setPicture("bob"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}
