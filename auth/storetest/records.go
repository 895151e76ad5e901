package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
)

// versioned tests what all versioned records have in common. put writes a record that differs in text, under an id; it must be able
// to do so for a version given.
func versioned(
	t *testing.T, put func(ctx context.Context, id, text string, version uint64, op string) (uint64, error),
	get func(ctx context.Context, id string) (text string, version uint64, err error),
) {
	t.Helper()
	ctx, id := t.Context(), name()
	expect := func(text string, version uint64) {
		t.Helper()
		gotText, gotVersion, err := get(ctx, id)
		if err != nil || gotText != text || gotVersion != version {
			t.Fatalf("got %q version %d (%v), want %q version %d", gotText, gotVersion, err, text, version)
		}
	}
	write := func(text string, version uint64, op string, want uint64) {
		t.Helper()
		if got, err := put(ctx, id, text, version, op); err != nil || got != want {
			t.Fatalf("put %q: version %d (%v), want %d", text, got, err, want)
		}
	}

	_, _, err := get(ctx, id)
	wantCode(t, err, auth.NotFound)
	_, err = put(ctx, id, "early", 1, name())
	wantCode(t, err, auth.NotFound)

	create, update := name(), name()
	write("one", 0, create, 1)
	_, err = put(ctx, id, "again", 0, name())
	wantCode(t, err, auth.Conflict)
	expect("one", 1)
	write("two", 1, update, 2)
	_, err = put(ctx, id, "late", 1, name())
	wantCode(t, err, auth.PreconditionFailed)
	_, err = put(ctx, id, "future", 3, name())
	wantCode(t, err, auth.PreconditionFailed)
	expect("two", 2)

	// Repeated operations answer as they did and change nothing, the latest or not.
	write("two", 1, update, 2)
	write("one", 0, create, 1)
	expect("two", 2)
	write("three", 2, name(), 3)
	write("two", 1, update, 2)
	expect("three", 3)
}

func (s *suite) testOrganisations(t *testing.T) {
	versioned(t,
		func(ctx context.Context, id, text string, version uint64, op string) (uint64, error) {
			return s.PutOrg(ctx, auth.Org{Slug: id, Name: text, Version: version}, op)
		},
		func(ctx context.Context, id string) (string, uint64, error) {
			o, err := s.Org(ctx, id)
			return o.Name, o.Version, err
		})

	want := auth.Org{Slug: name(), Name: "Ä \"x\"", Disabled: true, ClaimsBudget: 9000, CreatedAt: s.now, UpdatedAt: s.now.Add(time.Hour)}
	version, err := s.PutOrg(t.Context(), want, name())
	must(t, err)
	want.Version = version
	got, err := s.Org(t.Context(), want.Slug)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored organisation differs:\n%s", diff)
	}
}

