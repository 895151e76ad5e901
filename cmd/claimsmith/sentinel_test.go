package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// sentinelApp is an application that Sentinel's clients know: a first-party client with a number.
type sentinelApp struct {
	id, number, key string
}

// newSentinelApp makes an application that logs people in, with these further members.
func (w *world) newSentinelApp(org, id, members string) sentinelApp {
	w.t.Helper()
	made := w.post("/api/client?org="+org, adminToken, `{"client_id":"`+id+`","first_party":true,"grant_types":["password","refresh_token"],
		"scopes":["openid","profile","email"]`+members+`}`).want(w.t, http.StatusCreated)
	key := id
	if secret := made.text(w.t, "client_secret"); secret != "" {
		key += "." + secret
	}
	return sentinelApp{id, numberText(w.t, made, "number"), key}
}

func numberText(t testing.TB, a answer, member string) string {
	t.Helper()
	n, ok := a.json(t)[member].(interface{ String() string })
	if !ok {
		t.Fatalf("%s has no number %s", a.body, member)
	}
	return n.String()
}

// keyed posts as an application.
func (w *world) keyed(target, key, body string, headers ...string) answer {
	w.t.Helper()
	return w.post(target, "", body, append([]string{"X-API-KEY", key}, headers...)...)
}

// sentinelLogin returns the token of a person who logs in to an application.
func (w *world) sentinelLogin(app sentinelApp, p person) string {
	w.t.Helper()
	return w.keyed("/auth/login", app.key, `{"username":`+quote(p.username)+`,"password":`+quote(p.password)+`}`).
		want(w.t, http.StatusOK).text(w.t, "token")
}

func (w *world) createProfile(bearer, number, data string) answer {
	w.t.Helper()
	return w.post("/user/profiles/create", bearer, `{"app_id":`+number+`,"profile_data":`+data+`}`)
}

