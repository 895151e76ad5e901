package preview_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

func claim(key, json string) metadata.Put {
	return metadata.Put{Key: key, Value: metadata.Restore(metadata.KindJSON, json), ProfileClaim: true}
}

// withJane is a world where jane has two claims, of which one is inherited by all.
func withJane(t *testing.T) *world {
	w := newWorld(t, redistest.Embedded(t))
	w.write(metadata.Owner{}, metadata.Patch{Set: []metadata.Put{claim("plan", `"basic"`)}})
	w.write(metadata.Owner{User: userID}, metadata.Patch{Set: []metadata.Put{claim("tags", `[1.0,"é"]`)}})
	return w
}

func (w *world) make(r preview.Request) preview.Preview {
	w.t.Helper()
	if r.Target == (metadata.Target{}) {
		r.Target = metadata.Target{Org: org, User: userID}
	}
	p, err := w.preview.Preview(context.Background(), auth.System(), r)
	check(w.t, err)
	return p
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAChangeIsShownAsWhatItDoesToTokens(t *testing.T) {
	w := withJane(t)
	p := w.make(preview.Request{Client: "web", Scope: "openid orders", Change: &metadata.Proposal{
		Change: metadata.Change{Set: []metadata.Put{claim("plan", `"pro"`)}, Delete: []string{"tags"}},
	}})
	var told []string
	for _, d := range p.Diff {
		told = append(told, fmt.Sprintf("%s %s>%s %s", d.Claim, string(d.Before), string(d.After), strings.Join(d.Tokens, " ")))
	}
	everywhere := strings.Join(metadata.Places, " ")
	want(t, "the differences", told, []string{
		"claims_rev 1>2 " + everywhere, `metadata_plan "basic">"pro" ` + everywhere, `metadata_tags [1.0,"é"]> ` + everywhere,
	})
	plan, tags := len(`"metadata_plan":"pro",`), len(`"metadata_tags":[1.0,"é"],`)
	want(t, "the budget of his own", p.Own, preview.Budget{Before: tags, After: plan, Limit: w.limits().ClaimsBytes})
	inherited := preview.Budget{Before: plan + 2, After: plan + 2, Limit: w.limits().InheritedBytes}
	want(t, "the budget of what is inherited", p.Inherited, inherited)
	want(t, "the budget of the application", p.App, preview.Budget{Limit: w.limits().ClaimsBytes})
	want(t, "bytes gained", p.After.AccessToken.Bytes-p.Before.AccessToken.Bytes, len(`"pro"`)-len(`"basic"`)-tags)
	want(t, "the revisions", []uint64{p.Revision, p.AppRevision, p.OrgRevision}, []uint64{2, 0, 1})

	p = w.make(preview.Request{Client: "web"})
	if p.Before != nil || p.Diff != nil || p.Own != (preview.Budget{Before: tags, After: tags, Limit: w.limits().ClaimsBytes}) {
		t.Errorf("without a change: %+v", p)
	}
}

func TestWhatIsAlikeInSomeTokensIsToldOnce(t *testing.T) {
	w := withJane(t)
	w.lay(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "k1", Places: []string{auth.InIDToken, auth.InUserInfo}}})
	p := w.make(preview.Request{Client: "narrow", Scope: "openid", Change: &metadata.Proposal{
		Change: metadata.Change{Set: []metadata.Put{claim("k1", `true`)}},
	}})
	told := map[string][]string{}
	for _, d := range p.Diff {
		told[d.Claim] = d.Tokens
	}
	want(t, "the differences", told, map[string][]string{
		"claims_rev": metadata.Places, "metadata_k1": {auth.InIDToken},
	})
}

