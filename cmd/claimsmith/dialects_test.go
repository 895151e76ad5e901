package main

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// CLAIMSMITH_TEST_CASES is how many random cases are tried.
func init() {
	if cases := os.Getenv("CLAIMSMITH_TEST_CASES"); cases != "" {
		if err := flag.Set("rapid.checks", cases); err != nil {
			panic(err)
		}
	}
}

// Keys: those that can be claims, and those that are hard to say somewhere.
var (
	claimableKeys = []string{"role", "Role", "plan", "nick", "motto", "badge", "a.b-c_d", "Plan", "rating"}
	oddKeys       = []string{
		"a/b", "$", ":", "a b", " ", "_bulk", "_search", "metadata", "rôle", "ｒole", "日本/語", "😀", "a%2Fb", "%", "a?b#c", "__proto__", "\"", `\`,
		"{}", "0", "a&keys=role", "+", "\u200b", "search", "é", "e\u0301", "..", "ｘ", "delete_keys", "null",
	}
)

// sheet is a document, beside what the model has of it.
type sheet struct {
	about
	paper
}

// bearers are the credentials for an organisation.
type bearers struct {
	operators []string
	users     map[string]string // by user id
}

// troupe is a cast with an application, documents in both organisations, and the tokens to reach them by.
type troupe struct {
	*cast
	sheets  []*sheet
	bearers map[string]bearers
	logins  []*standing
	cases   int
}

// standing is a login whose tokens are compared with the model.
type standing struct {
	client, org, refresh string
	user                 person
	wide, app            *sheet // app is nil where the client has no document
}

const tokenApp = "acme-app"

func newTroupe(t testing.TB) *troupe {
	t.Helper()
	c := newCast(t, redistest.Embedded(t))
	for _, org := range []string{acme, globex} {
		for key, l := range laws {
			c.send(http.MethodPut, "/api/metadata-key/"+key+"?org="+org, adminToken, l.definition)
		}
	}
	number := ""
	for id, org := range map[string]string{tokenApp: acme, "globex-app": globex} {
		a := c.post("/api/client?org="+org, adminToken, `{"client_id":"`+id+`","public":true,"first_party":true,"grant_types":["password","refresh_token"],
			"scopes":["openid","urn:zitadel:iam:user:metadata"]}`).want(t, http.StatusCreated)
		if org == acme {
			number = fmt.Sprint(a.json(t)["number"])
		}
	}
	tr := &troupe{cast: c, bearers: map[string]bearers{
		acme:   {[]string{c.acme.operator, c.acme.machineToken}, map[string]string{}},
		globex: {[]string{c.globex.operator, c.globex.machineToken}, map[string]string{}},
	}}
	for _, of := range []struct {
		user person
		orgs []string
	}{{c.acme.user, []string{acme}}, {c.shared, []string{acme, globex}}} {
		for _, org := range of.orgs {
			wide := &sheet{about{org: org, user: of.user}, paper{}}
			login := &standing{org: org, user: of.user, wide: wide, client: "globex-app"}
			tr.sheets = append(tr.sheets, wide)
			if org == acme {
				login.client = tokenApp
				login.app = &sheet{about{org: org, user: of.user, app: tokenApp, number: number}, paper{}}
				tr.sheets = append(tr.sheets, login.app)
			}
			tr.logins = append(tr.logins, login)
			tr.bearers[org].users[of.user.id] = c.loginAs(of.user, `,"org":"`+org+`"`).text(t, "access_token")
		}
	}
	return tr
}

// begin empties every document, and now and then has everybody log in anew.
func (tr *troupe) begin() {
	tr.t.Helper()
	for _, s := range tr.sheets {
		s.paper = paper{}
		a := s.about
		a.bearer = adminToken
		nativeAPI.replace(tr.cast, a, []pair{{key: "written", value: "1"}}).want(tr.t, http.StatusOK) // so that there is a document
		nativeAPI.replace(tr.cast, a, nil).want(tr.t, http.StatusOK)
	}
	if tr.cases++; tr.cases%5 != 0 {
		return
	}
	tr.address = fmt.Sprintf("198.51.%d.%d:1", tr.cases/250%250, tr.cases%250) // from where nobody has logged in too often
	for _, l := range tr.logins {
		if l.refresh != "" {
			tr.form("/oauth/revoke", "client_id", l.client, "token", l.refresh).want(tr.t, http.StatusOK)
		}
		l.refresh = ""
	}
}

// as has somebody ask: an operator, or the user himself.
func (tr *troupe) as(s *sheet, self bool, n int) about {
	a := s.about
	a.self = self
	if a.bearer = tr.bearers[s.org].users[s.user.id]; !self {
		all := tr.bearers[s.org].operators
		a.bearer = all[n%len(all)]
	}
	return a
}

// speaks reports whether a tongue has words for a document.
func (t *tongue) speaks(s *sheet) bool { return s.app == "" && t.wide || s.app != "" && t.apps }

// looks compares what every tongue shows of a document with the model, to an operator or the user.
func (tr *troupe) looks(rt *rapid.T, s *sheet) {
	rt.Helper()
	for n := range tongues {
		t := &tongues[n]
		if !t.speaks(s) {
			continue
		}
		self := rapid.Bool().Draw(rt, "looked at by himself")
		got, shown := t.read(tr.cast, tr.as(s, self, n))
		want := s.seen(self)
		if t.name == profiles.name {
			want = want.whole(rt)
		}
		if t.name == profiles.name && len(s.paper) == 0 && !self {
			if got.status != http.StatusNotFound {
				rt.Fatalf("%s shows an operator %d %s of nothing", t.name, got.status, got.body)
			}
			continue
		}
		if got.status != http.StatusOK {
			rt.Fatalf("%s (self %t) of %s in %s: %d %s", t.name, self, s.user.id, s.org, got.status, got.body)
		}
		if wrong := want.differs(t, shown); wrong != "" {
			rt.Fatalf("%s (self %t) of %s in %s: %s\n%s", t.name, self, s.user.id, s.org, wrong, got.body)
		}
	}
	tr.marks(rt, s)
	tr.single(rt, s)
}

// marks compares which entries are claims.
func (tr *troupe) marks(rt *rapid.T, s *sheet) {
	rt.Helper()
	a := tr.as(s, false, 0)
	for _, e := range parsed[nativeDocument](tr.t, tr.get(a.native(""), a.bearer)).Metadata {
		if e.ProfileClaim != s.paper[e.Key].claim {
			rt.Fatalf("%q is a claim: %t", e.Key, e.ProfileClaim)
		}
	}
}

// single asks for entries one by one, of keys there are and of one there is not.
func (tr *troupe) single(rt *rapid.T, s *sheet) {
	rt.Helper()
	key := rapid.SampledFrom(slices.Concat(claimableKeys, oddKeys)).Draw(rt, "asked for")
	for n := range tongues {
		t := &tongues[n]
		if t.one == nil || !t.speaks(s) || key == ".." {
			continue
		}
		for _, self := range []bool{false, true} {
			visible := s.seen(self)
			k, exists := visible[key]
			got, shown := t.one(tr.cast, tr.as(s, self, n), key)
			switch {
			case !exists && got.class() == classAbsent:
			case !exists || got.class() != classDone:
				rt.Fatalf("%s (self %t) of %q: %d %s, is there: %t", t.name, self, key, got.status, got.body, exists)
			default:
				if wrong := (paper{key: k}).differs(t, map[string]string{key: shown}); wrong != "" {
					rt.Fatalf("%s (self %t): %s", t.name, self, wrong)
				}
			}
		}
	}
}

// tokens compares the claims of a login with the model.
func (tr *troupe) tokens(rt *rapid.T, l *standing) {
	rt.Helper()
	got := tr.newTokens(rt, l).want(tr.t, http.StatusOK)
	l.refresh = got.text(tr.t, "refresh_token")
	var app paper
	if l.app != nil {
		app = l.app.paper
	}
	want, all := claimsIn(l.wide.paper, app), l.wide.seen(true)
	userinfo := tr.get("/oauth/userinfo", got.text(tr.t, "access_token")).want(tr.t, http.StatusOK).body
	for place, payload := range map[string]string{
		"access_token": decodeSegment(tr.t, strings.Split(got.text(tr.t, "access_token"), ".")[1]),
		"id_token":     decodeSegment(tr.t, strings.Split(got.text(tr.t, "id_token"), ".")[1]),
		"userinfo":     userinfo,
	} {
		shown := profileMembers(tr.t, []byte(payload))
		for name, k := range want {
			if !k.sameJSON(shown[name]) {
				rt.Fatalf("the %s has %s as %s, not %s", place, name, shown[name], k.text)
			}
		}
		for name := range shown {
			if _, wanted := want[name]; strings.HasPrefix(name, "metadata_") && !wanted {
				rt.Fatalf("the %s has %s", place, name)
			}
		}
		tr.scoped(rt, place, shown[userMetadata], all)
	}
}

const userMetadata = "urn:zitadel:iam:user:metadata"

// newTokens refreshes the login, or logs in with the password.
func (tr *troupe) newTokens(rt *rapid.T, l *standing) answer {
	rt.Helper()
	if l.refresh != "" {
		return tr.form("/oauth/token", "grant_type", "refresh_token", "client_id", l.client, "refresh_token", l.refresh)
	}
	return tr.try(l.user.username, l.user.password, `,"org":"`+l.org+`","client_id":"`+l.client+`","scope":"openid `+userMetadata+`"`)
}

// scoped compares Zitadel's claim with the model.
func (tr *troupe) scoped(rt *rapid.T, place, text string, all paper) {
	rt.Helper()
	if text == "" {
		if len(all) > 0 {
			rt.Fatalf("the %s has no %s", place, userMetadata)
		}
		return
	}
	var encoded map[string]string
	if err := json.Unmarshal([]byte(text), &encoded); err != nil {
		rt.Fatalf("%s: %v", text, err)
	}
	shown := map[string]string{}
	for key, value := range encoded {
		decoded, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil {
			rt.Fatalf("%q: %v", value, err)
		}
		shown[key] = string(decoded)
	}
	if wrong := all.differs(&tongue{opaque: true}, shown); wrong != "" || len(all) == 0 {
		rt.Fatalf("the %s has %s: %s", place, text, wrong)
	}
}

// Whatever is done through whichever dialect, every dialect shows the same, and so do the tokens (rows M-02, M-07, M-08).
func TestDialectsAgree(t *testing.T) {
	t.Parallel()
	tr := newTroupe(t)
	rapid.Check(t, func(rt *rapid.T) {
		tr.begin()
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			s := tr.sheets[rapid.IntRange(0, len(tr.sheets)-1).Draw(rt, "document")]
			tr.step(rt, s)
			tr.looks(rt, s)
			tr.tokens(rt, tr.logins[rapid.IntRange(0, len(tr.logins)-1).Draw(rt, "login")])
		}
	})
}