// wantError asserts an error in Sentinel's form, with nothing else in it.
func (a answer) wantError(t testing.TB, status int, text string) {
	t.Helper()
	a.want(t, status)
	if diff := cmp.Diff(map[string]any{"error": text}, a.json(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSentinelProfiles(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		app := c.newSentinelApp(acme, "shop", "")
		jane := c.acme.user
		token := c.sentinelLogin(app, jane)

		if got := c.get("/user/profiles/"+app.number, token).want(t, http.StatusOK); got.body != "[]" {
			t.Errorf("without a profile there is %s", got.body)
		}
		c.get("/operator/users/profile/"+jane.id+"/"+app.number, c.acme.operator).
			wantError(t, http.StatusNotFound, "the user has no profile for this application")

		made := c.createProfile(token, app.number, `{"theme":"dark","n":9007199254740993,"nested":{"b":1.0,"a":[]}}`).want(t, http.StatusCreated)
		if made.json(t)["user_id"] != jane.id || numberText(t, made, "app_id") != app.number {
			t.Errorf("created %s", made.body)
		}
		if got := c.get("/user/profiles/"+app.number, token).want(t, http.StatusOK); got.body != "["+made.body+"]" {
			t.Errorf("created %s and read %s", made.body, got.body)
		}
		for _, name := range []string{jane.id, jane.username, jane.email} {
			if got := c.get("/operator/users/profile/"+name+"/"+app.number, c.acme.operator).want(t, http.StatusOK); got.body != made.body {
				t.Errorf("by %s the operator reads %s, want %s", name, got.body, made.body)
			}
		}
		want := `"metadata":[{"key":"n","value":9007199254740993,"profileClaim":false},` +
			`{"key":"nested","value":{"b":1.0,"a":[]},"profileClaim":false},{"key":"theme","value":"dark","profileClaim":false}]`
		if got := c.get("/api/user/me/metadata?app=shop", token).want(t, http.StatusOK); !strings.Contains(got.body, want) {
			t.Errorf("natively that is %s, want %s", got.body, want)
		}

		for _, data := range []string{`[1,{"a":null}]`, `null`, `"text"`, `1E+02`, `{}`, `{"$":1}`, `{"":{}}`, `{"only":true}`} {
			replaced := c.createProfile(token, app.number, data).want(t, http.StatusOK)
			if !strings.Contains(replaced.body, `"profile_data":`+data+`,`) {
				t.Errorf("%s was stored as %s", data, replaced.body)
			}
			if got := c.get("/user/profiles/"+app.number, token); got.body != "["+replaced.body+"]" {
				t.Errorf("%s reads %s", data, got.body)
			}
		}

		// An empty profile is one.
		second := c.newSentinelApp(acme, "second", "")
		c.createProfile(token, second.number, `{}`).want(t, http.StatusCreated)
		if got := c.get("/user/profiles/"+second.number, token).want(t, http.StatusOK); !strings.Contains(got.body, `"profile_data":{},`) {
			t.Errorf("an empty profile reads %s", got.body)
		}
	})
}

// A document that was emptied in another way is no profile, and neither is one of which its user may see nothing.
func TestNothingIsNoSentinelProfile(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	app := c.newSentinelApp(acme, "shop", "")
	jane := c.acme.user
	token := c.sentinelLogin(app, jane)
	native := "/api/user/" + jane.id + "/metadata?org=acme&app=shop"
	operators := "/operator/users/profile/" + jane.id + "/" + app.number
	wantNone := func(what, bearer string) {
		t.Helper()
		if bearer == token {
			if got := c.get("/user/profiles/"+app.number, token).want(t, http.StatusOK); got.body != "[]" {
				t.Errorf("%s: the user has %s", what, got.body)
			}
			return
		}
		c.get(operators, bearer).wantError(t, http.StatusNotFound, "the user has no profile for this application")
	}
	c.createProfile(token, app.number, `{"a":1}`).want(t, http.StatusCreated)
	c.put(native, adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
	wantNone("emptied", token)
	wantNone("emptied", c.acme.operator)
	c.put(native, adminToken, `{"metadata":[{"key":"rating","value":1}]}`).want(t, http.StatusOK)
	wantNone("hidden", token)
	c.get(operators, c.acme.operator).want(t, http.StatusOK)
	// 201 is for what was never written to.
	c.createProfile(token, app.number, `{"a":1}`).want(t, http.StatusOK)
	if got := c.get("/user/profiles/"+app.number, token); !strings.Contains(got.body, `"profile_data":{"a":1},`) {
		t.Errorf("the new profile is %s", got.body)
	}
}

func TestSentinelProfilesOfMany(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		app, other := c.newSentinelApp(acme, "shop", ""), c.newSentinelApp(acme, "other", "")
		user, colleague := c.acme.user, c.acme.other
		profile := func(p, number, data string) string {
			return `{"app_id":` + number + `,"profile_data":` + data + `,"user_id":` + quote(p) + `}`
		}
		bulk := func(profiles ...string) answer {
			return c.post("/operator/profile/create-bulk", c.acme.operator, `{"profiles":[`+strings.Join(profiles, ",")+`]}`)
		}
		read := func(p person, app sentinelApp) string {
			got := c.get("/operator/users/profile/"+p.id+"/"+app.number, c.acme.operator)
			if got.status == http.StatusNotFound {
				return ""
			}
			_, data, _ := strings.Cut(got.want(t, http.StatusOK).body, `"profile_data":`)
			data, _, _ = strings.Cut(data, `,"created_at"`)
			return data
		}

		made := bulk(
			profile(user.id, app.number, `{"n":1}`), profile(colleague.email, app.number, `[]`), profile(user.id, other.number, `{"n":2}`),
			profile(user.username, app.number, `{"n":3}`),
		).want(t, http.StatusCreated)
		result := parsed[struct {
			Profiles []struct {
				UserID string `json:"user_id"`
			}
			Created int
		}](t, made)
		if len(result.Profiles) != 3 || result.Created != 3 || result.Profiles[0].UserID != colleague.id ||
			result.Profiles[2].UserID != user.id {
			t.Errorf("got %s", made.body)
		}
		for _, want := range []struct {
			of   person
			in   sentinelApp
			data string
		}{{user, app, `{"n":3}`}, {user, other, `{"n":2}`}, {colleague, app, `[]`}, {colleague, other, ""}} {
			if got := read(want.of, want.in); got != want.data {
				t.Errorf("%s has %q in %s, want %q", want.of.id, got, want.in.id, want.data)
			}
		}

		for name, refused := range map[string]struct {
			profile string
			status  int
			text    string
		}{
			"nobody":              {profile("nobody", app.number, `1`), http.StatusNotFound, "profiles/1/user_id: no such user"},
			"somebody else's":     {profile(c.globex.user.id, app.number, `1`), http.StatusNotFound, "profiles/1/user_id: no such user"},
			"no application":      {profile(user.id, "999", `1`), http.StatusNotFound, "profiles/1/app_id: no such application"},
			"application 0":       {profile(user.id, "0", `1`), http.StatusNotFound, "profiles/1/app_id: no such application"},
			"no data":             {`{"app_id":` + app.number + `,"user_id":"x"}`, http.StatusBadRequest, "profiles/1/profile_data is required"},
			"no user":             {`{"app_id":` + app.number + `,"profile_data":1}`, http.StatusBadRequest, "profiles/1/user_id is required"},
			"no app":              {`{"profile_data":1,"user_id":"x"}`, http.StatusBadRequest, "profiles/1/app_id is required"},
			"an impossible value": {profile(user.id, app.number, `{"x":{"a":1,"A":2}}`), http.StatusBadRequest, ""},
			"a value too large": {
				profile(user.id, app.number, `{"x":"`+strings.Repeat("x", 512<<10)+`"}`), http.StatusBadRequest, "",
			},
		} {
			answer := bulk(profile(colleague.id, other.number, `{"n":4}`), refused.profile, profile(colleague.id, app.number, `{"n":5}`))
			if refused.text != "" {
				answer.wantError(t, refused.status, refused.text)
			} else if answer.want(t, refused.status); !strings.Contains(answer.body, `"profiles/1/profile_data/x: `) {
				t.Errorf("%s: got %s", name, answer.body)
			}
			if got := read(colleague, other) + read(colleague, app); got != `[]` {
				t.Errorf("%s: a refused request left %s", name, got)
			}
		}
		bulk().wantError(t, http.StatusBadRequest, "profiles must not be empty")
		machine := `{"profiles":[` + profile(user.id, app.number, `"by a machine"`) + `]}`
		c.post("/operator/profile/create-bulk", c.acme.machineToken, machine).want(t, http.StatusCreated)
		if got := read(user, app); got != `"by a machine"` {
			t.Errorf("a machine client wrote %s", got)
		}
	})
}