func TestTheClientAndTheScopeKeepKeysOut(t *testing.T) {
	w := withJane(t)
	w.lay(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "plan", Clients: []string{"web"}}})
	for _, test := range []struct{ client, scope, key, place, why string }{
		{"web", "openid", "tags", auth.InIDToken, ""},
		{"web", "openid", "plan", auth.InAccessToken, ""},
		{"web", "orders", "tags", auth.InAccessToken, ""},
		{"web", "orders", "tags", auth.InIDToken, "without scope openid there is none"},
		{"web", "orders", "tags", auth.InUserInfo, "without scope openid there is none"},
		{"narrow", "openid", "tags", auth.InIDToken, ""},
		{"narrow", "openid", "tags", auth.InAccessToken, "the client has no metadata there (claims_in)"},
		{"narrow", "openid", "plan", auth.InIDToken, "its definition shows it to other clients only"},
		{"picky", "openid", "tags", auth.InUserInfo, ""},
		{"picky", "openid", "user-theme", auth.InUserInfo, "the client sees other keys only (claim_keys)"},
	} {
		w.write(metadata.Owner{User: userID}, metadata.Patch{Set: []metadata.Put{claim("user-theme", `1`)}})
		p := w.make(preview.Request{Client: test.client, Scope: test.scope})
		i := slices.IndexFunc(p.Entries, func(c metadata.Candidate) bool { return c.Key == test.key })
		if why := p.Entries[i].Why[test.place]; why != test.why {
			t.Errorf("%s with %q: %s is not in %s because %q, want %q", test.client, test.scope, test.key, test.place, why, test.why)
		}
	}
}

func TestAClientThatMayHaveEverything(t *testing.T) {
	w := withJane(t)
	w.lay(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "plan", Clients: []string{"web"}}})
	p := w.make(preview.Request{})
	want(t, "the scope", p.Scope, "openid profile email phone address")
	for _, place := range metadata.Places {
		want(t, place, shown(&p, place), map[string]string{"metadata_plan": `"basic"`, "metadata_tags": `[1.0,"é"]`})
	}
	if !strings.Contains(string(p.After.UserInfo.Claims), `"email":"jane@example.com"`) || p.Client != "" {
		t.Errorf("for %q userinfo is %s", p.Client, p.After.UserInfo.Claims)
	}
	want(t, "a scope of somebody's", w.make(preview.Request{Scope: "anything"}).Scope, "anything")
}

func TestTheScopeIsNarrowedAsForALogin(t *testing.T) {
	w := withJane(t)
	want(t, "asked for nothing", w.make(preview.Request{Client: "web"}).Scope, "openid profile email orders")
	want(t, "not for openid", w.make(preview.Request{Client: "bound"}).Scope, "orders")
	_, err := w.preview.Preview(context.Background(), auth.System(), preview.Request{
		Target: metadata.Target{Org: org, User: userID}, Client: "bound", Scope: "openid",
	})
	if auth.CodeOf(err) != auth.InvalidScope {
		t.Errorf("a scope the client may not have: %v", err)
	}
}

func TestWhoSeesAPreview(t *testing.T) {
	w := withJane(t)
	w.lay(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "tags", Read: metadata.ForOperators}})
	ctx := context.Background()
	jane := auth.Person(userID, org)
	p, err := w.preview.Preview(ctx, jane, preview.Request{Target: metadata.Target{User: "me"}, Client: "web"})
	check(t, err)
	if len(p.Entries) != 1 || p.User != userID || p.Org != org {
		t.Errorf("jane sees %+v", p)
	}
	for name, test := range map[string]struct {
		caller *auth.Caller
		target metadata.Target
		client string
	}{
		"somebody else":                  {auth.Person("john-id", org), metadata.Target{User: userID}, "web"},
		"of another organisation":        {auth.Person(userID, "acme"), metadata.Target{Org: org, User: userID}, "web"},
		"nobody":                         {auth.System(), metadata.Target{Org: org, User: "nobody"}, "web"},
		"an organisation he is not in":   {auth.System(), metadata.Target{Org: "acme", User: userID}, "other"},
		"a client there is not":          {auth.System(), metadata.Target{Org: org, User: userID}, "nothing"},
		"a client of another":            {auth.System(), metadata.Target{Org: "acme", User: userID}, "web"},
		"an organisation that is not":    {auth.System(), metadata.Target{Org: "none", User: userID}, "other"},
		"an organisation that cannot be": {auth.System(), metadata.Target{Org: "No", User: userID}, "other"},
	} {
		_, err := w.preview.Preview(ctx, test.caller, preview.Request{Target: test.target, Client: test.client})
		var fault *metadata.Error
		if auth.CodeOf(err) != auth.NotFound && (!refused(err, &fault) || fault.Code != metadata.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
