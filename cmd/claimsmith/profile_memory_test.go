package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Where memories are, of acme's user and of one of his assistants.
const (
	memoryBase  = "/dm/api/ai-mentor/orgs/acme"
	memoryOf    = memoryBase + "/users/acme-user"
	memoriesOf  = memoryOf + "/mentors/tutor/mentor-memories/"
	memoryList  = memoryOf + "/mentors/tutor/mentor-memories-list/"
	categoryOf  = memoryBase + "/mentors/tutor/memory-categories/"
	globalsOf   = memoryOf + "/global-memories/"
	flagsOf     = memoryOf + "/memsearch-settings/"
	factsOf     = memoryOf + "/ai-user-profile-memory/"
	aMemory     = `{"category_slug":"preferences","content":"Likes examples."}`
	aGlobal     = `{"content":"Plays the organ."}`
	aFact       = `{"tag":"language","detail":"Italian"}`
	notAllowed  = `{"detail":"You do not have permission to perform this action."}`
	notToBeSeen = `{"detail":"Not found."}`
)

// idOf is the id in an answer.
func idOf(t testing.TB, a answer) string {
	t.Helper()
	return fmt.Sprint(a.want(t, http.StatusCreated).json(t)["id"])
}

// memories is all there is of a person's in acme.
func (c *cast) memories(user string) string {
	c.t.Helper()
	var all strings.Builder
	for _, target := range []string{memoriesOf, globalsOf, flagsOf, factsOf} {
		all.WriteString(c.get(strings.Replace(target, "acme-user", user, 1), adminToken).want(c.t, http.StatusOK).body + "\n")
	}
	return all.String() + c.get(categoryOf, adminToken).want(c.t, http.StatusOK).body
}

// fill gives a person one of everything.
func (c *cast) fill(user string) {
	c.t.Helper()
	for target, body := range map[string]string{memoriesOf: aMemory, globalsOf: aGlobal, factsOf: aFact} {
		if a := c.post(strings.Replace(target, "acme-user", user, 1), adminToken, body); a.status/100 != 2 {
			c.t.Fatalf("%s: %d %s", target, a.status, a.body)
		}
	}
	c.put(strings.Replace(flagsOf, "acme-user", user, 1), adminToken, `{"use_memory_in_responses":true}`).want(c.t, http.StatusOK)
}

