package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/mail/mailtest"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Where an account is, and what else the LMS serves of a person.
const (
	edxMe         = "/lms/api/user/v1/me"
	edxAccounts   = "/lms/api/user/v1/accounts"
	edxAccount    = edxAccounts + "/acme-user"
	edxEmails     = edxAccounts + "/search_emails"
	edxPreference = edxPreferences + "/account_privacy"
	// edxPreferences are those of acme's user.
	edxPreferences  = "/lms/api/user/v1/preferences/acme-user"
	extendedProfile = "/lms/api/ibl/users/manage/metadata/"
	mergePatch      = "application/merge-patch+json"
)

// lmsPaths are the spellings of a path of the LMS.
func lmsPaths(path string) []string {
	bare := strings.TrimSuffix(strings.TrimPrefix(path, "/lms"), "/")
	return []string{"/lms" + bare, "/lms" + bare + "/", "/edx" + bare, "/edx" + bare + "/", bare, bare + "/"}
}

var (
	ofAccounts   = regexp.MustCompile(`^(/lms|/edx)?/api/(user/v1/(me|accounts|preferences)|ibl/users/manage/metadata)(/|\?|$)`)
	mergePatched = regexp.MustCompile(`/(accounts|preferences)/[^/?]+/?(\?|$)`)
)

// accountHeaders are those that a client of the LMS sends. Below /api/user the own API is near, which knows one scheme.
func accountHeaders(target, bearer string) []string {
	scheme := "Token"
	if strings.HasPrefix(target, "/api/user/") {
		scheme = "Bearer"
	}
	headers := about{bearer: bearer}.scheme(scheme)
	if mergePatched.MatchString(target) && !strings.Contains(target, "/search_emails") {
		headers = append(headers, "Content-Type", mergePatch)
	}
	return headers
}

func accountOperations() []operation {
	var all []operation
	named := strings.NewReplacer("/preferences/acme-user/account_privacy", "/preferences/:username/:key", "/acme-user", "/:username")
	for _, o := range []struct{ method, path, query, body string }{
		{"GET", edxMe, "", ""},
		{"GET", edxAccounts, "?username=acme-user", ""},
		{"POST", edxEmails, "", `{"emails":["acme-user@acme.example"]}`},
		{"GET", edxAccount, "", ""},
		{"PATCH", edxAccount, "", `{"bio":"A note."}`},
		{"GET", edxPreferences, "", ""},
		{"PATCH", edxPreferences, "", `{"account_privacy":"all_users"}`},
		{"GET", edxPreference, "", ""},
		{"PUT", edxPreference, "", `"all_users"`},
		{"DELETE", edxPreference, "", ""},
		{"GET", extendedProfile, "?username=acme-user", ""},
		{"POST", extendedProfile, "", `{"username":"acme-user","title":"Cartographer"}`},
	} {
		for _, path := range lmsPaths(o.path) {
			all = append(all, operation{o.method + " " + named.Replace(path), "", fixed(path+o.query, o.body)})
		}
	}
	bare := strings.TrimSuffix(extendedProfile, "/")
	return append(all,
		operation{"GET " + edxAccounts, "by address", fixed(edxAccounts+"?email=acme-user%40acme.example", "")},
		operation{"GET " + edxAccounts, "by number", func(c *cast) (string, string) {
			return edxAccounts + "?lms_user_id=" + c.accountNumber(edxAccount, c.acme.operator), ""
		}},
		operation{"GET " + edxAccounts, "of both, at home elsewhere", fixed(edxAccounts+"?username=sam", "")},
		operation{"PATCH " + named.Replace(edxAccount), "of nobody", fixed(edxAccounts+"/nobody-of-this-name", `{"bio":"A note."}`)},
		operation{"POST " + bare, "an entry", fixed(bare, `{"username":"acme-user","note":1}`)},
		operation{"POST " + bare, "what is a claim", fixed(bare, `{"username":"acme-user","badge":1}`)},
		operation{"POST " + bare, "of both, at home elsewhere", fixed(bare, `{"username":"sam","note":1}`)},
	)
}

// accountNumber is the number of an account, to who may see it.
func (c *cast) accountNumber(target, bearer string) string {
	c.t.Helper()
	return fmt.Sprint(c.get(target, bearer).want(c.t, http.StatusOK).json(c.t)["id"])
}