func (s *suite) testClients(t *testing.T) {
	org := name()
	versioned(t,
		func(ctx context.Context, id, text string, version uint64, op string) (uint64, error) {
			return s.PutClient(ctx, auth.Client{ID: id, Org: org, Name: text, Version: version}, op)
		},
		func(ctx context.Context, id string) (string, uint64, error) {
			c, err := s.Client(ctx, id)
			return c.Name, c.Version, err
		})

	// Nil and empty lists mean different things.
	for _, claims := range [][]string{nil, {}, {auth.InIDToken}} {
		want := auth.Client{
			ID: name(), Org: org, Name: "x", SecretHash: "h", FirstParty: true, GrantTypes: []string{auth.GrantPassword},
			Scopes: []string{"openid"}, Audience: []string{"api"}, AccessTokenAlg: "ES256", IDTokenAlg: "RS256", ClaimsIn: claims,
			ClaimKeys: claims, AllOrgs: true, Disabled: true, CreatedAt: s.now, UpdatedAt: s.now, Since: s.now, Type: auth.TypeNative,
			RedirectURIs: []string{"com.example:/a"}, PostLogoutRedirectURIs: []string{"com.example:/b"},
			BackchannelLogoutURI: "https://app.example/out", AllowedOrigins: []string{"https://app.example"},
			AuthMethod: auth.AuthPrivateKeyJWT, KeySet: `{"keys":[]}`, EndpointAudience: true, RequirePKCE: true, RequirePAR: true,
			RequireDPoP: true, RequireConsent: true, KeepRefreshTokens: true, CodeLifetime: 7, ExchangeAudiences: []string{"b"},
		}
		version, err := s.PutClient(t.Context(), want, name())
		must(t, err)
		want.Version = version
		got, err := s.Client(t.Context(), want.ID)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stored client differs:\n%s", diff)
		}
	}

	c := auth.Client{ID: name(), Org: org, Name: "first"}
	create := name()
	version, err := s.PutClient(t.Context(), c, create)
	must(t, err)
	// Only the version that was read is deleted.
	for _, other := range []uint64{0, version + 1} {
		c.Version = other
		wantCode(t, s.DeleteClient(t.Context(), c), auth.PreconditionFailed)
	}
	if ids := s.allClients(t, org); !slices.Contains(ids, c.ID) {
		t.Error("a client that was not deleted is not listed any more")
	}
	c.Version = version
	for range 2 { // deleting what is not there is no error
		must(t, s.DeleteClient(t.Context(), c))
		_, err = s.Client(t.Context(), c.ID)
		wantCode(t, err, auth.NotFound)
	}
	if ids := s.allClients(t, org); slices.Contains(ids, c.ID) {
		t.Error("a deleted client is still listed")
	}
	// A late repetition of its creation does not bring it back.
	if again, err := s.PutClient(t.Context(), c, create); err != nil || again != version {
		t.Errorf("repeated creation answers %d (%v), want %d", again, err, version)
	}
	_, err = s.Client(t.Context(), c.ID)
	wantCode(t, err, auth.NotFound)
	// A new client of the id is another object: no version of the old one fits it.
	old := c
	c.Name, c.Version = "second", 0
	reborn, err := s.PutClient(t.Context(), c, name())
	if err != nil || reborn <= version {
		t.Errorf("a new client of an old id has version %d (%v), want one after %d", reborn, err, version)
	}
	wantCode(t, s.DeleteClient(t.Context(), old), auth.PreconditionFailed)
}

func (s *suite) allClients(t *testing.T, org string) []string {
	return collect(t, 7, func(ctx context.Context, p auth.Page) ([]string, string, error) {
		clients, next, err := s.Clients(ctx, org, p)
		return ids(clients, func(c auth.Client) string { return c.ID }), next, err
	})
}

func (s *suite) testAPITokens(t *testing.T) {
	versioned(t,
		func(ctx context.Context, id, text string, version uint64, op string) (uint64, error) {
			return s.PutAPIToken(ctx, auth.APIToken{ID: id, Name: text, Role: auth.RoleAdmin, Version: version}, op)
		},
		func(ctx context.Context, id string) (string, uint64, error) {
			token, err := s.APIToken(ctx, id)
			return token.Name, token.Version, err
		})

	want := auth.APIToken{
		ID: name(), Name: "n", Org: name(), Role: auth.RoleOperator, Hash: "h", ExpiresAt: s.now.Add(time.Hour), CreatedAt: s.now,
		CreatedBy: "user:x",
	}
	version, err := s.PutAPIToken(t.Context(), want, name())
	must(t, err)
	want.Version = version
	got, err := s.APIToken(t.Context(), want.ID)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored token differs:\n%s", diff)
	}

	admin := auth.APIToken{ID: name(), Role: auth.RoleAdmin}
	_, err = s.PutAPIToken(t.Context(), admin, name())
	must(t, err)
	all := func(org string) []string {
		return collect(t, 5, func(ctx context.Context, p auth.Page) ([]string, string, error) {
			tokens, next, err := s.APITokens(ctx, org, p)
			return ids(tokens, func(k auth.APIToken) string { return k.ID }), next, err
		})
	}
	if listed := all(want.Org); !slices.Equal(listed, []string{want.ID}) {
		t.Errorf("the organisation's tokens are %q, want %q alone", listed, want.ID)
	}
	if listed := all(""); !slices.Contains(listed, admin.ID) || slices.Contains(listed, want.ID) {
		t.Errorf("the administrators' tokens are %q, want %q and not %q", listed, admin.ID, want.ID)
	}
	other := want
	other.Version++
	wantCode(t, s.DeleteAPIToken(t.Context(), other), auth.PreconditionFailed)
	for range 2 {
		must(t, s.DeleteAPIToken(t.Context(), want))
		_, err = s.APIToken(t.Context(), want.ID)
		wantCode(t, err, auth.NotFound)
	}
	if listed := all(want.Org); len(listed) != 0 {
		t.Errorf("deleted tokens are still listed: %q", listed)
	}
}