// What is remembered of a person is his own: to other people nobody exists, to other organisations nothing (rows ).
func TestMemoriesAreOnesOwn(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, user := range []string{"acme-user", "acme-other", "sam"} {
		c.fill(user)
	}
	var before []string
	for _, user := range []string{"acme-user", "acme-other", "sam"} {
		before = append(before, c.memories(user))
	}
	requests := [][3]string{
		{"GET", memoriesOf, ""}, {"POST", memoriesOf, aMemory}, {"PATCH", memoriesOf + "1", aMemory}, {"DELETE", memoriesOf + "1", ""},
		{"GET", memoryList, ""}, {"GET", globalsOf, ""}, {"POST", globalsOf, aGlobal}, {"DELETE", globalsOf + "2", ""},
		{"GET", flagsOf, ""}, {"PUT", flagsOf, `{"auto_capture_enabled":true}`}, {"GET", factsOf, ""}, {"POST", factsOf, aFact},
		{"DELETE", factsOf + "language", ""},
	}
	refused := func(who, user, org, bearer string, status int, body string) {
		t.Helper()
		for _, r := range requests {
			target := strings.Replace(strings.Replace(r[1], "acme-user", user, 1), "/acme/", "/"+org+"/", 1)
			if a := c.send(r[0], target, bearer, r[2]); a.status != status || a.body != body {
				t.Errorf("%s: %s %s: %d %s", who, r[0], target, a.status, a.body)
			}
		}
	}
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, other := range []string{"acme-other", "acme-other-id", "acme-other@acme.example", "sam", "globex-user", "nobody", "%20"} {
		refused("a user", other, acme, token, http.StatusForbidden, notAllowed)
	}
	for _, other := range []string{"globex-user", "globex-user-id", "jane", "nobody", "me"} {
		refused("an operator", other, acme, c.acme.operator, http.StatusNotFound, notToBeSeen)
		refused("a machine", other, acme, c.acme.machineToken, http.StatusNotFound, notToBeSeen)
	}
	shared := c.loginAs(c.shared, "").text(t, "access_token") // in globex
	for who, bearer := range map[string]string{
		"an operator": c.globex.operator, "a reader": c.globex.reader, "a machine": c.globex.machineToken, "a member elsewhere": shared,
		"a user": c.loginAs(c.globex.user, "").text(t, "access_token"),
	} {
		for _, user := range []string{"acme-user", "sam", "me", "nobody"} {
			refused(who+" of globex", user, acme, bearer, http.StatusNotFound, notToBeSeen)
		}
		c.get(categoryOf, bearer).want(t, http.StatusNotFound)
		c.post(categoryOf, bearer, `{"name":"x","slug":"x"}`).want(t, http.StatusNotFound)
	}
	for _, org := range []string{"nowhere", "ACME", "a%2Fb", "%20", "acme%2E"} {
		refused("an administrator", "acme-user", org, adminToken, http.StatusNotFound, notToBeSeen)
		c.get(strings.Replace(categoryOf, "/acme/", "/"+org+"/", 1), adminToken).want(t, http.StatusNotFound)
	}
	c.post(categoryOf, token, `{"name":"x","slug":"x"}`).want(t, http.StatusForbidden)
	c.patch(categoryOf+"1", token, `{"name":"x"}`).want(t, http.StatusForbidden)
	for n, user := range []string{"acme-user", "acme-other", "sam"} {
		if after := c.memories(user); after != before[n] {
			t.Errorf("%s had\n%s\nand has\n%s", user, before[n], after)
		}
	}
	// A reader sees and changes nothing; ids are of one person and one mentor.
	for _, r := range requests {
		if a := c.send(r[0], r[1], c.acme.reader, r[2]); (a.status == http.StatusOK) != (r[0] == "GET") || a.status != 200 && a.status != 403 {
			t.Errorf("a reader: %s %s: %d", r[0], r[1], a.status)
		}
	}
	for _, target := range []string{
		strings.Replace(memoriesOf, "tutor", "coach", 1) + "1", globalsOf + "1", memoriesOf + "2", memoriesOf + "99", memoriesOf + "x",
		memoriesOf + "-1", memoriesOf + "1.0", memoriesOf + "18446744073709551616", memoriesOf + "0", factsOf + "Language",
	} {
		c.delete(target, token).want(t, http.StatusNotFound)
	}
}

// A flag that an operator laid down as a claim is in the next token after the person has set it here (row M-01).
func TestMemoryFlagsAsClaims(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		const key = "/api/metadata-key/use_memory_in_responses?org=acme"
		c.put(key, c.acme.operator, `{"type":"boolean","claim":"always","write":"self"}`).want(t, http.StatusCreated)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		if a := c.get(flagsOf, token).want(t, http.StatusOK); a.json(t)["use_memory_in_responses"] != false {
			t.Errorf("at first: %s", a.body)
		}
		c.put(flagsOf, token, `{"use_memory_in_responses":true}`).want(t, http.StatusOK)
		if now := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")); now["metadata_use_memory_in_responses"] != true ||
			now["metadata_auto_capture_enabled"] != nil {
			t.Errorf("claims: %v", now)
		}
		c.put(flagsOf, token, `{"use_memory_in_responses":false,"auto_capture_enabled":true}`).want(t, http.StatusOK)
		if now := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")); now["metadata_use_memory_in_responses"] != false {
			t.Errorf("claims: %v", now)
		}
		if got := entriesOfObject(t, c.platform("GET", "", token, "")); got != `{"auto_capture_enabled":true,"use_memory_in_responses":false}` {
			t.Errorf("entries: %s", got)
		}
	})
}

