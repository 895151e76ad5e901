package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// sentinelWorld is a cast with an application in each organisation, whose users are logged in.
type sentinelWorld struct {
	*cast
	shop, foreign           sentinelApp
	user, other, foreigner  string // tokens
	operator, foreignersOwn string
}

func newSentinelWorld(t testing.TB, b redistest.Backend) *sentinelWorld {
	t.Helper()
	w := &sentinelWorld{cast: newCast(t, b)}
	w.shop = w.newSentinelApp(acme, "shop", `,"self_registration":true`)
	w.foreign = w.newSentinelApp(globex, "foreign", `,"self_registration":true`)
	w.user, w.other = w.sentinelLogin(w.shop, w.acme.user), w.sentinelLogin(w.shop, w.acme.other)
	w.foreigner, w.operator = w.sentinelLogin(w.foreign, w.globex.user), w.acme.operator
	w.foreignersOwn = w.createProfile(w.foreigner, w.foreign.number, `{"secret":1}`).want(t, http.StatusCreated).body
	return w
}

// sendHeader sends a request with exactly these headers.
func (w *world) sendHeader(method, target, body string, header http.Header) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr, r.Header = w.address, header
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

// dump is everything the administrator can see of what may have been changed.
func (w *sentinelWorld) dump() string {
	w.t.Helper()
	var all []string
	for _, org := range []string{acme, globex} {
		all = append(all, w.get("/api/user?limit=100&org="+org, adminToken).want(w.t, http.StatusOK).body)
		all = append(all, w.get("/api/client?limit=100&org="+org, adminToken).want(w.t, http.StatusOK).body)
		for _, of := range []string{org + "-user-id", org + "-other-id"} {
			for _, app := range []string{"", "&app=shop", "&app=foreign"} {
				all = append(all, w.get("/api/user/"+of+"/metadata?org="+org+app, adminToken).want(w.t, http.StatusOK).body)
			}
		}
	}
	return strings.Join(all, "\n")
}