// accountBodies are the rows of spokenBodies.
var accountBodies = []spoken{
	{"PATCH", edxAccount, `{"bio":"a note"%}`, true},
	{"PATCH", edxPreferences, `{"pref-lang":"de"%}`, true},
	{"POST", edxEmails, `{"emails":["note@acme.example"]%}`, false},
}

func accountSharing(sent string) []sharing {
	var all []sharing
	for _, o := range accountOperations() {
		if o.variant == "" {
			method, _, _ := strings.Cut(o.route, " ")
			target, _ := o.prepare(nil)
			all = append(all, sharing{method, target, sent, ""})
		}
	}
	return all
}

// accountFlows are those whose interruption is tested (row F-01).
var accountFlows = []flow{
	ownAccount("account", func(w *world, at, token string) answer {
		return w.patch(edxAccounts+at, token, `{"name":"Ann","bio":"Maps.","language_proficiencies":[{"code":"de"}]}`, "Content-Type", mergePatch)
	}, `"bio":"Maps."`, `"name":"Ann"`, `"language_proficiencies":[{"code":"de"}]`),
	ownAccount("preferences", func(w *world, at, token string) answer {
		return w.put("/lms/api/user/v1/preferences"+at+"/time_zone", token, `"Europe/Vienna"`)
	}, `"time_zone":"Europe/Vienna"`),
	ownAccount("extended profile", func(w *world, at, token string) answer {
		return w.post(extendedProfile, token, `{"username":"`+strings.TrimPrefix(at, "/")+`","title":"Cartographer","about":"Maps.","note":1.50}`)
	}, `"bio":"Maps."`),
}

