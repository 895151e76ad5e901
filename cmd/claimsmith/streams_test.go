package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const lines = "application/x-ndjson"

// stream posts lines and returns what came of each, by number, with "revision" and "id" left out, and the last line.
func (w *world) stream(target, bearer string, body ...string) (outcomes []string, sum string) {
	w.t.Helper()
	a := w.post(target, bearer, strings.Join(body, "\n"), "Content-Type", lines).want(w.t, http.StatusOK)
	for line := range strings.Lines(a.body) {
		var o struct {
			Line, Status int
			Code, Field  string
			Done         bool
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		if o.Done {
			sum = strings.TrimSpace(line)
			continue
		}
		outcomes = append(outcomes, strings.TrimSpace(fmt.Sprint(o.Line, o.Status, " ", o.Code, " ", o.Field)))
	}
	return outcomes, sum
}

func (w *world) wantStream(want, got []string) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.post("/api/group", adminToken, `{"slug":"staff"}`).want(t, http.StatusCreated)
	other := w.newUser("default", "other")

	// What is about one user happens in order, whatever he is called by; what is wrong with a line ends with it.
	outcomes, sum := w.stream("/api/metadata/bulk", adminToken,
		`{"user":"jane-id","set":[{"key":"n","value":1}]}`,
		`{"user":"jane","set":[{"key":"n","value":2}],"if_match":1}`,
		``,
		`{"user":"`+janeMail+`","set":[{"key":"n","value":3},{"key":"plan","value":"gold","profileClaim":true}],"groups":["staff"],"if_match":2}`,
		`{"user":"jane-id","set":[{"key":"n","value":4}],"if_match":2}`,
		`{"user":"nobody","delete":["n"]}`,
		`{"user":"`+other+`","set":[{"key":"n","value":"`+strings.Repeat("x", 5000)+`","profileClaim":true}]}`,
		`{"user":"`+other+`","groups":["nowhere"]}`,
		`{"user":"`+other+`","app":"login","set":[{"key":"n","value":5}]}`,
		`{"user":"`+other+`","app":"login","groups":[]}`,
		`{"user":"`+other+`"}`,
		`{"set":[]}`,
		`{"user":"jane-id","org":"acme","delete":["n"]}`,
		`{"user":"me","delete":["n"]}`,
		`{"user":"`+other+`","set":[],"if_match":0}`,
		`{"user":"`+other+`","replace":true}`,
	)
	w.wantStream([]string{
		"1 200", "2 200", "4 200", "5 412 precondition_failed", "6 404 not_found", "7 422 limit_exceeded", "8 400 invalid_request groups",
		"9 200", "10 400 invalid_request groups", "11 400 invalid_request", "12 400 invalid_request user", "13 400 invalid_request /org",
		"14 404 not_found", "15 200", "16 200",
	}, outcomes)
	if sum != `{"done":true,"lines":15,"succeeded":6,"failed":9}` {
		t.Error(sum)
	}
	if got := w.get("/api/user/jane/metadata", adminToken).body; got != `{"metadata":[{"key":"n","value":3,"profileClaim":false},{"key":"plan","value":"gold","profileClaim":true}]}` {
		t.Error(got)
	}
	if got := w.get("/api/user/jane/group", adminToken).body; !strings.Contains(got, `"staff"`) {
		t.Error(got)
	}

	// A dry run says the same and does nothing.
	before := w.get("/api/user/jane/metadata", adminToken)
	outcomes, _ = w.stream("/api/metadata/bulk?dry_run=true", adminToken,
		`{"user":"jane-id","set":[{"key":"n","value":9}],"if_match":3}`, `{"user":"jane-id","delete":["n"],"if_match":4}`,
		`{"user":"jane-id","replace":true,"groups":[]}`)
	w.wantStream([]string{"1 200", "2 412 precondition_failed", "3 200"}, outcomes)
	same(t, "after a dry run", w.get("/api/user/jane/metadata", adminToken), before)
}