// What an operator marked stays marked and is only his to change; what is no boolean is no yes.
func TestMemoryFlagsOfOperators(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.put("/api/user/acme-user-id/metadata", c.acme.operator, `{"metadata":[{"key":"use_memory_in_responses","value":true,"profileClaim":true},
		{"key":"auto_capture_enabled","value":"yes"}]}`).want(t, http.StatusOK)
	a := c.get(flagsOf, token).want(t, http.StatusOK).json(t)
	if a["use_memory_in_responses"] != true || a["auto_capture_enabled"] != false {
		t.Errorf("%v", a)
	}
	for _, body := range []string{`{"use_memory_in_responses":false}`, `{"use_memory_in_responses":false,"auto_capture_enabled":true}`} {
		if a := c.put(flagsOf, token, body).want(t, http.StatusForbidden); !strings.Contains(a.body, "use_memory_in_responses") {
			t.Errorf("%s", a.body)
		}
	}
	c.put(flagsOf, c.acme.operator, `{"use_memory_in_responses":false}`).want(t, http.StatusOK)
	if now := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")); now["metadata_use_memory_in_responses"] != false {
		t.Errorf("claims: %v", now)
	}
	c.put("/api/metadata-key/auto_capture_enabled?org=globex", c.globex.operator, `{"type":"string"}`).want(t, http.StatusCreated)
	of := strings.NewReplacer("/acme/", "/globex/", "acme-user", "globex-user").Replace(flagsOf)
	if a := c.put(of, c.globex.operator, `{"auto_capture_enabled":true}`).want(t, http.StatusBadRequest); !strings.Contains(a.body, `{"auto_capture_enabled":["`) {
		t.Errorf("%s", a.body)
	}
}

// The age of the flags is that of the user, and then of the last change.
func TestTimesOfMemoryFlags(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	at := func() string { return c.clock.Now().Format("2006-01-02T15:04:05.000000Z") }
	created := at()
	pass(time.Minute, c.world)
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	if a := c.get(flagsOf, token); a.text(t, "updated_at") != created {
		t.Errorf("%s, created at %s", a.body, created)
	}
	if a := c.put(flagsOf, token, `{"auto_capture_enabled":false}`); a.text(t, "updated_at") != at() {
		t.Errorf("%s at %s", a.body, at())
	}
	pass(time.Second, c.world)
	if a := c.put(flagsOf, token, `{"use_memory_in_responses":true}`); a.text(t, "updated_at") != at() {
		t.Errorf("%s at %s", a.body, at())
	}
}