// A thousand profiles of as many pairs of user and application are made at once, and no more.
func TestSentinelProfilesOfAThousand(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const side = 32
	var people, numbers, many []string
	for n := range side {
		people = append(people, c.newUser(acme, fmt.Sprintf("one-of-many-%d", n)))
		numbers = append(numbers, c.newSentinelApp(acme, fmt.Sprintf("app-of-many-%d", n), "").number)
	}
	for n := range 1001 {
		many = append(many, fmt.Sprintf(`{"app_id":%s,"profile_data":%d,"user_id":%q}`, numbers[n%side], n, people[n/side]))
	}
	bulk := func(profiles []string) answer {
		return c.post("/operator/profile/create-bulk", c.acme.operator, `{"profiles":[`+strings.Join(profiles, ",")+`]}`)
	}
	read := func(n int) answer {
		return c.get("/operator/users/profile/"+people[n/side]+"/"+numbers[n%side], c.acme.operator)
	}
	if got := bulk(many).want(t, http.StatusBadRequest); !strings.Contains(got.body, "1000") {
		t.Errorf("too many: %s", got.body)
	}
	read(0).want(t, http.StatusNotFound)
	if got := bulk(many[:1000]).want(t, http.StatusCreated); numberText(t, got, "created") != "1000" {
		t.Errorf("as many as may be: %.200s", got.body)
	}
	for _, n := range []int{0, 499, 999} {
		if got := read(n).want(t, http.StatusOK); numberText(t, got, "profile_data") != fmt.Sprint(n) {
			t.Errorf("the profile %d of many is %s", n, got.body)
		}
	}
	read(1000).want(t, http.StatusNotFound)
}

