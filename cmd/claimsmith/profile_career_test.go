package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// careers is all there is of a person's in an organisation.
func (w *world) careers(org, user string) string {
	w.t.Helper()
	var all strings.Builder
	for _, kind := range careerKinds {
		all.WriteString(w.get(careerPath(org, kind, user), adminToken).want(w.t, http.StatusOK).body + "\n")
	}
	return all.String()
}

// furnish gives a person one record of every kind.
func (w *world) furnish(org, user string) {
	w.t.Helper()
	for _, kind := range careerKinds {
		w.careerID(org, kind, user, "spare")
	}
}

// A career is one's own, in one organisation: to other people nobody exists, to other organisations nothing, and no id leads to somebody
// else's (rows ).
func TestCareerIsOnesOwn(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	owners := [][2]string{{acme, "acme-user"}, {acme, "acme-other"}, {acme, "sam"}, {globex, "sam"}, {globex, "globex-user"}}
	snapshot := func() (all string) {
		for _, o := range owners {
			all += c.careers(o[0], o[1])
		}
		return all
	}
	for n, o := range owners {
		c.careerID(o[0], "companies", o[1], "another") // so that ids differ
		for range n {
			c.post(careerPath(o[0], "companies", o[1]), adminToken, `{"name":"more"}`).want(t, http.StatusOK)
		}
		c.furnish(o[0], o[1])
	}
	before := snapshot()
	refused := func(who, org, user, bearer string, status int, body string, methods ...string) {
		t.Helper()
		for _, kind := range careerKinds {
			valid := `{"name":"x","title":"x","company_id":1,"institution_id":1,"start_date":"2020-01-01"}`
			for _, method := range methods {
				target, sent := careerPath(org, kind, user), valid
				if method == http.MethodPut || method == http.MethodDelete {
					target += "?id=1"
				}
				if method == http.MethodGet || method == http.MethodDelete {
					sent = ""
				}
				if a := c.send(method, target, bearer, sent); a.status != status || a.body != body {
					t.Errorf("%s: %s %s: %d %s", who, method, target, a.status, a.body)
				}
			}
		}
	}
	reads, writes := []string{"GET"}, []string{"POST", "PUT", "DELETE"}
	all := slices.Concat(reads, writes)
	jane := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, user := range []string{"acme-other", "sam", "nobody", "acme-other-id", "globex-user"} {
		refused("a colleague", acme, user, jane, http.StatusForbidden, notAllowed, all...)
		refused("a person in another organisation", globex, user, jane, http.StatusNotFound, notToBeSeen, all...)
	}
	refused("a person in another organisation", globex, "acme-user", jane, http.StatusNotFound, notToBeSeen, all...)
	refused("a person in no organisation", "zzzzzz", "acme-user", jane, http.StatusNotFound, notToBeSeen, all...)
	refused("a reader", acme, "acme-user", c.acme.reader, http.StatusForbidden, notAllowed, writes...)
	for _, user := range []string{"acme-user", "nobody"} {
		refused("another's operator", acme, user, c.globex.operator, http.StatusNotFound, notToBeSeen, all...)
	}
	refused("an operator", acme, "nobody", c.acme.operator, http.StatusNotFound, notToBeSeen, all...)
	refused("an operator", acme, "globex-user", c.acme.operator, http.StatusNotFound, notToBeSeen, all...)
	refused("an operator", globex, "sam", c.acme.operator, http.StatusNotFound, notToBeSeen, all...)
	anonymous := `{"detail":"Authentication credentials were not provided."}`
	refused("nobody", acme, "acme-user", "", http.StatusUnauthorized, anonymous, all...)
	refused("nobody", acme, "acme-user", "not-a-token", http.StatusUnauthorized, anonymous, all...)
	if after := snapshot(); after != before {
		t.Fatalf("it was\n%s\nand is\n%s", before, after)
	}

	// The ids of others are nobody's: neither changed, removed nor named.
	for _, kind := range careerKinds {
		path := careerPath(acme, kind, "acme-user")
		own := map[int]bool{}
		for _, k := range careerKinds {
			for _, i := range c.careerList(acme, k, "acme-user") {
				own[i.ID] = k == kind
			}
		}
		for id := range 20 {
			if own[id] {
				continue
			}
			query := fmt.Sprintf("?id=%d", id)
			for _, a := range []answer{
				c.put(path+query, jane, c.careerBody(acme, kind, "acme-user", "x")), c.delete(path+query, jane),
				c.put(path, jane, fmt.Sprintf(`{"id":%d,%s`, id, c.careerBody(acme, kind, "acme-user", "x")[1:])),
			} {
				if a.status != http.StatusNotFound || a.body != notToBeSeen {
					t.Errorf("%s %d: %d %s", kind, id, a.status, a.body)
				}
			}
		}
	}
	for _, id := range []int{c.careerID(globex, "companies", "sam", "spare") + 100, 0} {
		a := c.post(careerPath(acme, "experience", "acme-user"), jane, fmt.Sprintf(`{"company_id":%d,"title":"x","start_date":"2020-01-01"}`, id))
		if a.status != http.StatusBadRequest || a.body != fmt.Sprintf(`{"company_id":["Invalid pk \"%d\" - object does not exist."]}`, id) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// Sam's in acme is not Sam's in globex.
	sam := c.loginAs(c.shared, `,"org":"acme"`).text(t, "access_token")
	if a := c.get(careerPath(acme, "companies", "me"), sam).want(t, http.StatusOK); strings.Count(a.body, `"name":"more"`) != 2 {
		t.Errorf("%s", a.body)
	}
	refused("sam in acme", globex, "sam", sam, http.StatusNotFound, notToBeSeen, all...)
	if after := snapshot(); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// What the record of a person looks like, and that both who may write and he himself change it.
func TestCareerRecords(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	for n, bearer := range []string{token, c.acme.operator, c.acme.machineToken, adminToken} {
		user := []string{"me", "acme-user"}[min(n, 1)]
		a := c.post(careerPath(acme, "institutions", user), bearer, `{"name":"MIT","institution_type":"university","location":"Cambridge",
			"website":"https://mit.edu","accreditation":"NECHE","established_year":1861,"data":{"a":[9007199254740993,1.0]},"metadata":"m"}`).want(t, 200)
		id := a.record(t)
		c.clock.Advance(time.Second)
		body := fmt.Sprintf(`{"institution_id":"%d","degree":"BSc","field_of_study":"Physics","start_date":"2018-09-01","end_date":"2021-06-30",
			"is_current":true,"grade":3.9,"activities":"Choir","description":"D","data":null,"metadata":[],"start_month":"September","user":"acme-other",
			"user_info":{},"institution":{"id":99},"created_at":"1970-01-01T00:00:00Z"}`, id)
		created := c.post(careerPath(acme, "education", user), bearer, body).want(t, http.StatusOK)
		number := created.json(t)["user"]
		for name, want := range map[string]any{
			"institution_id": json.Number(fmt.Sprint(id)), "degree": "BSc", "grade": "3.90", "end_date": "2021-06-30", "is_current": true, "activities": "Choir",
			"institution": map[string]any{"id": json.Number(fmt.Sprint(id)), "name": "MIT", "institution_type": "university"}, "data": nil, "metadata": []any{},
			"user_info": map[string]any{
				"user_id": number, "username": "acme-user", "email": c.acme.user.email, "name": "", "is_active": true, "last_active": nil,
				"date_joined": created.json(t)["user_info"].(map[string]any)["date_joined"],
			},
		} {
			if diff := cmp.Diff(want, created.json(t)[name]); diff != "" {
				t.Errorf("%s differs:\n%s", name, diff)
			}
		}
		if strings.Contains(created.body, "start_month") || created.json(t)["created_at"] != created.json(t)["updated_at"] {
			t.Errorf("%s", created.body)
		}
		if got := c.get(careerPath(acme, "education", user), bearer).want(t, 200); got.body != "["+created.body+"]" {
			t.Errorf("created %s, listed %s", created.body, got.body)
		}

		// The id of the query counts, and what is not sent is no longer there.
		edu := created.record(t)
		c.clock.Advance(time.Second)
		replaced := c.put(careerPath(acme, "education", user)+fmt.Sprintf("?id=%d", edu), bearer,
			fmt.Sprintf(`{"id":77,"institution_id":%d,"start_date":"2019-09-01"}`, id)).want(t, http.StatusOK)
		is := replaced.json(t)
		if replaced.record(t) != edu || is["degree"] != nil || is["grade"] != nil || is["is_current"] != false || is["start_date"] != "2019-09-01" ||
			is["created_at"] != created.json(t)["created_at"] || is["updated_at"] == is["created_at"] {
			t.Errorf("replaced: %s", replaced.body)
		}
		again := c.put(careerPath(acme, "education", user), bearer,
			fmt.Sprintf(`{"id":"%d","institution_id":%d,"start_date":"2019-09-02"}`, edu, id)).want(t, http.StatusOK)
		if again.json(t)["start_date"] != "2019-09-02" {
			t.Errorf("by the id in the body: %s", again.body)
		}
		for _, query := range []string{"", "?id=", "?ID=7"} {
			for _, a := range []answer{
				c.put(careerPath(acme, "education", user)+query, bearer, body), c.delete(careerPath(acme, "education", user)+query, bearer),
				c.put(careerPath(acme, "education", user)+query, bearer, `{"id":null,`+body[1:]),
			} {
				if a.status != http.StatusBadRequest || a.body != `{"error":"id is required"}` {
					t.Errorf("%q: %d %s", query, a.status, a.body)
				}
			}
		}
		for _, nobodys := range []string{"0", "-1", "x", "1e0", "%C3%A9", "99999999999999999999999", "1%20"} {
			a := c.delete(careerPath(acme, "education", user)+"?id="+nobodys, bearer)
			if a.status != http.StatusNotFound || a.body != notToBeSeen {
				t.Errorf("%s: %d %s", nobodys, a.status, a.body)
			}
		}

		// An institution stays as long as an education names it.
		refused := c.delete(careerPath(acme, "institutions", user)+fmt.Sprintf("?id=%d", id), bearer).want(t, http.StatusBadRequest)
		if refused.body != fmt.Sprintf(`{"error":"this institution is named by education %d"}`, edu) {
			t.Errorf("%s", refused.body)
		}
		gone := c.delete(careerPath(acme, "education", user)+fmt.Sprintf("?id=%d", edu), bearer).want(t, http.StatusNoContent)
		if gone.body != "" {
			t.Errorf("%q", gone.body)
		}
		c.delete(careerPath(acme, "education", user)+fmt.Sprintf("?id=%d", edu), bearer).want(t, http.StatusNotFound)
		c.delete(careerPath(acme, "institutions", user)+fmt.Sprintf("?id=%d", id), bearer).want(t, http.StatusNoContent)
	}
	for _, event := range []string{"career.create", "career.update", "career.delete"} {
		if log := c.log.String(); !strings.Contains(log, `"action":"`+event+`","outcome":"success"`) {
			t.Errorf("no event %s", event)
		}
	}
	for _, kind := range careerKinds {
		if a := c.get(careerPath(acme, kind, "acme-other"), adminToken).want(t, http.StatusOK); a.body != "[]" {
			t.Errorf("%s: %s", kind, a.body)
		}
	}
}

// multipartBody is a form as multipart/form-data, with its Content-Type.
func multipartBody(t testing.TB, form url.Values) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range form {
		for _, value := range values {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// A form says the same as JSON, in either of its encodings, also where the id is in the address.
func TestCareerForms(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	form := url.Values{
		"company_id": {fmt.Sprint(c.careerID(acme, "companies", "acme-user", "named"))}, "title": {"Engineer é"}, "employment_type": {""},
		"start_date": {"2021-03-01"}, "end_date": {""}, "is_current": {"True"}, "data": {`{"a": "b"}`}, "metadata": {""}, "start_month": {"March"},
	}
	path := careerPath(acme, "experience", "acme-user")
	var answers []string
	shown := func(a answer) string {
		members := a.want(t, http.StatusOK).json(t)
		for _, name := range []string{"id", "created_at", "updated_at"} {
			delete(members, name)
		}
		text, _ := json.Marshal(members)
		return string(text)
	}
	of := map[string]string{"application/x-www-form-urlencoded": form.Encode(), "application/x-www-form-urlencoded; charset=UTF-8": form.Encode()}
	body, contentType := multipartBody(t, form)
	of[contentType] = body
	of["application/json"] = fmt.Sprintf(`{"company_id":%s,"title":"Engineer é","start_date":"2021-03-01","is_current":true,"data":{"a":"b"}}`, form.Get("company_id"))
	for contentType, body := range of {
		a := c.post(path, c.acme.operator, body, "Content-Type", contentType)
		answers = append(answers, shown(a))
		target := fmt.Sprintf("%s?id=%v", path, a.json(t)["id"])
		answers = append(answers, shown(c.put(target, c.acme.operator, body, "Content-Type", contentType)))
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("%s\n%s", answers[0], a)
		}
	}
	form.Set("id", fmt.Sprint(c.careerList(acme, "experience", "acme-user")[0].ID))
	body, contentType = multipartBody(t, form)
	c.put(path, c.acme.operator, body, "Content-Type", contentType).want(t, http.StatusOK)
	c.put(path, c.acme.operator, form.Encode(), "Content-Type", "application/x-www-form-urlencoded").want(t, http.StatusOK)
	form.Set("id", "")
	if a := c.put(path, c.acme.operator, form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); a.body != `{"error":"id is required"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	form = url.Values{"company_id": {"x"}, "title": {""}, "is_current": {"perhaps"}, "data": {"{"}}
	a := c.post(path, c.acme.operator, form.Encode(), "Content-Type", "application/x-www-form-urlencoded").want(t, http.StatusBadRequest)
	if want := `{"company_id":["Incorrect type. Expected pk value, received str."],"data":["Value must be valid JSON."],` +
		`"is_current":["Must be a valid boolean."],"start_date":["This field is required."],"title":["This field may not be blank."]}`; a.body != want {
		t.Errorf("%s", a.body)
	}
}

// Lists have the order of people's lives, and at most 200 records.
func TestOrderAndLimitOfCareers(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	fast := c.hurry()
	company := fast.careerID(acme, "companies", "acme-user", "named")
	path := careerPath(acme, "experience", "acme-user")
	for n := range 200 {
		body := fmt.Sprintf(`{"company_id":%d,"title":"t%d","start_date":"20%02d-01-01"}`, company, n, n%7)
		fast.post(path, c.acme.operator, body).want(t, http.StatusOK)
	}
	full := fast.post(path, c.acme.operator, fmt.Sprintf(`{"company_id":%d,"title":"x","start_date":"2020-01-01"}`, company)).want(t, http.StatusBadRequest)
	if !strings.HasPrefix(full.body, `{"error":"`) || !strings.Contains(full.body, "200") {
		t.Errorf("%s", full.body)
	}
	all := fast.careerList(acme, "experience", "acme-user")
	if len(all) != 200 {
		t.Fatalf("there are %d", len(all))
	}
	for n := range all[1:] {
		x, y := *all[n].Title, *all[n+1].Title
		var a, b int
		_, _ = fmt.Sscanf(x, "t%d", &a)
		_, _ = fmt.Sscanf(y, "t%d", &b)
		if a%7 < b%7 || a%7 == b%7 && a < b {
			t.Fatalf("%s comes before %s", x, y)
		}
	}
	fast.put(path+fmt.Sprintf("?id=%d", all[0].ID), c.acme.operator, fmt.Sprintf(`{"company_id":%d,"title":"x","start_date":"2020-01-01"}`, company)).
		want(t, http.StatusOK)
	fast.delete(path+fmt.Sprintf("?id=%d", all[0].ID), c.acme.operator).want(t, http.StatusNoContent)
	fast.post(path, c.acme.operator, fmt.Sprintf(`{"company_id":%d,"title":"x","start_date":"2020-01-01"}`, company)).want(t, http.StatusOK)
}

// Of many who do the same at a time, each does it or hears why not: a company is never gone while something names it.
func TestParallelCareers(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for round := range 10 {
		company := c.careerID(acme, "companies", "acme-user", fmt.Sprint("round ", round))
		path := careerPath(acme, "experience", "acme-user")
		body := fmt.Sprintf(`{"company_id":%d,"title":"x","start_date":"2020-01-01"}`, company)
		var mu sync.Mutex
		statuses := map[string]int{}
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				what, a := "create", answer{}
				if n%4 == 0 {
					what, a = "delete", c.delete(careerPath(acme, "companies", "acme-user")+fmt.Sprintf("?id=%d", company), c.acme.operator)
				} else {
					a = c.post(path, c.acme.operator, body)
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[fmt.Sprint(what, " ", a.status)]++
			})
		}
		all.Wait()
		gone, made := statuses["delete 204"], statuses["create 200"]
		if gone > 1 || gone == 1 && made > 0 || gone == 0 && made == 0 || made+statuses["create 400"] != 6 {
			t.Errorf("round %d: %v", round, statuses)
		}
		c.get(path, adminToken).want(t, http.StatusOK)
	}
}