// What is inactive takes nothing new, keeps what it has, and comes back; the first five are what they are (CONTRACTS 2.7).
func TestMemoryCategories(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		slugs := func(target string) (all []string) {
			t.Helper()
			for _, v := range c.get(target, token).want(t, http.StatusOK).json(t)["results"].([]any) {
				m := v.(map[string]any)
				all = append(all, fmt.Sprintf("%v:%v:%v", m["id"], m["slug"], m["is_active"]))
			}
			return all
		}
		first := []string{"1:knowledge_gaps:true", "2:learning_goals:true", "3:preferences:true", "4:progress_milestones:true", "5:personal_context:true"}
		if got := slugs(categoryOf); !slices.Equal(got, first) {
			t.Errorf("%v", got)
		}
		id := idOf(t, c.post(categoryOf, c.acme.operator, `{"name":"Projects","slug":"projects","id":1}`))
		if id != "101" {
			t.Errorf("the first one of an organisation has id %s", id)
		}
		for _, slug := range []string{"projects", "preferences"} {
			a := c.post(categoryOf, c.acme.operator, `{"name":"x","slug":"`+slug+`"}`).want(t, http.StatusConflict)
			c.patch(categoryOf+idOf(t, c.post(categoryOf, c.acme.operator, `{"name":"x","slug":"x-`+slug+`"}`)), c.acme.operator, `{"slug":"`+slug+`"}`).
				want(t, http.StatusConflict)
			if !strings.HasPrefix(a.body, `{"slug":["`) {
				t.Errorf("%s", a.body)
			}
		}
		other := strings.Replace(categoryOf, "tutor", "coach", 1)
		c.post(other, c.acme.operator, `{"name":"Projects","slug":"projects"}`).want(t, http.StatusCreated)
		c.patch(other+id, c.acme.operator, `{"name":"x"}`).want(t, http.StatusNotFound)

		kept := idOf(t, c.post(memoriesOf, token, `{"category_slug":"projects","content":"A boat."}`))
		gap := idOf(t, c.post(memoriesOf, token, `{"category_slug":"knowledge_gaps","content":"Knots."}`))
		for _, category := range []string{id, "1"} {
			c.delete(categoryOf+category, c.acme.operator).want(t, http.StatusNoContent)
			c.delete(categoryOf+category, c.acme.operator).want(t, http.StatusNoContent)
		}
		if got := slugs(categoryOf); got[0] != "1:knowledge_gaps:false" || !slices.Contains(got, "101:projects:false") {
			t.Errorf("%v", got)
		}
		if got := slugs(other); got[0] != first[0] || len(got) != 6 {
			t.Errorf("of the other mentor: %v", got)
		}
		for _, slug := range []string{"projects", "knowledge_gaps", "nothing"} {
			body := `{"category_slug":"` + slug + `","content":"More."}`
			if a := c.post(memoriesOf, token, body).want(t, http.StatusBadRequest); !strings.HasPrefix(a.body, `{"category_slug":["`) {
				t.Errorf("%s", a.body)
			}
		}
		c.patch(memoriesOf+gap, token, `{"category_slug":"projects"}`).want(t, http.StatusBadRequest)
		c.patch(memoriesOf+kept, token, `{"category_slug":"projects","content":"A large boat."}`).want(t, http.StatusOK)
		c.patch(memoriesOf+kept, token, `{}`).want(t, http.StatusBadRequest)

		c.patch(categoryOf+"1", c.acme.operator, `{"slug":"gaps"}`).want(t, http.StatusBadRequest)
		c.patch(categoryOf+"1", c.acme.operator, `{"name":"Gaps","slug":"knowledge_gaps","is_active":true}`).want(t, http.StatusOK)
		a := c.patch(categoryOf+id, c.acme.operator, `{"is_active":true,"slug":"plans"}`).want(t, http.StatusOK)
		if a.body != `{"id":101,"name":"Projects","slug":"plans","description":"","extraction_prompt":"","is_active":true}` {
			t.Errorf("%s", a.body)
		}
		shown := c.patch(memoriesOf+gap, token, `{"category_slug":"plans"}`).want(t, http.StatusOK)
		if !strings.Contains(shown.body, `"agent":"tutor","category":{"id":101,"name":"Projects","slug":"plans"},"content":"Knots."`) {
			t.Errorf("%s", shown.body)
		}
	})
}

