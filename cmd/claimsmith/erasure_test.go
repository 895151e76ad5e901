package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// everything reads all keys of a Redis with all that is in them.
func everything(t *testing.T, client redis.UniversalClient) map[string]string {
	t.Helper()
	all := map[string]string{}
	read := func(ctx context.Context, server *redis.Client) error {
		keys := server.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			content, err := contentOf(ctx, server, keys.Val())
			if err != nil {
				return err
			}
			all[keys.Val()] = fmt.Sprint(content)
		}
		return keys.Err()
	}
	var err error
	switch client := client.(type) {
	case *redis.ClusterClient:
		var one sync.Mutex
		err = client.ForEachMaster(t.Context(), func(ctx context.Context, server *redis.Client) error {
			one.Lock()
			defer one.Unlock()
			return read(ctx, server)
		})
	case *redis.Client:
		err = read(t.Context(), client)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func contentOf(ctx context.Context, server *redis.Client, key string) (any, error) {
	switch kind := server.Type(ctx, key).Val(); kind {
	case "string":
		return server.Get(ctx, key).Result()
	case "hash":
		return server.HGetAll(ctx, key).Result()
	case "list":
		return server.LRange(ctx, key, 0, -1).Result()
	case "set":
		return server.SMembers(ctx, key).Result()
	case "zset":
		return server.ZRange(ctx, key, 0, -1).Result()
	case "stream":
		return server.XRange(ctx, key, "-", "+").Result()
	default:
		return nil, fmt.Errorf("%s is a %s", key, kind)
	}
}

// holding are the keys that a text is in.
func holding(all map[string]string, text string) (keys []string) {
	for key, content := range all {
		if strings.Contains(key+content, text) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// unzip returns the files of an archive.
func unzip(t *testing.T, a answer) map[string]string {
	t.Helper()
	if got := a.want(t, http.StatusOK).header.Get("Content-Type"); got != "application/zip" {
		t.Fatalf("the archive is %s", got)
	}
	r, err := zip.NewReader(bytes.NewReader([]byte(a.body)), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range r.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// plantEverything makes a user of acme and globex about whom there is something of every kind. What is his contains "marker-".
// token is his.
func plantEverything(t *testing.T, c *cast) (id, token string) {
	t.Helper()
	ctx := t.Context()
	c.put("/api/metadata-key/found-by?org=acme", adminToken, `{"searchable":true}`)
	c.put("/api/metadata-key/kept-private?org=acme", adminToken, `{"read":"operator","claim":"never"}`)
	c.post("/api/group?org=acme", adminToken, `{"slug":"erasure"}`).want(t, http.StatusCreated)
	c.post("/api/user?org=acme", adminToken, `{"id":"victim","username":"marker-username","email":"marker-mail@example.com","email_verified":true,
		"password_hash":`+quote(hashOf(t, "a password to forget"))+`,"profile":{"name":"marker-name","address":{"locality":"marker-locality"}}}`).want(t, http.StatusCreated)
	c.patch("/api/user/victim?org=acme", adminToken, `{"orgs":["acme","globex"]}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/marker-key?org=acme", adminToken, `{"value":"marker-old"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/marker-key?org=acme", adminToken, `{"value":{"a":["marker-value"]},"profileClaim":true}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/found-by?org=acme", adminToken, `{"value":"marker-term"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/kept-private?org=acme", adminToken, `{"value":"marker-hidden"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/marker-app-key?org=acme&app=acme-plain", adminToken, `{"value":"marker-app"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/marker-app-key?org=acme&app=acme-plain", adminToken, `{"value":"marker-app-now"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/metadata/note?org=globex", adminToken, `{"value":"marker-elsewhere"}`).want(t, http.StatusOK)
	c.put("/api/user/victim/group?org=acme", adminToken, `{"groups":["erasure"]}`).want(t, http.StatusOK)

	u, _, err := c.app.store.User(ctx, "victim")
	if err != nil {
		t.Fatal(err)
	}
	now := c.clock.Now()
	login := c.try("marker-username", "a password to forget", `,"scope":"openid"`).want(t, http.StatusOK)
	c.put("/api/user/me/metadata/marker-own", login.text(t, "access_token"), `{"value":"marker-by-himself"}`).want(t, http.StatusOK)
	_, err = c.app.store.PutFactors(ctx, "victim", factor.Factors{
		TOTP:          &factor.TOTP{Secret: []byte("secret-marker-totp"), CreatedAt: now},
		RecoveryCodes: []string{"secret-marker-code"},
		Passkeys:      []factor.Passkey{{ID: []byte("secret-marker-id"), Name: "marker-passkey", Credential: []byte("secret-marker-credential"), CreatedAt: now}},
	}, "op")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.app.store.PutConsent(ctx, "victim", auth.Consent{
		Org: acme, Client: "acme-plain", Scopes: []string{"openid", "marker-scope"}, GrantedAt: now,
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.app.store.CreateSession(ctx, session.Session{
		User: "victim", ID: "AAAAAAAAAAAAAAAA", Epoch: u.Epoch, AuthTime: now, AMR: []string{"pwd"}, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(time.Hour), Agent: "marker-agent", Address: "198.51.100.77",
	}, make([]byte, 32), now.Add(time.Hour), "", 10); err != nil {
		t.Fatal(err)
	}
	return "victim", login.text(t, "access_token")
}

// What plantEverything stores about the user, by whom it is for to read: everybody who may have the archive, or operators alone. names are
// also in what organisations lay down.
var (
	markers = []string{
		"marker-username", "marker-mail@example.com", "marker-name", "marker-locality", "marker-key", "marker-old", "marker-value", "marker-term", "marker-app-key", `"marker-app"`, "marker-app-now", "marker-own", "marker-by-himself", "marker-passkey", "marker-scope",
		"marker-agent", "198.51.100.77",
	}
	names            = []string{"found-by", "erasure", "acme-plain"}
	hiddenMarkers    = []string{"marker-hidden"}
	elsewhereMarkers = []string{"marker-elsewhere"}
)

// A user's archive has everything about him that its reader may see, and no secret; once he is deleted there is nothing of it left in
// Redis but that his id was used, and what the audit log says, which holds no value.
func TestErasure(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		before := everything(t, b.Client)
		id, _ := plantEverything(t, c)
		flush(t, c.world)

		archive := c.get("/api/user/victim/export?org=acme", adminToken)
		files := unzip(t, archive)
		all := strings.Join(slices.Collect(maps.Values(files)), "\n")
		for _, marker := range slices.Concat(markers, names, hiddenMarkers, elsewhereMarkers) {
			if !strings.Contains(all, marker) {
				t.Errorf("the archive does not have %s", marker)
			}
		}
		for _, secret := range []string{"secret-marker", "$argon2", hashOf(t, "a password to forget")} {
			if strings.Contains(all, secret) {
				t.Errorf("the archive has the secret %s", secret)
			}
		}
		wantNames := []string{
			"acme/applications/acme-plain-history.json", "acme/applications/acme-plain.json", "acme/career.json", "acme/events.json",
			"acme/groups.json", "acme/memory.json", "acme/metadata-history.json", "acme/metadata.json", "acme/resume.json", "consents.json",
			"factors.json", "globex/career.json", "globex/events.json", "globex/groups.json", "globex/memory.json",
			"globex/metadata-history.json", "globex/metadata.json", "globex/resume.json", "sessions.json", "user.json",
		}
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, wantNames) {
			t.Errorf("the files are %q", got)
		}
		if !strings.Contains(files["acme/events.json"], `"user.create"`) {
			t.Errorf("the events are %s", files["acme/events.json"])
		}

		c.delete("/api/user/marker-username?org=acme", adminToken).want(t, http.StatusNoContent)
		flush(t, c.world)
		after := everything(t, b.Client)
		for _, marker := range slices.Concat(markers, hiddenMarkers, elsewhereMarkers, []string{"secret-marker", hashOf(t, "a password to forget")}) {
			for _, key := range holding(after, strings.Trim(marker, `"`)) {
				t.Errorf("%s is still in %s: %.500s", marker, key, after[key])
			}
		}
		for key := range after {
			if _, was := before[key]; !was && strings.Contains(key+after[key], id) && key != c.in.space.User(id) && !strings.Contains(key, "}:au:") {
				t.Errorf("something about him is left in %s: %.300s", key, after[key])
			}
		}
		if got := after[c.in.space.User(id)]; !strings.Contains(got, "gone") {
			t.Errorf("of him there is %s", got)
		}
	})
}

// flush has the audit events written that are still on their way.
func flush(t *testing.T, w *world) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w.app.recorder.Flush(ctx)
}

// An archive shows each caller what he may see, and is for nobody else (rows M-14, A-01, A-02).
func TestArchiveIsForThoseWhoMayHaveIt(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	_, self := plantEverything(t, c)
	flush(t, c.world)
	for name, caller := range map[string]struct {
		bearer, target         string
		hidden, elsewhere, who bool
	}{
		"the operator of his home": {c.acme.operator, "/api/user/victim/export", true, false, true},
		"its machine":              {c.acme.machineToken, "/api/user/marker-username/export", true, false, true},
		"he himself":               {self, "/api/user/me/export", false, false, false},
	} {
		files := unzip(t, c.get(caller.target, caller.bearer))
		all := strings.Join(slices.Collect(maps.Values(files)), "\n")
		for _, marker := range slices.Concat(markers, names) {
			if !strings.Contains(all, marker) {
				t.Errorf("%s does not get %s", name, marker)
			}
		}
		for marker, may := range map[string]bool{
			"marker-hidden": caller.hidden, "kept-private": caller.hidden, "marker-elsewhere": caller.elsewhere, "globex": caller.elsewhere,
		} {
			if strings.Contains(all, marker) != may {
				t.Errorf("%s: %s is there: %t", name, marker, !may)
			}
		}
		if got := strings.Contains(files["acme/events.json"], `"token:`); got != caller.who {
			t.Errorf("%s is told which operators acted: %t", name, got)
		}
	}
	for name, attempt := range map[string]struct {
		bearer, target string
		want           int
	}{
		"a reader": {c.acme.reader, "/api/user/victim/export", 403},
		"the operator of another of his organisations": {c.globex.operator, "/api/user/victim/export", 403},
		"an operator of none":                          {c.globex.operator, "/api/user/acme-user-id/export", 404},
		"he, of another":                               {self, "/api/user/acme-user-id/export", 404},
		"a colleague":                                  {c.loginAs(c.acme.other, "").text(t, "access_token"), "/api/user/victim/export", 404},
		"a client":                                     {c.acme.plainToken, "/api/user/victim/export", 401},
		"nobody":                                       {"", "/api/user/victim/export", 401},
		"somebody without name":                        {c.acme.operator, "/api/user/nobody/export", 404},
	} {
		a := c.get(attempt.target, attempt.bearer)
		if a.status != attempt.want || strings.HasPrefix(a.body, "PK") {
			t.Errorf("%s: %d %.200s", name, a.status, a.body)
		}
	}
}