// ownAccount is what a person does to his account, which then has these members.
func ownAccount(name string, send func(w *world, at, token string) answer, members ...string) flow {
	return flow{
		name: "ibl.ai " + name, prepare: withSession,
		do: func(w *world, user, given string) answer {
			a := send(w, "/"+user+"-name", member(w.t, given, "access_token"))
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: func(t *testing.T, d *world, user, _ string, _ answer, _ bool) {
			a := d.get(edxAccounts+"/"+user+"-name", adminToken).want(t, http.StatusOK)
			for _, member := range members {
				if !strings.Contains(a.body, member) {
					t.Errorf("no %s in %s", member, a.body)
				}
			}
		},
	}
}

// changeAccount sends a change of an account.
func (w *world) changeAccount(target, bearer, body string) answer {
	w.t.Helper()
	return w.patch(target, bearer, body, "Content-Type", mergePatch)
}

// What a person says here the standard claims say, in userinfo and in the next ID token; and what an operator says of him stands here.
func TestAccountIsTheUserRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	const account = edxAccounts + "/jane"
	shop, b := client{"shop", w.webClient("shop", `,"first_party":true`)}, w.newBrowser()
	token := w.login().text(t, "access_token")
	saw := func(step string, want map[string]any) {
		t.Helper()
		wanted := `{"id_token":{"name":null,"locale":null,"profile":null,"picture":null,"gender":null,"birthdate":null,"zoneinfo":null}}`
		answered := w.clientForm("/oauth/token", shop, codeRequest(w.codeFrom(b, "shop", "scope", "openid profile", "claims", wanted))...)
		id := claimsOf(t, answered.want(t, http.StatusOK).text(t, "id_token"))
		userinfo := w.get("/oauth/userinfo", token).want(t, http.StatusOK).json(t)
		for name, value := range want {
			if userinfo[name] != value || id[name] != value {
				t.Errorf("%s: %s is %v in userinfo and %v in the ID token, not %v", step, name, userinfo[name], id[name], value)
			}
		}
	}
	w.changeAccount(account, token, `{"name":"Ann Mapper","language_proficiencies":[{"code":"fr"},{"code":"de"}],"gender":"f","year_of_birth":1980,
		"social_links":[{"platform":"twitter","social_link":"ann"},{"platform":"linkedin","social_link":"ann"}]}`).want(t, http.StatusOK)
	saw("a change", map[string]any{
		"name": "Ann Mapper", "locale": "fr", "profile": "https://www.linkedin.com/in/ann", "gender": "female", "birthdate": "1980",
	})
	w.changeAccount(account, token, `{"language_proficiencies":[{"code":"de"}],"social_links":[{"platform":"linkedin","social_link":""}]}`).want(t, http.StatusOK)
	saw("another", map[string]any{"name": "Ann Mapper", "locale": "de", "profile": "https://www.twitter.com/ann"})
	w.put("/lms/api/user/v1/preferences/jane/time_zone", token, `"Europe/Vienna"`).want(t, http.StatusNoContent)
	w.post(extendedProfile, token, `{"username":"jane","language":"it"}`).want(t, http.StatusOK)
	saw("its other names", map[string]any{"zoneinfo": "Europe/Vienna", "locale": "it"})
	w.changeAccount(account, token, `{"language_proficiencies":[],"social_links":[{"platform":"twitter","social_link":""}],"gender":null,"year_of_birth":null}`).
		want(t, http.StatusOK)
	saw("nothing", map[string]any{"name": "Ann Mapper", "locale": nil, "profile": nil, "gender": nil, "birthdate": nil})

	w.patch("/api/user/jane-id", adminToken, `{"email":"ann@acme.example","profile":{"name":"Anna","locale":"pt-BR","gender":"male",
		"birthdate":"1990-04-01","zoneinfo":"Europe/Rome","profile":"https://www.facebook.com/anna","picture":"https://pictures.example/anna.png",
		"phone_number":"+14155550100","address":{"country":"IT","region":"Lazio","formatted":"Via 1\nRoma"}}}`).want(t, http.StatusOK)
	got := w.get(account, token).want(t, http.StatusOK)
	for _, member := range []string{
		`"name":"Anna"`, `"language_proficiencies":[{"code":"pt`, `"gender":"m"`, `"year_of_birth":1990`, `"time_zone":"Europe/Rome"`,
		`"social_links":[{"platform":"facebook","social_link":"https://www.facebook.com/anna"}]`, `"has_image":true`,
		`"image_url_small":"https://pictures.example/anna.png"`, `"phone_number":"+14155550100"`, `"country":"IT"`, `"state":"Lazio"`,
		`"mailing_address":"Via 1\nRoma"`, `"email":"ann@acme.example"`, `"is_active":true`, `"requires_parental_consent":false`,
	} {
		if !strings.Contains(got.body, member) {
			t.Errorf("no %s in %s", member, got.body)
		}
	}
	saw("an operator's", map[string]any{"name": "Anna", "locale": "pt-BR", "picture": "https://pictures.example/anna.png"})
}

// A change that does not say so takes no claim away: the same year keeps the date, and a locale of a language that stays is kept.
func TestAccountKeepsWhatIsMoreExact(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.patch("/api/user/acme-user-id?org=acme", c.acme.operator, `{"profile":{"birthdate":"1990-04-01","locale":"pt-BR","profile":"https://ann.example/"}}`).want(t, 200)
	c.changeAccount(edxAccount, token, `{"year_of_birth":1990,"language_proficiencies":[{"code":"en"},{"code":"pt"}],
		"social_links":[{"platform":"linkedin","social_link":"ann"}]}`).want(t, http.StatusOK)
	got := c.get("/api/user/acme-user-id?org=acme", adminToken).want(t, http.StatusOK).json(t)["profile"].(map[string]any)
	if got["birthdate"] != "1990-04-01" || got["locale"] != "pt-BR" || got["profile"] != "https://ann.example/" {
		t.Errorf("%v", got)
	}
}