// Whoever has no operator's credential hears one thing of every operator's route, whatever there is (rows ).
func TestPeopleHearNothingOfSentinelsOperatorRoutes(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newSentinelWorld(t, b)
	before := w.dump()
	requests := []struct{ method, path, body string }{
		{http.MethodGet, "/operator/users/profile/acme-user-id/" + w.shop.number, ""},
		{http.MethodGet, "/operator/users/profile/acme-other-id/" + w.shop.number, ""},
		{http.MethodGet, "/operator/users/profile/globex-user-id/" + w.foreign.number, ""},
		{http.MethodGet, "/operator/users/profile/nobody/999", ""},
		{http.MethodGet, "/operator/users/profile/nobody/x", ""},
		{http.MethodPost, "/operator/app/register", `{"app":"Mine"}`},
		{http.MethodPost, "/operator/profile/register", `{"nonsense"`},
		{
			http.MethodPost, "/operator/profile/create-bulk",
			`{"profiles":[{"app_id":` + w.shop.number + `,"profile_data":{"a":1},"user_id":"acme-user-id"}]}`,
		},
		{http.MethodPost, "/operator/profile/create-bulk", `{"profiles":[]}`},
	}
	for _, bearer := range []string{w.user, w.foreigner, w.loginAs(w.acme.user, "").text(t, "access_token")} {
		for _, r := range requests {
			w.send(r.method, r.path, bearer, r.body).wantError(t, http.StatusForbidden, "only an operator may do this")
		}
	}
	for _, bearer := range []string{"", "nonsense", w.acme.plainToken, w.shop.key, w.acme.machine.secret} {
		for _, r := range requests {
			w.send(r.method, r.path, bearer, r.body).want(t, http.StatusUnauthorized)
		}
	}
	// A reader reads; the operator of another organisation finds nothing of this one.
	w.createProfile(w.user, w.shop.number, `{"a":1}`).want(t, http.StatusCreated)
	w.get(requests[0].path, w.acme.reader).want(t, http.StatusOK)
	w.post("/operator/profile/create-bulk", w.acme.reader, requests[7].body).want(t, http.StatusForbidden)
	w.post("/user/profiles/create", w.user, `{"app_id":`+w.shop.number+`,"profile_data":{}}`).want(t, http.StatusOK)
	w.put("/api/user/acme-user-id/metadata?app=shop&org=acme", adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
	if after := w.dump(); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
}

// Objects of another organisation are answered like those that are not there, byte for byte (row A-01).
func TestForeignSentinelObjectsAreLikeNone(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newSentinelWorld(t, b)
	bulk := func(user, number string) string {
		return `{"profiles":[{"app_id":` + w.shop.number + `,"profile_data":{"a":1},"user_id":"acme-user-id"},{"app_id":` + number +
			`,"profile_data":{"a":1},"user_id":"` + user + `"}]}`
	}
	before := w.dump()
	for name, pair := range map[string][2]answer{
		"own profile": {w.get("/user/profiles/"+w.foreign.number, w.user), w.get("/user/profiles/424242", w.user)},
		"create":      {w.createProfile(w.user, w.foreign.number, `1`), w.createProfile(w.user, `424242`, `1`)},
		"operator's user": {
			w.get("/operator/users/profile/globex-user-id/"+w.shop.number, w.operator),
			w.get("/operator/users/profile/nobody/"+w.shop.number, w.operator),
		},
		"operator's user by address": {
			w.get("/operator/users/profile/"+w.globex.user.email+"/"+w.shop.number, w.operator),
			w.get("/operator/users/profile/nobody@globex.example/"+w.shop.number, w.operator),
		},
		"operator's application": {
			w.get("/operator/users/profile/acme-user-id/"+w.foreign.number, w.operator),
			w.get("/operator/users/profile/acme-user-id/424242", w.operator),
		},
		"bulk, user": {
			w.post("/operator/profile/create-bulk", w.operator, bulk("globex-user-id", w.shop.number)),
			w.post("/operator/profile/create-bulk", w.operator, bulk("nobody", w.shop.number)),
		},
		"bulk, application": {
			w.post("/operator/profile/create-bulk", w.operator, bulk("acme-user-id", w.foreign.number)),
			w.post("/operator/profile/create-bulk", w.operator, bulk("acme-user-id", "424242")),
		},
	} {
		foreign, none := pair[0], pair[1]
		for _, header := range []http.Header{foreign.header, none.header} {
			header.Del("X-Request-Id")
		}
		if foreign.status != http.StatusNotFound || foreign.status != none.status || foreign.body != none.body ||
			len(foreign.header) != len(none.header) {
			t.Errorf("%s: a foreign one is %d %s, one that is not there %d %s", name, foreign.status, foreign.body, none.status, none.body)
		}
	}
	if after := w.dump(); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	if got := w.get("/user/profiles/"+w.foreign.number, w.foreigner); got.body != "["+w.foreignersOwn+"]" {
		t.Errorf("the foreign profile was %s and is %s", w.foreignersOwn, got.body)
	}
}

func TestSentinelKeysOpenTheirOwnApplicationAlone(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newSentinelWorld(t, b)
	user := w.acme.user
	login := `{"username":` + quote(user.username) + `,"password":` + quote(user.password) + `}`
	wrong := w.keyed("/auth/login", w.foreign.key, strings.Replace(login, user.password, "not the password", 1)).
		want(t, http.StatusUnauthorized)
	if got := w.keyed("/auth/login", w.foreign.key, login); got.status != wrong.status || got.body != wrong.body {
		t.Errorf("another organisation's key: %d %s, want %s", got.status, got.body, wrong.body)
	}
	tokens := w.keyed("/auth/login", w.shop.key, login).want(t, http.StatusOK)
	refresh := `{"refresh_token":` + quote(tokens.text(t, "refresh_token")) + `}`
	w.keyed("/auth/refresh", w.foreign.key, refresh).want(t, http.StatusUnauthorized)

	id, secret, _ := strings.Cut(w.shop.key, ".")
	for name, key := range map[string]string{
		"none": "", "an operator's token": w.operator, "an administrator's token": adminToken, "a person's token": w.user, "the id alone": id,
		"the secret alone": secret, "no secret": id + ".", "a wrong secret": id + "." + secret + "x",
		"less of it": w.shop.key[:len(w.shop.key)-1], "another's secret": "foreign." + secret, "spaces": w.shop.key + " x",
		"upper case": strings.ToUpper(w.shop.key), "long": strings.Repeat("x", 20_000), "of a machine": w.acme.machine.id, "a NUL": "shop\x00",
	} {
		for _, r := range []struct{ path, body string }{
			{"/auth/login", login}, {"/auth/refresh", refresh}, {"/auth/register", `{"user_info":{"username":"x"},"password":"a good password"}`},
		} {
			header := http.Header{"X-Api-Key": {key}, "Content-Type": {"application/json"}}
			if got := w.sendHeader(http.MethodPost, r.path, r.body, header); got.status != http.StatusUnauthorized ||
				got.header.Get("WWW-Authenticate") != `ApiKey header="X-API-KEY"` {
				t.Errorf("%s at %s: %d %s %v", name, r.path, got.status, got.body, got.header["Www-Authenticate"])
			}
		}
		w.sendHeader(http.MethodGet, "/app/all", "", http.Header{"X-Api-Key": {key}}).want(t, http.StatusUnauthorized)
	}
	for _, r := range []string{"/auth/login", "/auth/refresh", "/auth/register"} {
		for _, keys := range [][]string{{w.shop.key, w.shop.key}, {w.shop.key, w.foreign.key}, {w.foreign.key, w.shop.key}, {w.shop.key, ""}} {
			header := http.Header{"X-Api-Key": keys, "Content-Type": {"application/json"}}
			w.sendHeader(http.MethodPost, r, login, header).want(t, http.StatusBadRequest)
		}
	}
	// A key is no bearer, and a bearer with it does not change whose login it is.
	w.get("/user/profiles/"+w.shop.number, w.shop.key).want(t, http.StatusUnauthorized)
	got := w.send(http.MethodPost, "/auth/login", w.operator, login, "X-API-KEY", w.shop.key).want(t, http.StatusOK)
	if user := got.json(t)["user"].(map[string]any); user["Operator"] != false {
		t.Errorf("an operator's token made the login %v", user)
	}
	// The refresh token is still good: nothing above has used it up or revoked it.
	w.keyed("/auth/refresh", w.shop.key, refresh).want(t, http.StatusOK)
	for what, text := range map[string]string{
		"key": secret, "operator's token": w.operator, "password": user.password, "refresh token": tokens.text(t, "refresh_token"),
		"token": w.user,
	} {
		if strings.Contains(w.log.String(), text) {
			t.Errorf("the log has the %s", what)
		}
	}
}

// Nobody gives himself more than the body may say (rows M-01, I-05), and a refused registration makes nobody.
func TestSentinelRegistrationTakesNothingElse(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newSentinelWorld(t, b)
	before := w.dump()
	const info = `"username":"mallory","email":"mallory@acme.example"`
	const password = `"password":"a password of mallory!"`
	members := []string{
		`"id":"acme-user-id"`, `"UserID":"x"`, `"user_id":"x"`, `"org":"globex"`, `"orgs":["globex"]`, `"org_id":"globex"`,
		`"role":"admin"`, `"roles":["admin"]`, `"Operator":true`, `"operator":true`, `"email_verified":true`, `"emailVerified":true`,
		`"disabled":false`, `"profileClaim":true`, `"metadata":{"role":"admin"}`, `"app_metadata":{"role":"admin"}`,
		`"metadata":[{"key":"role","value":"admin","profileClaim":true}]`, `"raw_app_meta_data":{"role":"admin"}`, `"user_metadata":{}`,
		`"customData":{}`, `"profile":{"name":"x"}`, `"profile_data":{"a":1}`, `"app_id":1`, `"version":1`,
		`"created_at":"2020-01-01T00:00:00Z"`,
		`"groups":["acme-staff"]`, `"must_change_password":false`, `"epoch":9`, `"Username":"root"`, `"PASSWORD":"x"`,
	}
	for _, m := range members {
		for _, body := range []string{
			`{"user_info":{` + info + `},` + password + `,` + m + `}`,
			`{"user_info":{` + info + `,` + m + `},` + password + `}`,
		} {
			w.keyed("/auth/register", w.shop.key, body).want(t, http.StatusBadRequest)
		}
	}
	for name, body := range map[string]string{
		"two names":         `{"user_info":{` + info + `,"username":"jane"},` + password + `}`,
		"spelt otherwise":   `{"user_info":{` + info + `,"user\u006eame":"jane"},` + password + `}`,
		"after the value":   `{"user_info":{` + info + `},` + password + `} {}`,
		"null":              `null`,
		"null members":      `{"user_info":null,` + password + `}`,
		"a byte order mark": "\ufeff" + `{"user_info":{` + info + `},` + password + `}`,
		"a hash as well":    `{"user_info":{` + info + `},` + password + `,"password_hash":"5ebe2294ecd0e0f08eab7690d2a6ee69"}`,
		"algorithm alone":   `{"user_info":{` + info + `},"hash_algorithm":"md5"}`,
		"nothing":           `{}`,
		"no password":       `{"user_info":{` + info + `}}`,
		"an array":          `[{"user_info":{` + info + `},` + password + `}]`,
	} {
		if got := w.keyed("/auth/register", w.shop.key, body); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, mediaType := range []string{
		"application/xml", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "",
	} {
		header := http.Header{"X-Api-Key": {w.shop.key}, "Content-Type": {mediaType}}
		w.sendHeader(http.MethodPost, "/auth/register", `{"user_info":{`+info+`},`+password+`}`, header).want(t, http.StatusUnsupportedMediaType)
	}
	if after := w.dump(); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	// Who is taken over by a hash is not taken over by another organisation's operator, or by more than a hash.
	hash := `{"user_info":{` + info + `},"password_hash":"5ebe2294ecd0e0f08eab7690d2a6ee69","hash_algorithm":"md5"`
	w.send(http.MethodPost, "/auth/register", w.operator, hash+`,"roles":["admin"]}`, "X-API-KEY", w.shop.key).want(t, http.StatusBadRequest)
	w.send(http.MethodPost, "/auth/register", w.operator, hash+`}`, "X-API-KEY", w.foreign.key).want(t, http.StatusForbidden)
	w.send(http.MethodPost, "/auth/register", "nonsense", hash+`}`, "X-API-KEY", w.shop.key).want(t, http.StatusUnauthorized)
	if after := w.dump(); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	// What does register has nothing but a name.
	w.keyed("/auth/register", w.shop.key, `{"user_info":{`+info+`},`+password+`}`).want(t, http.StatusCreated)
	token := w.sentinelLogin(w.shop, person{username: "mallory", password: "a password of mallory!"})
	for name := range claimsOf(t, token) {
		if strings.HasPrefix(name, "metadata_") {
			t.Errorf("a new user's token has %s", name)
		}
	}
	w.keyed("/auth/login", w.shop.key, `{"username":"mallory@acme.example","password":"a password of mallory!"}`).
		want(t, http.StatusUnauthorized)
}

// What an operator has marked, or keeps to himself, is not the user's to write, to take away or to find out (rows M-01, M-14).
func TestSentinelProfilesKeepWhatIsNotTheUsers(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newSentinelWorld(t, b)
		native := "/api/user/acme-user-id/metadata?org=acme&app=shop"
		w.put(native, adminToken, `{"metadata":[{"key":"role","value":"editor","profileClaim":true},{"key":"plan","value":"gold"},
			{"key":"rating","value":3},{"key":"theme","value":"dark"}]}`).want(t, http.StatusOK)
		entries := func() string { return w.get(native, adminToken).want(t, http.StatusOK).body }
		const kept = `{"key":"plan","value":"gold","profileClaim":true},{"key":"rating","value":3,"profileClaim":false},` +
			`{"key":"role","value":"editor","profileClaim":true}`
		for _, data := range []string{`{"theme":"light"}`, `{}`, `null`, `[1]`, `{"$":1}`, `{"\u0000":1}`, `{"own":{"profileClaim":true}}`} {
			got := w.createProfile(w.user, w.shop.number, data).want(t, http.StatusOK)
			if !strings.Contains(entries(), kept) || strings.Contains(got.body, "rating") {
				t.Errorf("%s left %s and showed %s", data, entries(), got.body)
			}
		}
		// An empty profile beside them is nothing but them.
		empty := w.createProfile(w.user, w.shop.number, `{}`).want(t, http.StatusOK)
		if !strings.Contains(empty.body, `"profile_data":{"plan":"gold","role":"editor"},`) {
			t.Errorf("an empty profile beside claims is %s", empty.body)
		}
		before := entries()
		for _, data := range []string{
			`{"role":"admin"}`, `{"role":"editor"}`, `{"theme":1,"role":null}`, `{"plan":"platinum"}`, `{"plan":"gold"}`, `{"r\u006fle":"admin"}`,
		} {
			if got := w.createProfile(w.user, w.shop.number, data); got.status != http.StatusForbidden {
				t.Errorf("%s: %d %s", data, got.status, got.body)
			}
		}
		right, wrong := w.createProfile(w.user, w.shop.number, `{"rating":3}`), w.createProfile(w.user, w.shop.number, `{"rating":4}`)
		if right.status != http.StatusForbidden || right.status != wrong.status || right.body != wrong.body {
			t.Errorf("the value that is hidden: %d %s, another: %d %s", right.status, right.body, wrong.status, wrong.body)
		}
		absent := w.createProfile(w.other, w.shop.number, `{"rating":3}`)
		if absent.status != right.status || absent.body != right.body {
			t.Errorf("where there is none: %d %s, where there is: %d %s", absent.status, absent.body, right.status, right.body)
		}
		for name, members := range map[string]string{
			"marked": `"profileClaim":true`, "somebody else": `"user_id":"acme-other-id"`, "otherwise spelt": `"USER_ID":"acme-user-id"`,
			"by name": `"user_id":"acme-user"`, "another org": `"org":"globex"`, "a number too": `"id":1`, "twice": `"app_id":` + w.shop.number,
			"roles": `"roles":["admin"]`, "revision": `"version":1`, "nobody": `"user_id":""`,
		} {
			got := w.post("/user/profiles/create", w.user, `{"app_id":`+w.shop.number+`,"profile_data":{"x":1},`+members+`}`)
			if got.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		for _, target := range []string{
			"/user/profiles/create?user_id=acme-other-id", "/user/profiles/create?org=globex", "/user/profiles/create?userId=acme-other-id",
		} {
			w.post(target, w.user, `{"app_id":`+w.shop.number+`,"profile_data":{"x":1}}`).want(t, http.StatusBadRequest)
		}
		if after := entries(); after != before {
			t.Errorf("was %s, is %s", before, after)
		}
		if got := w.get("/user/profiles/"+w.shop.number, w.other).want(t, http.StatusOK); got.body != "[]" {
			t.Errorf("the colleague has %s", got.body)
		}
		token := claimsOf(t, w.sentinelLogin(w.shop, w.acme.user))
		if token["metadata_role"] != "editor" || token["metadata_plan"] != "gold" || token["metadata_rating"] != nil ||
			token["metadata_theme"] != nil {
			t.Errorf("the token says %v", token)
		}
		// An operator's write keeps the marks, and marks nothing.
		w.post("/operator/profile/create-bulk", w.operator, `{"profiles":[{"app_id":`+w.shop.number+
			`,"user_id":"acme-user-id","profile_data":{"role":"owner","new":1,"plan":"silver"}}]}`).want(t, http.StatusCreated)
		const want = `[{"key":"new","value":1,"profileClaim":false},{"key":"plan","value":"silver","profileClaim":true},` +
			`{"key":"role","value":"owner","profileClaim":true}]`
		if got := entries(); !strings.Contains(got, want) {
			t.Errorf("after an operator's write there is %s", got)
		}
	})
}

// One reading of every path, and no way around the credentials by another one (rows I-01, I-02, I-03).
func TestSentinelPaths(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newSentinelWorld(t, b)
	made := w.createProfile(w.user, w.shop.number, `{"secret":"of jane"}`).want(t, http.StatusCreated)
	for _, name := range []string{
		"acme-user-id", "%61cme-user-id", "acme-user%40acme.example", "acme-user@acme.example", "%61cme%2Duser@acme.example", "acme-user",
	} {
		if got := w.get("/operator/users/profile/"+name+"/"+w.shop.number, w.operator); got.body != made.body {
			t.Errorf("%s is %d %s", name, got.status, got.body)
		}
	}
	for _, name := range []string{
		"a%2Fcme-user-id", "acme-user-id%2F", "acme-user%2540acme.example", "me", "*", "acme-user-id%20", "%E2%80%8Bacme-user",
		"globex-user-id", "..%2Facme-user-id", "acme-user@acme.example@acme.example",
	} {
		w.get("/operator/users/profile/"+name+"/"+w.shop.number, w.operator).want(t, http.StatusNotFound)
	}
	for _, name := range []string{"%FF", "%00", "%0d%0a", "acme-user-id%7f", strings.Repeat("x", 1<<10), "..", "%2e%2e", ".", "%2E"} {
		w.get("/operator/users/profile/"+name+"/"+w.shop.number, w.operator).want(t, http.StatusBadRequest)
	}
	for _, number := range []string{
		"+1", "-1", "1.0", "1e0", "0x1", "%31%20", "01", "１", "18446744073709551616", "1%00", "NaN", "null", "create",
	} {
		w.get("/user/profiles/"+number, w.user).want(t, http.StatusBadRequest)
	}

	operators, users := "/operator/users/profile/acme-user-id/"+w.shop.number, "/user/profiles/"+w.shop.number
	var odd []string
	for _, path := range []string{operators, users} {
		first, rest, _ := strings.Cut(path[1:], "/")
		odd = append(odd,
			path+"/", "/"+path, "/./"+path[1:], "/x/.."+path, "/%2e%2e"+path, "/"+first+"//"+rest, "/"+first+"/./"+rest, "/"+first+"/x/../"+rest,
			"/"+first+"%2F"+rest, "/"+first+"%5C"+rest, "/"+first+";a=b/"+rest, "/"+first+"%3Ba=b/"+rest, "/"+strings.ToUpper(first)+"/"+rest,
			"/"+first+"/"+strings.ToUpper(rest), path+"%00", path+"%20", path+";x", path+".json", path+"%2F", "/user/..%2f"+path[1:],
			"http://id.example"+path,
		)
	}
	for _, target := range append(odd, operators, users) {
		for bearer, allowed := range map[string]string{"": "", w.user: users, w.foreigner: "", w.globex.operator: ""} {
			got := w.get(target, bearer)
			own := strings.TrimPrefix(target, "http://id.example") == allowed
			if got.status/100 == 2 && !own || strings.Contains(got.body, "of jane") && !own {
				t.Errorf("%s is %d %s", target, got.status, got.body)
			}
		}
	}
}

// A bulk of many with one that is refused late changes nothing, whichever it is.
func TestSentinelBulkIsAllOrNothing(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newSentinelWorld(t, b)
		var users []string
		for n := range 12 {
			users = append(users, w.newUser(acme, "u"+string(rune('a'+n))))
		}
		bulk := func(data func(user string) string) answer {
			var profiles []string
			for _, u := range users {
				profiles = append(profiles, `{"app_id":`+w.shop.number+`,"user_id":"`+u+`","profile_data":`+data(u)+`}`)
			}
			return w.post("/operator/profile/create-bulk", w.operator, `{"profiles":[`+strings.Join(profiles, ",")+`]}`)
		}
		state := func() (all []string) {
			for _, u := range users {
				all = append(all, w.get("/operator/users/profile/"+u+"/"+w.shop.number, w.operator).body)
			}
			return all
		}
		bulk(func(u string) string { return `{"first":"` + u + `"}` }).want(t, http.StatusCreated)
		before := state()
		for _, at := range []int{0, 5, 11} {
			for name, refused := range map[string]string{
				"against its definition": `{"plan":7}`,
				"too large in all": `{"a":"` + strings.Repeat("x", 400<<10) + `","b":"` + strings.Repeat("x", 400<<10) + `","c":"` +
					strings.Repeat("x", 400<<10) + `"}`,
			} {
				got := bulk(func(u string) string {
					if u == users[at] {
						return refused
					}
					return `{"second":1}`
				})
				if got.status != http.StatusBadRequest {
					t.Errorf("%s at %d: %d %.200s", name, at, got.status, got.body)
				}
				if after := state(); !slices.Equal(after, before) {
					t.Errorf("%s at %d: was %s, is %s", name, at, before, after)
				}
			}
		}
		bulk(func(string) string { return `{"second":1}` }).want(t, http.StatusCreated)
	})
}
