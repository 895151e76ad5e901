package records_test

import (
	"slices"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func newService(t *testing.T) (*records.Service, *redisstore.Store) {
	t.Helper()
	store := redisstore.New(&durable.Runner{Client: redistest.Embedded(t).Client}, keyspace.New(3))
	for id, orgs := range map[string][]string{"jane": {"acme"}, "bob": {"acme", "globex"}, "eve": {"globex"}} {
		if _, err := store.PutUser(t.Context(), auth.User{ID: id, Orgs: orgs}, nil, nil, "make "+id); err != nil {
			t.Fatal(err)
		}
	}
	return &records.Service{Store: store, Users: &auth.Users{Store: store}}, store
}

// Whom a person asks about is himself, and nobody learns from a refusal who there is (rows ).
func TestSubject(t *testing.T) {
	s, _ := newService(t)
	person := auth.Person("jane", "acme")
	for _, c := range []struct {
		caller    *auth.Caller
		org, name string
		want      string
		code      auth.Code
	}{
		{person, "acme", "me", "jane", ""},
		{person, "acme", "jane", "jane", ""},
		{person, "acme", "bob", "", auth.AccessDenied},
		{person, "acme", "eve", "", auth.AccessDenied},
		{person, "acme", "nobody", "", auth.AccessDenied},
		{person, "acme", "", "", auth.AccessDenied},
		{person, "globex", "me", "", auth.NotFound},
		{person, "globex", "jane", "", auth.NotFound},
		{person, "globex", "eve", "", auth.NotFound},
		{person, "nowhere", "jane", "", auth.NotFound},
		{auth.Person("bob", "globex"), "globex", "me", "bob", ""},
		{auth.Person("bob", "globex"), "acme", "me", "", auth.NotFound},
		{auth.Person("eve", "acme"), "acme", "me", "", auth.AccessDenied}, // who is no member any more
		{auth.System(), "acme", "bob", "bob", ""},
		{auth.System(), "acme", "eve", "", auth.NotFound},
		{auth.System(), "acme", "me", "", auth.NotFound},
		{auth.System(), "nowhere", "jane", "", auth.NotFound},
	} {
		for _, change := range []bool{false, true} {
			u, err := s.Subject(t.Context(), c.caller, c.org, c.name, change)
			if auth.CodeOf(err) != c.code || c.code == "" && (err != nil || u.ID != c.want) || c.code != "" && u.ID != "" {
				t.Errorf("%s about %s in %s: %q, %v", c.caller.Ref(), c.name, c.org, u.ID, err)
			}
		}
	}
}

// What is kept of a user goes where he is no member, and nowhere else, with a place for files and without.
func TestEraseUser(t *testing.T) {
	s, store := newService(t)
	in := func(org string) records.Collection { return records.Collection{Org: org, User: "bob", Kind: "things"} }
	left := func(org string) int {
		t.Helper()
		all, err := store.Records(t.Context(), in(org))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	for _, org := range []string{"acme", "globex"} {
		if _, err := store.CreateRecord(t.Context(), in(org), records.Record{Body: []byte("1")}, "op "+org, 9); err != nil {
			t.Fatal(err)
		}
	}
	erase := func(whole bool) {
		t.Helper()
		if err := s.EraseUser(t.Context(), "bob", []string{"acme", "globex", "nowhere"}, whole); err != nil {
			t.Fatal(err)
		}
	}
	if erase(false); left("acme") != 1 || left("globex") != 1 {
		t.Fatal("a member's records were erased")
	}
	if _, err := store.PutUser(t.Context(), auth.User{ID: "bob", Orgs: []string{"acme"}, Version: 1}, nil, []string{"globex"}, "leave"); err != nil {
		t.Fatal(err)
	}
	if erase(false); left("acme") != 1 || left("globex") != 0 {
		t.Fatalf("%d and %d records are left, want 1 and 0", left("acme"), left("globex"))
	}
	u, _, err := store.User(t.Context(), "bob")
	if err == nil {
		err = store.BeginDelete(t.Context(), u)
	}
	if err != nil {
		t.Fatal(err)
	}
	if erase(true); left("acme") != 0 {
		t.Fatal("a deleted user left records")
	}
}

// With the user goes every file, what everybody may see too; with an organisation what is of it alone.
func TestEraseUserErasesFiles(t *testing.T) {
	s, _ := newService(t)
	s.Files = open(t, records.InMemory)
	folders := []records.Folder{
		{User: "bob", Org: "acme"}, {User: "bob", Org: "nowhere"}, {User: "bob", Public: true}, {User: "eve", Org: "nowhere"},
	}
	ids := make([]string, len(folders))
	for n, folder := range folders {
		ids[n] = put(t, s.Files, folder, "", "x")
	}
	for _, c := range []struct {
		whole bool
		left  []bool
	}{{false, []bool{true, false, true, true}}, {true, []bool{false, false, false, true}}} {
		if err := s.EraseUser(t.Context(), "bob", []string{"acme", "nowhere"}, c.whole); err != nil {
			t.Fatal(err)
		}
		for n, folder := range folders {
			f, err := s.Files.Open(t.Context(), folder, ids[n])
			if left := auth.CodeOf(err) != auth.NotFound; left != c.left[n] {
				t.Errorf("whole %v: %+v is left: %v (%v)", c.whole, folder, left, err)
			}
			if err == nil {
				_ = f.Close()
			}
		}
	}
}

// Records that lead to files are not erased where the files cannot be: nothing would lead to them any more.
func TestEraseUserWithoutAPlaceForFiles(t *testing.T) {
	const files, links = `{"files": [{"id": "x"}], "links": null}`, `{"files": null, "links": ["https://x.example"], "more": 1}`
	const gone = `{"files": [], "links": [], "gone": ["x"]}`
	const picture = "x"
	for what, c := range map[string]struct {
		picture      string
		acme, globex string // the résumés
		leaves       []string
		kept         bool
	}{
		"nothing":                    {"", "", "", nil, false},
		"links":                      {"", links, links, nil, false},
		"files":                      {"", links, files, nil, true},
		"files that could not go":    {"", gone, "", nil, true},
		"what cannot be read":        {"", "", "{", nil, true},
		"a picture":                  {picture, links, "", nil, true},
		"leaving, a picture":         {picture, links, links, []string{"globex"}, false},
		"leaving, files":             {"", links, files, []string{"globex"}, true},
		"leaving, files where he is": {"", files, links, []string{"globex"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			s, store := newService(t)
			resumes := func(org string) (bodies []string) {
				t.Helper()
				all, err := store.Records(t.Context(), records.Collection{Org: org, User: "bob", Kind: records.Resume})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range all {
					bodies = append(bodies, string(r.Body))
				}
				return bodies
			}
			for org, body := range map[string]string{"acme": c.acme, "globex": c.globex} {
				in := records.Collection{Org: org, User: "bob", Kind: records.Resume}
				if body == "" {
					continue
				}
				if _, err := store.CreateRecord(t.Context(), in, records.Record{Body: []byte(body)}, "op "+org, 9); err != nil {
					t.Fatal(err)
				}
			}
			u := auth.User{ID: "bob", Orgs: []string{"acme", "globex"}, Version: 1}
			if u.Biography.Picture = c.picture; c.leaves != nil {
				u.Orgs = u.Orgs[:1]
			}
			var err error
			u.Version, err = store.PutUser(t.Context(), u, nil, c.leaves, "change")
			if err == nil && c.leaves == nil {
				err = store.BeginDelete(t.Context(), u)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := resumes("globex")
			orgs := []string{"acme", "globex"}
			err = s.EraseUser(t.Context(), "bob", orgs, c.leaves == nil)
			if c.kept {
				if auth.CodeOf(err) != auth.Unavailable || !slices.Equal(before, resumes("globex")) {
					t.Fatalf("%v, and %q is left", err, resumes("globex"))
				}
				s.Files = open(t, records.InMemory)
				err = s.EraseUser(t.Context(), "bob", orgs, c.leaves == nil)
			}
			if err != nil || len(resumes("globex")) > 0 {
				t.Errorf("%v, and %q is left", err, resumes("globex"))
			}
		})
	}
}