// Pages name the pages beside them below the issuer, whatever host was asked, and keep what else was asked (CONTRACTS 2.7).
func TestPagesOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const many = 7
	for n := range many {
		slug := []string{"preferences", "learning_goals"}[n%2]
		c.post(memoriesOf, c.acme.operator, fmt.Sprintf(`{"category_slug":%q,"content":"Number %d."}`, slug, n)).want(t, http.StatusCreated)
		pass(24*time.Hour, c.world)
	}
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.post(strings.Replace(memoriesOf, "tutor", "coach", 1), token, aMemory).want(t, http.StatusCreated)
	var contents []string
	var addresses []string
	for next := memoryList + "?page_size=3&zz=1"; next != ""; {
		a := c.get(next, token, "Host", "evil.example", "X-Forwarded-Host", "evil.example").want(t, http.StatusOK).json(t)
		if fmt.Sprint(a["count"]) != fmt.Sprint(many) {
			t.Errorf("%v", a)
		}
		for _, v := range a["results"].([]any) {
			contents = append(contents, v.(map[string]any)["content"].(string))
		}
		next, _ = a["next"].(string)
		previous, _ := a["previous"].(string)
		addresses = append(addresses, previous, next)
		rest, below := strings.CutPrefix(next, testIssuer)
		if next != "" && !below {
			t.Fatalf("%s", next)
		}
		next = rest
	}
	at := testIssuer + memoryList + "?page="
	if want := []string{"", at + "2&page_size=3&zz=1", at + "1&page_size=3&zz=1", at + "3&page_size=3&zz=1", at + "2&page_size=3&zz=1", ""}; !slices.Equal(addresses, want) {
		t.Errorf("%q, want %q", addresses, want)
	}
	if len(contents) != many || contents[0] != "Number 6." || contents[6] != "Number 0." {
		t.Errorf("%q", contents)
	}
	number, err := c.app.users.Number(t.Context(), "acme-user-id")
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) string { return c.clock.Now().AddDate(0, 0, n-many).Format(time.DateOnly) }
	for query, want := range map[string]int{
		"": many, "?page_size=1000": many, "?category=preferences": 4, "?category=PREFERENCES": 0, "?start_date=" + day(2): 5, "?end_date=" + day(2): 3,
		"?start_date=" + day(2) + "&end_date=" + day(2): 1, "?start_date=" + day(1) + "&end_date=" + day(4) + "&category=preferences": 2,
		"?my_memory=true": many, "?my_memory=false": many, "?email=ACME-user@acme.example": many, "?email=acme-other@acme.example": 0,
		"?user_id=acme-user-id": many, "?user_id=acme-user": many, "?user_id=acme-other-id": 0, fmt.Sprint("?user_id=", number): many, fmt.Sprint("?user_id=", number+1): 0, "?user_id=999999": 0, "?user_id=%00": 0,
		"?content=nothing&session_id=x": many, "?category=": many,
	} {
		a := c.get(memoryList+query, token).want(t, http.StatusOK)
		if fmt.Sprint(a.json(t)["count"]) != fmt.Sprint(want) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	if a := c.get(memoryList+"?my_memory=true", c.acme.operator).want(t, http.StatusOK); fmt.Sprint(a.json(t)["count"]) != "0" {
		t.Errorf("an operator's own: %s", a.body)
	}
	for query, status := range map[string]int{
		"?page=0": 400, "?page=-1": 400, "?page=x": 400, "?page=1.0": 400, "?page=2147483648": 400, "?page_size=0": 400, "?page_size=x": 400, "?page=2": 404,
		"?page=2147483647&page_size=100": 404, "?start_date=2026-1-1": 400, "?end_date=yesterday": 400, "?start_date=2026-02-30": 400, "?my_memory=maybe": 400,
		"?page=1&page=2": 400, "?page=%FF": 400,
	} {
		c.get(memoryList+query, token).want(t, status)
	}
	groups := c.get(memoriesOf, token).want(t, http.StatusOK)
	var all []struct {
		Category struct{ Slug string }
		Count    int
		Memories []json.RawMessage
	}
	if err := json.Unmarshal([]byte(groups.body), &all); err != nil || len(all) != 2 || all[0].Category.Slug != "preferences" || all[0].Count != 4 ||
		len(all[0].Memories) != 4 || all[1].Count != 3 {
		t.Errorf("%s", groups.body)
	}
}