func TestSentinelTokens(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		open, secret := c.newSentinelApp(acme, "open.app", `,"public":true`), c.newSentinelApp(acme, "secret.app", "")
		jane := c.acme.user
		for _, app := range []sentinelApp{open, secret} {
			for _, name := range []string{
				`"username":` + quote(jane.username), `"email":` + quote(jane.email), `"username":"","email":` + quote(jane.email),
			} {
				in := c.keyed("/auth/login", app.key, `{`+name+`,"password":`+quote(jane.password)+`}`).want(t, http.StatusOK)
				if in.text(t, "token") == "" || in.text(t, "token") != in.text(t, "access_token") || in.text(t, "token_type") != "Bearer" {
					t.Errorf("%s: got %s", name, in.body)
				}
				user := map[string]any{
					"UserID": jane.id, "Username": jane.username, "Email": jane.email, "Operator": false, "first_name": "", "last_name": "",
				}
				if diff := cmp.Diff(user, in.json(t)["user"]); diff != "" {
					t.Errorf("user, -want +got:\n%s", diff)
				}
				claims := claimsOf(t, in.text(t, "token"))
				if claims["client_id"] != app.id || claims["sub"] != jane.id || claims["Operator"] != nil {
					t.Errorf("the token says %v", claims)
				}
				verified := c.get("/auth/verify", in.text(t, "token")).want(t, http.StatusOK)
				if diff := cmp.Diff(map[string]any{"valid": true, "user": user}, verified.json(t)); diff != "" {
					t.Errorf("verified, -want +got:\n%s", diff)
				}
				again := c.keyed("/auth/refresh", app.key, `{"refresh_token":`+quote(in.text(t, "refresh_token"))+`}`).want(t, http.StatusOK)
				if again.text(t, "token") == in.text(t, "token") || again.text(t, "refresh_token") == in.text(t, "refresh_token") {
					t.Errorf("refreshed to %s", again.body)
				}
				c.get("/auth/logout", again.text(t, "token")).want(t, http.StatusOK)
				c.get("/auth/verify", again.text(t, "token")).wantError(t, http.StatusUnauthorized, "the access token is not valid")
				c.get("/user/profiles/"+app.number, again.text(t, "token")).want(t, http.StatusUnauthorized)
				got := c.keyed("/auth/refresh", app.key, `{"refresh_token":`+quote(again.text(t, "refresh_token"))+`}`)
				if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
					t.Errorf("after logging out a refresh is %d %s", got.status, got.body)
				}
			}
		}
		operator := c.get("/auth/verify", c.acme.operator).want(t, http.StatusOK).json(t)["user"].(map[string]any)
		if operator["Operator"] != true || operator["UserID"] != "" {
			t.Errorf("an operator's token is %v", operator)
		}
		reader := c.get("/auth/verify", c.acme.reader).want(t, http.StatusOK).json(t)["user"].(map[string]any)
		if reader["Operator"] != false {
			t.Errorf("a reader's token is %v", reader)
		}
		c.get("/auth/logout", c.acme.operator).want(t, http.StatusUnauthorized)
	})
}

func TestSentinelRegistration(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		closed := c.newSentinelApp(acme, "closed", "")
		open := c.newSentinelApp(acme, "open", `,"self_registration":true`)
		body := `{"user_info":{"username":"max","email":"max@acme.example","first_name":"Max","last_name":"Mustermann"},
			"password":"a password of max!"}`
		if got := c.keyed("/auth/register", closed.key, body); got.status != http.StatusForbidden {
			t.Errorf("a closed application registered: %d %s", got.status, got.body)
		}
		made := c.keyed("/auth/register", open.key, body).want(t, http.StatusCreated)
		user := made.json(t)["user"].(map[string]any)
		if user["Username"] != "max" || user["first_name"] != "Max" || user["last_name"] != "Mustermann" || user["Operator"] != false {
			t.Errorf("registered %s", made.body)
		}
		record := c.get("/api/user/max?org="+acme, c.acme.operator).want(t, http.StatusOK)
		if record.json(t)["email_verified"] != false || record.text(t, "id") != user["UserID"] {
			t.Errorf("the record is %s", record.body)
		}
		token := c.sentinelLogin(open, person{username: "max", password: "a password of max!"})
		c.createProfile(token, open.number, `{"a":1}`).want(t, http.StatusCreated)
		if got := c.keyed("/auth/register", open.key, strings.Replace(body, "max@", "maxine@", 1)); got.status != http.StatusConflict ||
			!strings.Contains(got.body, "username") {
			t.Errorf("the name twice: %d %s", got.status, got.body)
		}

		// Hashes of another system, in the names Sentinel has for them.
		for algorithm, hash := range map[string]string{ // of "secret"
			"bcrypt":    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
			"sha256":    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
			"md5":       "5ebe2294ecd0e0f08eab7690d2a6ee69",
			"sha1":      "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
			"md5-crypt": "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
		} {
			name := "from-" + algorithm
			imported := `{"user_info":{"username":"` + name + `","email":"","first_name":"","last_name":""},"password":"",
				"password_hash":"` + hash + `","hash_algorithm":"` + algorithm + `"}`
			for _, bearer := range []string{"", token, c.acme.reader, c.globex.operator} {
				c.send(http.MethodPost, "/auth/register", bearer, imported, "X-API-KEY", open.key).
					wantError(t, http.StatusForbidden, "password_hash: only with an operator's token in the Authorization header")
			}
			c.get("/api/user/"+name+"?org="+acme, c.acme.operator).want(t, http.StatusNotFound)
			c.send(http.MethodPost, "/auth/register", c.acme.operator, imported, "X-API-KEY", open.key).want(t, http.StatusCreated)
			c.sentinelLogin(open, person{username: name, password: "secret"})
		}
	})
}