func TestImport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.post("/api/group", adminToken, `{"slug":"staff"}`).want(t, http.StatusCreated)
	hash := hashOf(t, "a password of maria")
	maria := `{"id":"maria-id","username":"maria","email":"maria@example.com","email_verified":true,"password_hash":` + quote(hash) +
		`,"profile":{"name":"María"},"metadata":[{"key":"plan","value":"gold","profileClaim":true},{"key":"n","value":9007199254740993}],"groups":["staff"]}`
	nobody := `{"metadata":[{"key":"n","value":1}]}`
	body := []string{
		maria,
		nobody,
		`{"username":"jane"}`,
		`{"email":"` + janeMail + `","email_verified":true}`,
		`{"id":"jane-id"}`,
		`{"username":"a"}`,
		`{"username":"a","disabled":true}`,
		`{"username":"b","password_hash":"md5:x"}`,
		`{"username":"b","password":"short"}`,
		`{"username":"b","password":"a password!","password_hash":` + quote(hash) + `}`,
		`{"username":"b","metadata":[{"key":"Plan","value":1,"profileClaim":true},{"key":"plan","value":1,"profileClaim":true}]}`,
		`{"username":"b","metadata":[{"key":"plan","value":"` + strings.Repeat("x", 5000) + `","profileClaim":true}]}`,
		`{"username":"b","metadata":[{"key":"sub/x","value":1,"profileClaim":true}]}`,
		`{"username":"b","groups":["nowhere"]}`,
		`{"username":"b","role":"operator"}`,
		`{"username":"b","orgs":["acme"]}`,
		`{"username":"b","username":"c"}`,
		`{"username":"b","temporary":true}`,
		`{"id":"export"}`,
		`{"username":"export"}`,
	}
	want := []string{
		"1 200", "2 200", "3 409 conflict username", "4 409 conflict email", "5 409 conflict id", "6 200", "7 409 conflict username",
		"8 400 invalid_request password_hash", "9 400 invalid_request password", "10 400 invalid_request password_hash", "11 409 conflict Plan",
		"12 422 limit_exceeded", "13 400 invalid_request sub/x", "14 400 invalid_request groups", "15 400 invalid_request /role",
		"16 400 invalid_request /orgs", "17 400 invalid_request /username", "18 400 invalid_request temporary", "19 400 invalid_request id",
		"20 400 invalid_request username",
	}
	// In a dry run nobody of the lines before is there yet.
	dry := append([]string{}, want...)
	dry[6] = "7 200"
	count := func() int { return strings.Count(w.get("/api/user?limit=200", adminToken).body, `"id":`) }
	users := count()
	outcomes, _ := w.stream("/api/user/import?dry_run=true", adminToken, body...)
	w.wantStream(dry, outcomes)
	if got := count(); got != users {
		t.Errorf("the dry run made %d users", got-users)
	}
	outcomes, sum := w.stream("/api/user/import", adminToken, body...)
	w.wantStream(want, outcomes)
	if sum != `{"done":true,"lines":20,"succeeded":3,"failed":17}` {
		t.Error(sum)
	}
	if got := count(); got != users+3 {
		t.Errorf("%d users were made, want 3", got-users)
	}
	// He is all that the line says.
	if got := w.get("/api/user/maria/metadata", adminToken).body; got != `{"metadata":[{"key":"n","value":9007199254740993,"profileClaim":false},{"key":"plan","value":"gold","profileClaim":true}]}` {
		t.Error(got)
	}
	if got := w.get("/api/user/maria/group", adminToken).body; !strings.Contains(got, `"staff"`) {
		t.Error(got)
	}
	login := w.try("maria", "a password of maria", "").want(t, http.StatusOK)
	if got := claimsOf(t, login.text(t, "access_token"))["metadata_plan"]; got != "gold" {
		t.Errorf("metadata_plan is %v", got)
	}
	// The same lines again are the same users, as they are now.
	w.put("/api/user/maria/metadata/plan", adminToken, `{"value":"silver","profileClaim":true}`).want(t, http.StatusOK)
	outcomes, _ = w.stream("/api/user/import", adminToken, maria, nobody, strings.ReplaceAll(maria, "María", "Maria"), `{"id":"maria","username":"x"}`)
	w.wantStream([]string{"1 200", "2 200", "3 409 conflict id", "4 409 conflict id"}, outcomes)
	if got := count(); got != users+3 {
		t.Errorf("%d users are there, want 3", got-users)
	}
	if got := w.get("/api/user/maria/metadata/plan", adminToken).text(t, "value"); got != "silver" {
		t.Errorf("the plan is %q again", got)
	}
}

