package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"image/color"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// directoryOfFiles has a world keep its files in a directory, where they can be looked at.
func directoryOfFiles(t *testing.T, w *world) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files, err := openFiles(t.Context(), dir, w.in.sealer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	w.app.records.Files, w.app.profile.Files = files, files
	return dir
}

// filesIn are the files below a directory, but for the one that every bucket has.
func filesIn(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path != filepath.Join(dir, "claimsmith") {
			paths = append(paths, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

const pdfOfMarker = "%PDF-1.7\n1 0 obj\n<</Title (marker-pdf)>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"

// resumeUpload is an upload of one file, and a link.
func resumeUpload(field, name, content, link string) career.Upload {
	return func(yield func(career.Part, error) bool) {
		if yield(career.Part{Field: field, Name: name, MediaType: "application/pdf", Body: strings.NewReader(content)}, nil) {
			yield(career.Part{Field: "link_1", Body: strings.NewReader(link)}, nil)
		}
	}
}

// plantProfile has a user of acme and globex say about himself all that he can. Each text begins with the marker.
func plantProfile(t *testing.T, c *cast, user, marker string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	self := auth.Person(user, acme)
	must(c.app.profile.SetPicture(ctx, self, "me", "me.png", "image/png", strings.NewReader(painted(t, color.White))))
	_, err := c.app.users.ChangeProfile(ctx, self, "", "me", func(_ *claims.Profile, b *auth.Biography) error {
		b.Title, b.Bio, b.Goals, b.LevelOfEducation = marker+"title", marker+"bio", marker+"goals", "m"
		b.Languages = []string{"de"}
		b.Links = []auth.Link{{Platform: "linkedin", URL: "https://www.linkedin.com/in/" + marker + "link"}}
		b.Extended = []auth.ExtendedField{{Name: marker + "field", Value: marker + "extended"}}
		return nil
	})
	must(err)
	_, err = c.app.users.AskEmail(ctx, self, marker+"pending@example.com")
	must(err)
	for org, marker := range map[string]string{acme: marker, globex: marker + "elsewhere-"} {
		self := auth.Person(user, org)
		create := func(kind career.Kind, members map[string]jsontext.Value) career.Item {
			t.Helper()
			item, err := c.app.career.Create(ctx, self, org, "me", kind, members)
			must(err)
			return item
		}
		said := func(text string) jsontext.Value { return jsontext.Value(`"` + marker + text + `"`) }
		begin := jsontext.Value(`"2018-09-01"`)
		institution := create(career.Institutions, map[string]jsontext.Value{"name": said("institution")})
		create(career.Education, map[string]jsontext.Value{"institution_id": recordID(institution), "degree": said("degree"), "start_date": begin})
		company := create(career.Companies, map[string]jsontext.Value{"name": said("company")})
		create(career.Experience, map[string]jsontext.Value{"company_id": recordID(company), "title": said("work"), "start_date": begin})
		_, err = c.app.career.AddToResume(ctx, self, org, "me", resumeUpload("resume", marker+"resume.pdf", pdfOfMarker, "https://a.example/"+marker+"resume-link"))
		must(err)
		learn := true
		_, err = c.app.memory.SetFlags(ctx, self, org, "me", &learn, nil)
		must(err)
		categories, err := c.app.memory.Categories(ctx, self, org, "tutor")
		must(err)
		_, err = c.app.memory.Add(ctx, self, org, "me", "tutor", categories[0].Slug, marker+"memory")
		must(err)
		_, err = c.app.memory.AddGlobal(ctx, self, org, "me", marker+"session", marker+"global")
		must(err)
		must(c.app.memory.SetFact(ctx, self, org, "me", memory.Fact{Tag: marker + "tag", Detail: marker + "fact"}))
	}
}

func recordID(i career.Item) jsontext.Value { return jsontext.Value(jsontext.Uint(i.ID).String()) }

// What plantProfile stores: of the person, and in each of his organisations.
var (
	saidOfHimself  = []string{"title", "bio", "goals", "link", "field", "extended", "pending@example.com"}
	saidInEachOrgs = []string{"institution", "degree", "company", "work", "resume.pdf", "resume-link", "memory", "global", "session", "tag", "fact"}
)

// An archive has everything that a person said about himself, with his files; leaving an organisation removes what was of it, and erasing
// him everything, also from the bucket.
func TestProfilesAreArchivedAndErased(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		dir := directoryOfFiles(t, c.world)
		const id, marker = "talker", "said-"
		c.post("/api/user?org=acme", adminToken, `{"id":"talker","username":"talker","email":"talker@example.com","email_verified":true}`).want(t, http.StatusCreated)
		c.patch("/api/user/talker?org=acme", adminToken, `{"orgs":["acme","globex"]}`).want(t, http.StatusOK)
		before := everything(t, b.Client)
		plantProfile(t, c, id, marker)
		number, err := c.app.users.Number(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := filesIn(t, dir); len(got) != 6 { // a picture in four sizes, two résumés
			t.Errorf("the files are %q", got)
		}

		files := unzip(t, c.get("/api/user/talker/export?org=acme", adminToken))
		all := strings.Join(slices.Collect(maps.Values(files)), "\n")
		for _, text := range saidOfHimself {
			if !strings.Contains(files["user.json"], marker+text) {
				t.Errorf("the archive does not have %s", text)
			}
		}
		for _, text := range saidInEachOrgs {
			if !strings.Contains(all, `"`+marker+text) && !strings.Contains(all, "/"+marker+text) || !strings.Contains(all, marker+"elsewhere-"+text) {
				t.Errorf("the archive does not have %s", text)
			}
		}
		for _, name := range []string{"acme/career.json", "acme/resume.json", "acme/memory.json", "globex/career.json", "globex/resume.json", "globex/memory.json"} {
			if files[name] == "" {
				t.Errorf("there is no %s", name)
			}
		}
		if !strings.HasPrefix(files["picture.jpg"], "\xff\xd8\xff") {
			t.Errorf("the picture is %.20q", files["picture.jpg"])
		}
		if got := contentsBelow(files, "acme/resume/"); !slices.Equal(got, []string{pdfOfMarker}) {
			t.Errorf("the files of the résumé are %q", got)
		}
		if !strings.Contains(files["acme/memory.json"], `"auto_capture_enabled": true`) {
			t.Errorf("the memory is %s", files["acme/memory.json"])
		}
		u, _, err := c.app.store.User(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(all, u.PendingEmail.Hash) {
			t.Error("the archive has what only the hash of a secret is")
		}
		if want := fmt.Sprintf(`"number": %d,`, number); !strings.Contains(files["user.json"], want) {
			t.Errorf("there is no %s in %s", want, files["user.json"])
		}
		// Somebody else of that name has nothing of it.
		if other := unzip(t, c.get("/api/user/"+c.acme.user.id+"/export?org=acme", adminToken)); len(contentsBelow(other, "acme/resume/")) > 0 || other["picture.jpg"] != "" {
			t.Error("somebody else's archive has files")
		}

		c.patch("/api/user/talker?org=acme", adminToken, `{"orgs":["acme"]}`).want(t, http.StatusOK)
		left := everything(t, b.Client)
		tag := func(marker string) string { return base64.RawURLEncoding.EncodeToString([]byte(marker + "tag")) } // as names are kept
		if len(holding(left, tag(marker))) == 0 {
			t.Error("having left globex he has no fact in acme")
		}
		for _, key := range append(holding(left, marker+"elsewhere-"), holding(left, tag(marker+"elsewhere-"))...) {
			t.Errorf("of globex there is still %s: %.300s", key, left[key])
		}
		if got := filesIn(t, dir); len(got) != 5 {
			t.Errorf("having left globex he has the files %q", got)
		}
		for _, text := range saidInEachOrgs {
			if text != "tag" && len(holding(left, marker+text)) == 0 {
				t.Errorf("having left globex he has nothing of %s in acme", text)
			}
		}
		// Having come back he finds nothing of it.
		c.patch("/api/user/talker?org=acme", adminToken, `{"orgs":["acme","globex"]}`).want(t, http.StatusOK)
		if got := unzip(t, c.get("/api/user/talker/export?org=acme", adminToken)); strings.Contains(got["globex/career.json"]+got["globex/memory.json"]+got["globex/resume.json"], marker) {
			t.Error("having come back he finds what was there")
		}

		c.delete("/api/user/talker?org=acme", adminToken).want(t, http.StatusNoContent)
		flush(t, c.world)
		after := everything(t, b.Client)
		for _, key := range append(holding(after, marker), holding(after, tag(marker))...) {
			t.Errorf("it is still in %s: %.300s", key, after[key])
		}
		for key := range after {
			if _, was := before[key]; (!was || !strings.Contains(before[key], id)) && strings.Contains(key+after[key], id) && !strings.Contains(key, "}:au:") {
				t.Errorf("something about him is in %s: %.300s", key, after[key])
			}
		}
		if got := filesIn(t, dir); len(got) != 0 {
			t.Errorf("the files are %q", got)
		}
		if who, err := c.app.store.NumberedUser(t.Context(), number); err != nil || who != "" {
			t.Errorf("his number leads to %q (%v)", who, err)
		}
	})
}

// An archive has the address that a person can still confirm, and the one that is to be told of another.
func TestAddressesInTheArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	self := auth.Person("jane-id", auth.DefaultOrg)
	ask := func(address string) string {
		t.Helper()
		secret, err := w.app.users.AskEmail(t.Context(), self, address)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	if _, _, err := w.app.users.ConfirmEmail(t.Context(), ask("second@example.com")); err != nil {
		t.Fatal(err)
	}
	ask("third@example.com")
	for _, want := range []bool{true, false} {
		user := unzip(t, w.get("/api/user/jane/export", adminToken))["user.json"]
		if strings.Contains(user, "third@example.com") != want || !strings.Contains(user, "emails_before") || !strings.Contains(user, "jane.doe@example.com") {
			t.Errorf("pending %t: %s", want, user)
		}
		w.clock.Advance(24 * time.Hour)
	}
}

func contentsBelow(files map[string]string, prefix string) (contents []string) {
	for name, content := range files {
		if strings.HasPrefix(name, prefix) {
			contents = append(contents, content)
		}
	}
	return contents
}

// A deletion that a bucket cuts off is resumed, and then everything is gone.
func TestErasingWithoutTheBucketIsResumed(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	id, _ := plantEverything(t, c)
	dir := directoryOfFiles(t, c.world)
	plantProfile(t, c, id, "marker-again-")
	files := c.app.records.Files
	other := directoryOfFiles(t, c.world)
	broken := c.app.records.Files
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	c.delete("/api/user/marker-username?org=acme", adminToken).want(t, http.StatusServiceUnavailable)
	c.get("/api/user/victim?org=acme", adminToken).want(t, http.StatusNotFound)
	if len(filesIn(t, dir)) == 0 || len(filesIn(t, other)) != 0 {
		t.Error("there is no file left to erase")
	}
	c.app.records.Files, c.app.profile.Files = files, files
	c.delete("/api/user/marker-username?org=acme", adminToken).want(t, http.StatusNoContent)
	if got := filesIn(t, dir); len(got) != 0 {
		t.Errorf("the files are %q", got)
	}
	if _, _, err := c.app.store.User(context.Background(), id); auth.CodeOf(err) != auth.NotFound {
		t.Errorf("the user is still there: %v", err)
	}
}