func ids[T any](items []T, id func(T) string) []string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = id(item)
	}
	return list
}

// collect walks a list to its end and fails if an item comes twice or a page is too long.
func collect(t *testing.T, limit int, page func(ctx context.Context, p auth.Page) (ids []string, next string, err error)) []string {
	t.Helper()
	var all []string
	for p := (auth.Page{Limit: limit}); ; {
		ids, next, err := page(t.Context(), p)
		must(t, err)
		if len(ids) > limit {
			t.Fatalf("a page of %d has %d items", limit, len(ids))
		}
		for _, id := range ids {
			if slices.Contains(all, id) {
				t.Fatalf("%q was listed twice", id)
			}
			all = append(all, id)
		}
		if next == "" {
			return all
		}
		p.After = next
	}
}

func (s *suite) testLists(t *testing.T) {
	org := name()
	page := func(ctx context.Context, p auth.Page) ([]string, string, error) {
		users, next, err := s.Users(ctx, org, p)
		return ids(users, func(u auth.User) string { return u.ID }), next, err
	}
	if all := collect(t, 10, page); len(all) != 0 {
		t.Fatalf("an organisation without users has %q", all)
	}

	inOrg := func(u *auth.User) { u.Orgs = []string{name(), org} }
	made := make(map[string]auth.User)
	for range 60 {
		u := s.user(t, inOrg)
		made[u.ID] = u
	}
	for _, limit := range []int{1, 7, 60, 1000} {
		all := collect(t, limit, page)
		if len(all) != len(made) {
			t.Fatalf("%d users in pages of %d, want %d", len(all), limit, len(made))
		}
		for _, id := range all {
			if _, ok := made[id]; !ok {
				t.Errorf("user %q is not of the organisation", id)
			}
		}
	}
	users, next, err := s.Users(t.Context(), org, auth.Page{Limit: 60})
	if err != nil || len(users) != 60 || next != "" {
		t.Fatalf("the page that holds everybody has %d users and next %q (%v)", len(users), next, err)
	}
	for _, u := range users {
		if diff := cmp.Diff(made[u.ID], u); diff != "" {
			t.Errorf("listed user differs:\n%s", diff)
		}
	}

	// Whoever is there throughout is listed once, whatever comes and goes between the pages.
	var seen []string
	leaving := users[len(users)-1]
	for p := (auth.Page{Limit: 9}); ; {
		ids, next, err := page(t.Context(), p)
		must(t, err)
		seen = append(seen, ids...)
		if next == "" {
			break
		}
		s.user(t, inOrg)
		if leaving.ID != "" && !slices.Contains(ids, leaving.ID) {
			leaving.Orgs = leaving.Orgs[:1]
			s.putUser(t, leaving, org)
			delete(made, leaving.ID)
			leaving.ID = ""
		}
		p.After = next
	}
	times := make(map[string]int)
	for _, id := range seen {
		times[id]++
	}
	for id := range made {
		if times[id] != 1 {
			t.Errorf("user %q was listed %d times, want once", id, times[id])
		}
	}

	for _, bad := range []string{"x", "-1:a", "0:", "99999999:a", ":", "1"} {
		_, _, err := s.Users(t.Context(), org, auth.Page{After: bad, Limit: 5})
		wantCode(t, err, auth.InvalidRequest)
	}

	orgs := []string{name(), name(), name()}
	for _, slug := range orgs {
		_, err := s.PutOrg(t.Context(), auth.Org{Slug: slug}, name())
		must(t, err)
	}
	listed := collect(t, 2, func(ctx context.Context, p auth.Page) ([]string, string, error) {
		orgs, next, err := s.Orgs(ctx, p)
		return ids(orgs, func(o auth.Org) string { return o.Slug }), next, err
	})
	for _, slug := range orgs {
		if !slices.Contains(listed, slug) {
			t.Errorf("organisation %q is not listed", slug)
		}
	}
}