// What export writes, import reads: into an organisation of another installation it makes the same users.
func TestExportIsWhatImportReads(t *testing.T) {
	t.Parallel()
	from, to := newWorld(t, redistest.Embedded(t).Client), newWorld(t, redistest.Embedded(t).Client)
	for _, w := range []*world{from, to} {
		w.post("/api/org", adminToken, `{"slug":"acme"}`).want(t, http.StatusCreated)
		for _, slug := range []string{"staff", "night-shift"} {
			w.post("/api/group?org=acme", adminToken, `{"slug":"`+slug+`"}`).want(t, http.StatusCreated)
		}
	}
	body := make([]string, 300)
	for n := range body {
		body[n] = fmt.Sprintf(`{"username":"user%d","email":"u%d@example.com","email_verified":%t,"disabled":%t,"password_hash":%s,"groups":["staff","night-shift"],
			"profile":{"name":"Üser \"%d\"","address":{"locality":"Graz"}},"biography":`+biographyOfMany+`,"metadata":[{"key":"n","value":%d},{"key":"t","value":"aA\r\n=1","profileClaim":true}]}`,
			n, n, n%2 == 0, n%3 == 0, quote(hashOf(t, "a password of many")), n, n)
		body[n] = strings.ReplaceAll(body[n], "\n", "")
	}
	if _, sum := from.stream("/api/user/import?org=acme", adminToken, body...); sum != `{"done":true,"lines":300,"succeeded":300,"failed":0}` {
		t.Fatal(sum)
	}
	exported := from.get("/api/user/export?org=acme&secrets=true", adminToken).want(t, http.StatusOK).body
	if _, sum := to.stream("/api/user/import?org=acme", adminToken, exported); sum != `{"done":true,"lines":300,"succeeded":300,"failed":0}` {
		t.Fatal(sum)
	}
	again := to.get("/api/user/export?org=acme&secrets=true", adminToken).want(t, http.StatusOK).body
	if diff := cmp.Diff(strings.Split(exported, "\n"), strings.Split(again, "\n")); diff != "" {
		t.Errorf("what was imported is exported otherwise:\n%s", diff)
	}
	if plain := from.get("/api/user/export?org=acme", adminToken).body; strings.Contains(plain, "password_hash") || strings.Count(plain, "\n") != 300 {
		t.Errorf("without secrets: %.300s", plain)
	}
	first, _, _ := strings.Cut(exported, "\n")
	if !strings.Contains(first, `"value":"aA\r\n=1"`) || !strings.Contains(first, `"groups":["`) || !strings.Contains(first, `"biography":`+biographyOfMany) {
		t.Error(first)
	}
	for biography, want := range map[string]string{
		`{"bio":"` + strings.Repeat("x", 301) + `"}`: "biography/bio", `{"picture":"x"}`: "/biography/picture", `{"privacy":"nobody"}`: "biography/privacy",
		`{"links":[{"platform":"x","url":"javascript:alert(1)"}]}`: "biography/links",
	} {
		for _, target := range []string{"/api/user/import?org=acme", "/api/user/import?org=acme&dry_run=true"} {
			lines, _ := to.stream(target, adminToken, `{"username":"bad","biography":`+biography+`}`)
			to.wantStream([]string{"1 400 invalid_request " + want}, lines)
		}
	}
}

// biographyOfMany has every member of a biography, in the order export writes them in.
const biographyOfMany = `{"title":"Ünt","bio":"a\r\n=1","level_of_education":"m","goals":"go","languages":["de","en"],` +
	`"links":[{"platform":"linkedin","url":"https://www.linkedin.com/in/a"},{"platform":"x","url":"https://www.x.com/a"}],` +
	`"extended":[{"name":"company","value":"Acme"}],"privacy":"custom","shown":["bio"]}`

