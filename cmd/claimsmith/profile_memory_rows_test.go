package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// newly is an operation on something that an administrator creates anew, whose id stands for % in its address.
func newly(at, body, target, change string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		body := strings.ReplaceAll(body, "%", strings.ToLower(randomName()))
		return strings.ReplaceAll(target, "%", idOf(c.t, c.post(at, adminToken, body))), change
	}
}

func memoryOperations() []operation {
	const newCategory = `{"name":"Projects","slug":"%"}`
	var all []operation
	for _, prefix := range []string{"/dm", ""} {
		for _, slash := range []string{"/", ""} {
			at := func(path string) string {
				return prefix + strings.TrimPrefix(strings.TrimSuffix(path, "/"), "/dm") + slash
			}
			route := func(method, path string) string {
				named := strings.NewReplacer("/acme-user", "/:user", "/acme", "/:org", "/tutor", "/:mentor", "/%", "/:id", "/language", "/:tag")
				return method + " " + named.Replace(at(path))
			}
			add := func(method, path, body string) {
				all = append(all, operation{route(method, path), "", fixed(at(path), body)})
			}
			add("GET", memoriesOf, "")
			add("POST", memoriesOf, aMemory)
			add("GET", memoryList, "")
			add("GET", categoryOf, "")
			add("GET", globalsOf, "")
			add("POST", globalsOf, aGlobal)
			add("GET", flagsOf, "")
			add("PUT", flagsOf, `{"auto_capture_enabled":true}`)
			add("GET", factsOf, "")
			add("POST", factsOf, aFact)
			one := func(method, list, body, change string) {
				all = append(all, operation{route(method, list+"%"), "", newly(list, body, at(list+"%"), change)})
			}
			one("PATCH", memoriesOf, aMemory, `{"content":"Likes sketches."}`)
			one("DELETE", memoriesOf, aMemory, "")
			one("DELETE", globalsOf, aGlobal, "")
			one("PATCH", categoryOf, newCategory, `{"name":"Ideas"}`)
			one("DELETE", categoryOf, newCategory, "")
			all = append(all,
				operation{route("POST", categoryOf), "", func(*cast) (string, string) {
					return at(categoryOf), strings.ReplaceAll(newCategory, "%", strings.ToLower(randomName()))
				}},
				operation{route("DELETE", factsOf+"language"), "", func(c *cast) (string, string) {
					c.post(factsOf, adminToken, aFact).want(c.t, http.StatusOK)
					return at(factsOf + "language"), ""
				}})
		}
	}
	return append(all,
		operation{"GET " + strings.NewReplacer("/acme-user", "/:user", "/acme", "/:org").Replace(factsOf), "of nobody", fixed(
			strings.Replace(factsOf, "acme-user", "nobody", 1), "")},
		operation{"PUT " + strings.NewReplacer("/acme-user", "/:user", "/acme", "/:org").Replace(flagsOf), "one's own", fixed(
			strings.Replace(flagsOf, "acme-user", "me", 1), `{"use_memory_in_responses":true}`)})
}

// memoryBodies are the objects that the routes of memories read.
var memoryBodies = []spoken{
	{"POST", memoriesOf, `{"category_slug":"preferences","content":"Likes examples."%}`, false},
	{"POST", globalsOf, `{"content":"Plays the organ."%}`, true},
	{"PUT", flagsOf, `{"auto_capture_enabled":true%}`, true},
	{"POST", factsOf, `{"tag":"language","detail":"Italian"%}`, false},
	{"PATCH", categoryOf + "1", `{"name":"Gaps"%}`, false},
}

// memoryFlows are those whose interruption is tested (row F-01).
var memoryFlows = []flow{
	remembered("memory add", memoriesOf, "", func(w *world, at string) answer { return w.post(at, adminToken, aMemory) },
		func(t *testing.T, a answer, once bool) {
			if n := strings.Count(a.body, "Likes examples."); n == 0 || once && n != 1 {
				t.Errorf("%s", a.body)
			}
		}),
	remembered("memory change", memoriesOf, aMemory, func(w *world, at string) answer {
		return w.patch(at+"1", adminToken, `{"content":"Likes sketches."}`)
	}, func(t *testing.T, a answer, _ bool) {
		if strings.Count(a.body, "Likes sketches.") != 1 {
			t.Errorf("%s", a.body)
		}
	}),
	remembered("memory delete", memoriesOf, aMemory, func(w *world, at string) answer { return w.delete(at+"1", adminToken) },
		func(t *testing.T, a answer, _ bool) {
			if a.body != "[]" {
				t.Errorf("%s", a.body)
			}
		}, http.StatusNotFound),
	remembered("fact", factsOf, `{"language":"German"}`, func(w *world, at string) answer { return w.post(at, adminToken, aFact) },
		func(t *testing.T, a answer, _ bool) {
			if a.body != `[`+aFact+`]` {
				t.Errorf("%s", a.body)
			}
		}),
	remembered("memory flags", flagsOf, "", func(w *world, at string) answer {
		return w.put(at, adminToken, `{"auto_capture_enabled":true}`)
	}, func(t *testing.T, a answer, _ bool) {
		if !strings.HasPrefix(a.body, `{"auto_capture_enabled":true,"use_memory_in_responses":false,`) {
			t.Errorf("%s", a.body)
		}
	}),
}

// remembered is a flow on the memories of a user, of whom before was posted.
func remembered(
	name, path, before string, do func(w *world, at string) answer, check func(t *testing.T, a answer, once bool), repeated ...int,
) flow {
	at := func(user string) string {
		return strings.NewReplacer("/acme/", "/default/", "acme-user", url.PathEscape(user)).Replace(path)
	}
	return flow{
		name: name, repeated: repeated,
		prepare: func(d *world, user string) string {
			withoutPassword(d, user)
			if before != "" {
				if a := d.post(at(user), adminToken, before); a.status/100 != 2 {
					d.t.Fatalf("%d %s", a.status, a.body)
				}
			}
			return ""
		},
		do: func(w *world, user, _ string) answer {
			a := do(w, at(user))
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: func(t *testing.T, d *world, user, _ string, _ answer, once bool) {
			t.Helper()
			check(t, d.get(at(user), adminToken).want(t, http.StatusOK), once)
		},
	}
}