func TestSentinelApplications(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		if got := c.get("/app/all", "").want(t, http.StatusOK); got.body != "[]" {
			t.Errorf("nothing is listed, but there is %s", got.body)
		}
		var keys []string
		for _, path := range []string{"/operator/app/register", "/operator/profile/register"} {
			made := c.post(path, c.acme.operator, `{"app":"Shop","description":"Sells things",
				"domains":["shop.example.com","http://localhost:3000"]}`).want(t, http.StatusCreated)
			got := made.json(t)
			id, key := made.text(t, "client_id"), made.text(t, "api_key")
			keys = append(keys, key)
			delete(got, "client_id")
			delete(got, "api_key")
			delete(got, "app_id")
			want := map[string]any{"app": "Shop", "description": "Sells things", "domains": []any{"shop.example.com", "http://localhost:3000"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("registered, -want +got:\n%s", diff)
			}
			record := c.get("/api/client/"+id+"?org="+acme, c.acme.operator).want(t, http.StatusOK)
			if numberText(t, record, "number") != numberText(t, made, "app_id") || record.json(t)["self_registration"] != false {
				t.Errorf("%s was made as %s", made.body, record.body)
			}
			token := c.sentinelLogin(sentinelApp{key: key}, c.acme.user)
			c.createProfile(token, numberText(t, made, "app_id"), `1`).want(t, http.StatusCreated)
		}
		listed := c.send(http.MethodGet, "/app/all", "", "", "X-API-KEY", keys[0]).want(t, http.StatusOK)
		if got := parsed[[]map[string]any](t, listed); len(got) != 2 || got[0]["app"] != "Shop" {
			t.Errorf("the directory is %s", listed.body)
		}
		if strings.Contains(listed.body, "key") || strings.Contains(listed.body, "client_id") {
			t.Errorf("the directory shows %s", listed.body)
		}
		if got := c.get("/app/all", "").want(t, http.StatusOK); got.body != "[]" {
			t.Errorf("the default organisation's directory is %s", got.body)
		}
		c.post("/operator/app/register", c.acme.operator, `{"description":"x"}`).wantError(t, http.StatusBadRequest, "app is required")
		for _, bearer := range []string{c.acme.reader, c.acme.machineToken} {
			c.post("/operator/app/register", bearer, `{"app":"x"}`).want(t, http.StatusForbidden)
		}
	})
}

// When everything else is known, reading and writing a profile asks Redis what the same does natively, and no more.
func TestSentinelAsksRedisWhatTheOwnAPIDoes(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	app := c.newSentinelApp(acme, "shop", "")
	token := c.sentinelLogin(app, c.acme.user)
	log := &commands{}
	b.Client.AddHook(log)
	asked := func(request func() answer) []string {
		request() // so that what can be remembered is
		if got := request(); got.status != http.StatusOK {
			t.Errorf("got %d %s", got.status, got.body)
		}
		before := len(log.all)
		request()
		return log.all[before:]
	}
	read := asked(func() answer { return c.get("/api/user/me/metadata?app=shop", token) })
	write := asked(func() answer { return c.put("/api/user/me/metadata/a?app=shop", token, `{"value":1}`) })
	if len(read) == 0 || len(write) != 1 {
		t.Fatalf("natively that is %q and %.300q", read, write)
	}
	if got := asked(func() answer { return c.get("/user/profiles/"+app.number, token) }); !slices.Equal(got, read) {
		t.Errorf("reading asks %q, natively %q", got, read)
	}
	path := "/operator/users/profile/acme-user-id/" + app.number
	if got := asked(func() answer { return c.get(path, c.acme.operator) }); !slices.Equal(got, read) {
		t.Errorf("reading as an operator asks %q, natively %q", got, read)
	}
	if got := asked(func() answer { return c.createProfile(token, app.number, `{"a":1}`) }); len(got) != 1 {
		t.Errorf("writing asks %.300q", got)
	}
}