// Who could become somebody by guessing his password does not get its hash.
func TestHashesAreExportedToThoseWhoManage(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/acme-other-id/role?org=acme", adminToken, `{"role":"admin"}`).want(t, http.StatusOK)
	body := c.get("/api/user/export?secrets=true", c.acme.operator).want(t, http.StatusOK).body
	for line := range strings.Lines(body) {
		hashed, mine := strings.Contains(line, `"password_hash"`), strings.Contains(line, `"id":"acme-user-id"`)
		if hashed != mine {
			t.Errorf("the operator gets %s", line)
		}
	}
	if n := strings.Count(body, "\n"); n != 3 { // sam, at home elsewhere, too
		t.Errorf("there are %d users", n)
	}
	if all := c.get("/api/user/export?secrets=true&org=acme", adminToken).body; strings.Count(all, "password_hash") != 3 {
		t.Errorf("the administrator gets %s", all)
	}
	for bearer, want := range map[string]int{c.acme.reader: 403, c.acme.machineToken: 403, c.globex.operator: 404, c.acme.plainToken: 401} {
		c.get("/api/user/export?org=acme&secrets=true", bearer).want(t, want)
	}
	c.get("/api/user/export?org=acme", c.acme.reader).want(t, http.StatusOK)
	c.get("/api/user/export?org=acme&secrets=yes", adminToken).want(t, http.StatusBadRequest)
}

func TestListsCarryMetadata(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/metadata-key/secret?org=acme", adminToken, `{"read":"operator","claim":"never"}`).want(t, http.StatusCreated)
	c.put("/api/metadata-key/plan?org=acme", adminToken, `{"searchable":true}`)
	c.patch("/api/user/acme-user-id/metadata?org=acme", adminToken, `{"set":[{"key":"plan","value":"gold"},{"key":"secret","value":"hidden"}]}`).want(t, http.StatusOK)
	for _, ask := range []func(bearer string) answer{
		func(bearer string) answer { return c.get("/api/user?org=acme&metadata=true", bearer) },
		func(bearer string) answer {
			return c.post("/api/user/search?org=acme", bearer, `{"where":{"key":"plan","equals":"gold"},"metadata":true}`)
		},
		func(bearer string) answer { return c.get("/api/user/export?org=acme", bearer) },
	} {
		for bearer, secret := range map[string]bool{c.acme.operator: true, c.acme.machineToken: true, c.acme.reader: false} {
			a := ask(bearer).want(t, http.StatusOK)
			if !strings.Contains(a.body, `"gold"`) || strings.Contains(a.body, "hidden") != secret {
				t.Errorf("%t: %s", secret, a.body)
			}
		}
	}
	if a := c.get("/api/user?org=acme", c.acme.operator); strings.Contains(a.body, "metadata") {
		t.Error(a.body)
	}
	found := c.post("/api/user/search?org=acme", c.acme.operator, `{"where":{"any":[{"handle":"acme-o"},{"all":[{"key":"plan","prefix":"go"},{"not":{"handle":"x"}}]}]}}`).want(t, http.StatusOK)
	if strings.Count(found.body, `"id"`) != 2 {
		t.Error(found.body)
	}
	for body, field := range map[string]string{
		`{}`: "where", `{"where":{}}`: "/where", `{"where":{"handle":"a","group":"b"}}`: "/where", `{"where":{"key":"plan"}}`: "/where",
		`{"where":{"key":"plan","equals":1,"exists":true}}`: "/where", `{"where":{"key":"plan","exists":false}}`: "/where", `{"where":{"prefix":"a"}}`: "/where",
		`{"where":{"all":[{"handle":"a"},{"not":{}}]}}`: "/where/all/1/not", `{"where":{"key":"theme","exists":true}}`: "theme",
		`{"where":{"group":"nowhere"}}`: "group", `{"where":{"handle":"a"},"limit":0}`: "limit", `{"where":{"handle":"a"},"cursor":"x"}`: "cursor",
	} {
		a := c.post("/api/user/search?org=acme", c.acme.operator, body).want(t, http.StatusBadRequest)
		if errors, _ := a.json(t)["errors"].(map[string]any); errors[field] == nil {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}