// Memories of no mentor are found by what they say, and where it was said.
func TestGlobalMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.post(globalsOf, token, `{"content":"Plays the Organ.","session_id":"s1"}`).want(t, http.StatusCreated)
	second := idOf(t, c.post(globalsOf, token, `{"content":"Is a baker.","is_auto_generated":true,"id":77}`))
	for query, want := range map[string]string{
		"": "2", "?content=organ": "1", "?content=%": "400", "?content=%25": "0", "?session_id=s1": "1", "?session_id=s1&content=baker": "0",
		"?category=preferences": "2", "?end_date=2000-01-01": "0",
	} {
		a := c.get(globalsOf+query, token)
		if want == "400" {
			a.want(t, http.StatusBadRequest)
		} else if fmt.Sprint(a.want(t, http.StatusOK).json(t)["count"]) != want {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	c.delete(globalsOf+second, token).want(t, http.StatusNoContent)
	c.delete(globalsOf+second, token).want(t, http.StatusNotFound)
	if a := c.get(globalsOf, token); strings.Contains(a.body, "baker") || strings.Contains(a.body, `"is_auto_generated":true`) {
		t.Errorf("%s", a.body)
	}
}

// Facts come in two forms and are one for each tag.
func TestFacts(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, body := range []string{
		`{"tag":"b","detail":"1"}`, `{"a/b c%\u00e9":"2"}`, `{"b":"3"}`, `{"tag":"tag","detail":"4","more":true}`, `{"..a":"5"}`,
	} {
		c.post(factsOf, token, body).want(t, http.StatusOK)
	}
	const all = `[{"tag":"..a","detail":"5"},{"tag":"a/b c%é","detail":"2"},{"tag":"b","detail":"3"},{"tag":"tag","detail":"4"}]`
	if a := c.get(factsOf, token); a.body != all {
		t.Errorf("%s", a.body)
	}
	for body, want := range map[string]string{
		`{}`:                     `{"detail":["This field is required."],"tag":["This field is required."]}`,
		`{"a":"1","b":"2"}`:      `{"detail":["This field is required."],"tag":["This field is required."]}`,
		`{"tag":"a"}`:            `{"detail":["This field is required."]}`,
		`{"detail":"a"}`:         `{"tag":["This field is required."]}`,
		`{"a":1}`:                `{"a":["Not a valid string."]}`,
		`{"a":{"b":"c"}}`:        `{"a":["Not a valid string."]}`,
		`{"a":" "}`:              `{"detail":["This field may not be blank."]}`,
		`{"..":"a"}`:             `{"tag":["A tag has no control characters and is not made of dots alone."]}`,
		`{"a\nb":"a"}`:           `{"tag":["A tag has no control characters and is not made of dots alone."]}`,
		`{"tag":"","detail":""}`: `{"detail":["This field may not be blank."],"tag":["This field may not be blank."]}`,
	} {
		if a := c.post(factsOf, token, body); a.status != http.StatusBadRequest || a.body != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for _, tag := range []string{"a%2Fb%20c%25%C3%A9", "b", "tag", "..a"} {
		c.delete(factsOf+tag, token).want(t, http.StatusNoContent)
	}
	if a := c.get(factsOf, token); a.body != `[]` {
		t.Errorf("%s", a.body)
	}
}

// Of many who set one fact at a time one is the last, and nobody fails.
func TestParallelFacts(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		second := &cast{world: c.again()}
		const many = 6
		answers := together(many, func(n int) answer {
			w := []*world{c.world, second.world}[n%2]
			return w.post(factsOf, c.acme.operator, fmt.Sprintf(`{"color":"%d"}`, n))
		})
		counts := tally(answers)
		if counts[http.StatusOK] != many {
			t.Errorf("%v", counts)
		}
		if a := c.get(factsOf, c.acme.operator); strings.Count(a.body, `"tag"`) != 1 {
			t.Errorf("%s", a.body)
		}
	})
}

// What is remembered of a person in an organisation goes with him.
func TestMemoriesAreErased(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.fill("acme-user")
	c.delete("/api/user/acme-user-id?org=acme", adminToken).want(t, http.StatusNoContent)
	c.get(globalsOf, adminToken).want(t, http.StatusNotFound)
	if all := c.dump(c.backend()); strings.Contains(all, "Plays the organ") || strings.Contains(all, "Italian") || strings.Contains(all, "Likes examples") {
		t.Error("something is left")
	}
}

// Every change leaves an event that names the person and holds nothing of what was said (row P-02).
func TestAuditOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	id := idOf(t, c.post(memoriesOf, token, aMemory))
	c.patch(memoriesOf+id, token, `{"content":"Likes sketches."}`).want(t, http.StatusOK)
	c.delete(memoriesOf+id, token).want(t, http.StatusNoContent)
	c.post(memoriesOf, c.acme.reader, aMemory).want(t, http.StatusForbidden)
	c.delete(categoryOf+"3", c.acme.operator).want(t, http.StatusNoContent)
	log := c.log.String()
	for _, event := range []string{
		`"action":"memory.create","outcome":"success","actor":"user:acme-user-id","org":"acme","target":"user:acme-user-id"`,
		`"action":"memory.update","outcome":"success","actor":"user:acme-user-id"`, `"action":"memory.delete","outcome":"success","actor":"user:acme-user-id"`,
		`"action":"memory.create","outcome":"denied","reason":"access_denied"`, `"action":"category.update","outcome":"success"`,
	} {
		if !strings.Contains(log, event) {
			t.Errorf("no %s in\n%s", event, log)
		}
	}
	if strings.Contains(log, "Likes") {
		t.Errorf("the log tells: %s", log)
	}
}
