package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// careerKinds are the lists of a career, each before those that its records name.
var careerKinds = []string{"education", "experience", "institutions", "companies"}

// careerPath is where a list of somebody is.
func careerPath(org, kind, user string) string {
	return "/dm/api/career/orgs/" + org + "/" + kind + "/users/" + user + "/"
}

// careerItem is a record as far as tests look at it.
type careerItem struct {
	ID                  int
	Title, Name, Degree *string
}

func (i *careerItem) called() string {
	for _, text := range []*string{i.Title, i.Name, i.Degree} {
		if text != nil {
			return *text
		}
	}
	return ""
}

// careerList is a list of somebody's.
func (w *world) careerList(org, kind, user string) (all []careerItem) {
	w.t.Helper()
	a := w.get(careerPath(org, kind, user), adminToken).want(w.t, http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		w.t.Fatalf("%s: %v", a.body, err)
	}
	return all
}

// careerBody is a valid record of a kind, called name. What it has to name is made.
func (w *world) careerBody(org, kind, user, name string) string {
	w.t.Helper()
	switch kind {
	case "education":
		return fmt.Sprintf(`{"institution_id":%d,"degree":%q,"start_date":"2018-09-01"}`, w.careerID(org, "institutions", user, "named"), name)
	case "experience":
		return fmt.Sprintf(`{"company_id":%d,"title":%q,"start_date":"2021-03-01"}`, w.careerID(org, "companies", user, "named"), name)
	}
	return fmt.Sprintf(`{"name":%q}`, name)
}

// careerID is the id of somebody's record that is called so, which an administrator makes if there is none.
func (w *world) careerID(org, kind, user, name string) int {
	w.t.Helper()
	for _, i := range w.careerList(org, kind, user) {
		if i.called() == name {
			return i.ID
		}
	}
	a := w.post(careerPath(org, kind, user), adminToken, w.careerBody(org, kind, user, name)).want(w.t, http.StatusOK)
	return a.record(w.t)
}

// record is the id of the record in an answer.
func (a answer) record(t testing.TB) int {
	t.Helper()
	id, err := strconv.Atoi(fmt.Sprint(a.want(t, http.StatusOK).json(t)["id"]))
	if err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return id
}

func careerOperations() []operation {
	var all []operation
	for _, kind := range careerKinds {
		for _, prefix := range []string{"/dm", ""} {
			for _, slash := range []string{"/", ""} {
				at := func(user string) string {
					return prefix + strings.TrimSuffix(strings.TrimPrefix(careerPath(acme, kind, user), "/dm"), "/") + slash
				}
				route := strings.NewReplacer("/acme", "/:org", "/acme-user", "/:username").Replace(at(":username"))
				one := func(*cast) (string, string) { return at("acme-user"), "" }
				all = append(all,
					operation{"GET " + route, "", one},
					operation{"POST " + route, "", func(c *cast) (string, string) {
						if len(c.careerList(acme, kind, "acme-user")) > 150 { // this makes more and more
							c.t.Fatal("there are too many")
						}
						return at("acme-user"), c.careerBody(acme, kind, "acme-user", "new")
					}},
					operation{"PUT " + route, "", func(c *cast) (string, string) {
						id := c.careerID(acme, kind, "acme-user", "spare")
						return fmt.Sprintf("%s?id=%d", at("acme-user"), id), c.careerBody(acme, kind, "acme-user", "spare")
					}},
					operation{"DELETE " + route, "", func(c *cast) (string, string) {
						return fmt.Sprintf("%s?id=%d", at("acme-user"), c.careerID(acme, kind, "acme-user", "spare")), ""
					}})
			}
		}
		route := strings.NewReplacer("/acme/", "/:org/", "/me/", "/:username/").Replace(careerPath(acme, kind, "me"))
		all = append(all,
			operation{"GET " + route, "of nobody", fixed(careerPath(acme, kind, "nobody"), "")},
			operation{"GET " + route, "one's own", fixed(careerPath(acme, kind, "me"), "")},
			operation{"PUT " + route, "that is not there", func(c *cast) (string, string) {
				return careerPath(acme, kind, "acme-user") + "?id=99999", c.careerBody(acme, kind, "acme-user", "spare")
			}})
	}
	return all
}

// careerFlows are those whose interruption is tested (row F-01).
var careerFlows = []flow{
	interruptedCareer("career create", "education", "", func(w *world, at, body string) answer { return w.post(at, adminToken, body) },
		func(t *testing.T, d *world, user string, once bool) {
			if all := d.careerList("default", "education", user); len(all) == 0 || once && len(all) != 1 {
				t.Errorf("there are %d, want 1", len(all))
			}
		}),
	interruptedCareer("career replace", "education", "before", func(w *world, at, body string) answer {
		return w.put(at+"?id=2", adminToken, body)
	}, func(t *testing.T, d *world, user string, _ bool) {
		if all := d.careerList("default", "education", user); len(all) != 1 || all[0].called() != "after" {
			t.Errorf("there are %+v", all)
		}
	}),
	interruptedCareer("career delete", "education", "before", func(w *world, at, _ string) answer { return w.delete(at+"?id=2", adminToken) },
		func(t *testing.T, d *world, user string, _ bool) {
			if all := d.careerList("default", "education", user); len(all) != 0 {
				t.Errorf("there are %+v", all)
			}
			d.delete(careerPath("default", "institutions", user)+"?id=1", adminToken).want(t, http.StatusNoContent)
		}, http.StatusNotFound),
}

// interruptedCareer is a flow on a list of a user who has one record called before, unless that is "".
func interruptedCareer(
	name, kind, before string, do func(w *world, at, body string) answer, check func(t *testing.T, d *world, user string, once bool), repeated ...int,
) flow {
	return flow{
		name: name, repeated: repeated,
		prepare: func(d *world, user string) string {
			withoutPassword(d, user)
			body := d.careerBody("default", kind, user, "after")
			if before != "" {
				d.careerID("default", kind, user, before)
			}
			return body
		},
		do: func(w *world, user, body string) answer {
			a := do(w, careerPath("default", kind, user), body)
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: func(t *testing.T, d *world, user, _ string, _ answer, once bool) {
			t.Helper()
			check(t, d, user, once)
		},
	}
}