// Who sees what of whom (seed 001): a person and his operators all, others of his organisation what is shared, everybody else nothing.
func TestAccountVisibility(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	other := c.loginAs(c.acme.other, "").text(t, "access_token")
	public := []string{"account_privacy", "profile_image", "username"}
	shared := slices.Concat(public, []string{
		"bio", "country", "course_certificates", "date_joined", "language_proficiencies", "level_of_education", "social_links", "time_zone",
	})
	slices.Sort(shared)
	sees := func(step, bearer, query string, want []string) {
		t.Helper()
		a := c.get(edxAccount+query, bearer).want(t, http.StatusOK)
		list := c.get(edxAccounts+"?username=acme-user"+strings.Replace(query, "?", "&", 1), bearer).want(t, http.StatusOK)
		if got := namesOfMembers(a.json(t)); !slices.Equal(got, want) || list.body != "["+a.body+"]" {
			t.Errorf("%s: %v, and in a list %s", step, got, list.body)
		}
	}
	all := namesOfMembers(c.get(edxAccount, token).json(t))
	if len(all) != 28 {
		t.Errorf("%d members: %v", len(all), all)
	}
	sees("nobody knows how old", other, "", public)
	for _, step := range []struct {
		change, preferences string
		want                []string
	}{
		{`{"year_of_birth":1980}`, "", shared},
		{`{"account_privacy":"private"}`, "", public},
		{`{"account_privacy":"all_users"}`, "", shared},
		{"", `{"account_privacy":"custom"}`, public},
		{"", `{"visibility.bio":"all_users","visibility.name":"all_users"}`, []string{"account_privacy", "bio", "name", "profile_image", "username"}},
		{"", `{"visibility.bio":"private"}`, []string{"account_privacy", "name", "profile_image", "username"}},
		{fmt.Sprintf(`{"year_of_birth":%d,"account_privacy":"all_users"}`, c.clock.Now().Year()-12), "", public},
		{fmt.Sprintf(`{"year_of_birth":%d}`, c.clock.Now().Year()-14), "", shared},
	} {
		if step.change != "" {
			c.changeAccount(edxAccount, token, step.change).want(t, http.StatusOK)
		}
		if step.preferences != "" {
			c.changeAccount(edxPreferences, token, step.preferences).want(t, http.StatusNoContent)
		}
		sees(step.change+step.preferences, other, "", step.want)
		sees(step.change+step.preferences+", shared", token, "?view=shared", step.want)
		sees(step.change+step.preferences+", shared with staff", c.acme.reader, "?view=shared", step.want)
		sees(step.change+step.preferences+", of one's own", token, "", all)
		sees(step.change+step.preferences+", to staff", c.acme.reader, "", all)
	}
}

// namesOfMembers are the names of members, sorted.
func namesOfMembers(members map[string]any) []string {
	var all []string
	for name := range members {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Where no mail can be sent no address can be changed, and nothing else of the request is.
func TestAccountAddressNeedsMail(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.app.profile.Mail = nil
	before := c.get(edxAccount, token).body
	a := c.changeAccount(edxAccount, token, `{"email":"new@acme.example","bio":"Not kept."}`).want(t, http.StatusBadRequest)
	const disabled = "Email address changes have been disabled by the site operators."
	if !strings.Contains(a.text(t, "developer_message"), disabled) || !strings.HasSuffix(a.body, `"user_message":null}`) {
		t.Errorf("%s", a.body)
	}
	if after := c.get(edxAccount, token).body; after != before {
		t.Errorf("it was %s and is %s", before, after)
	}
}

// Who asks for addresses too often is told to wait, and nothing else of his request is done (row L-12).
func TestAccountAddressIsAskedForSeldom(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.withMail(mailtest.Start(t, mailtest.Server{}))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	ask := func(n int, more string) answer {
		return c.changeAccount(edxAccount, token, fmt.Sprintf(`{"email":"new-%d@acme.example"%s}`, n, more))
	}
	asked := 0
	for ; asked < 20; asked++ {
		if a := ask(asked, ""); a.status != http.StatusOK {
			break
		} else if a.text(t, "email") != c.acme.user.email {
			t.Errorf("asked for, it is %s", a.body)
		}
	}
	a := ask(asked, `,"bio":"Not kept."`).want(t, http.StatusTooManyRequests)
	if asked == 0 || a.body != `{"error":"Too many requests"}` || a.header.Get("Retry-After") == "" {
		t.Errorf("after %d: %v %s", asked, a.header, a.body)
	}
	a = c.post(extendedProfile, token, `{"username":"acme-user","email":"new@acme.example","about":"Not kept."}`).want(t, http.StatusTooManyRequests)
	if now := c.get(edxAccount, token); now.json(t)["bio"] != nil || now.text(t, "email") != c.acme.user.email || a.header.Get("Retry-After") == "" {
		t.Errorf("%s", now.body)
	}
}
