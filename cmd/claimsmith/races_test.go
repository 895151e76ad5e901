package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// crowd is how many do the same thing at the same moment.
const crowd = 64

// together runs do so many times at the same moment and returns the answers.
func together(count int, do func(n int) answer) []answer {
	answers := make([]answer, count)
	start := make(chan struct{})
	var done sync.WaitGroup
	for n := range count {
		done.Go(func() {
			<-start
			answers[n] = do(n)
		})
	}
	close(start)
	done.Wait()
	return answers
}

// rounds are fewer where the store runs one command at a time anyway.
func rounds(b redistest.Backend, real int) int {
	if strings.HasPrefix(b.Name, "miniredis") {
		return max(1, real/5)
	}
	return real
}

func tally(answers []answer) map[int]int {
	counts := map[int]int{}
	for _, a := range answers {
		counts[a.status]++
	}
	return counts
}

// However many use a refresh token at once, on whatever instance, it has one successor (row O-06).
func TestParallelRefreshes(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		instances := []*world{w, w.again()}
		for range rounds(b, 5) {
			token := w.login().text(t, "refresh_token")
			successors := map[string]bool{}
			for _, a := range together(crowd, func(n int) answer { return instances[n%2].refresh(token) }) {
				if a.status != http.StatusOK {
					t.Fatalf("%d %s", a.status, a.body)
				}
				successors[a.text(t, "refresh_token")] = true
			}
			if len(successors) != 1 {
				t.Fatalf("%d successors", len(successors))
			}
			for head := range successors {
				next := refreshToken(t, instances[1].refresh(head))
				instances[0].refresh(token).want(t, http.StatusBadRequest) // a grandparent now
				instances[1].refresh(next).want(t, http.StatusBadRequest)
			}

			// A crowd with a parent and its child: at most one head, or the family is dead.
			token = w.login().text(t, "refresh_token")
			child := refreshToken(t, w.refresh(token))
			heads := map[string]bool{}
			for n, a := range together(crowd, func(n int) answer { return instances[n%2].refresh([]string{token, child}[n/2%2]) }) {
				if n/2%2 == 1 && a.status == http.StatusOK {
					heads[a.text(t, "refresh_token")] = true
				}
			}
			if len(heads) > 1 {
				t.Fatalf("%d heads", len(heads))
			}
			live := 0
			for head := range heads {
				if w.refresh(head).status == http.StatusOK {
					live++
				}
			}
			if live > 1 {
				t.Fatalf("%d live heads", live)
			}
		}
	})
}

// Whatever ends a session ends it also for a refresh that is under way (rows O-06, S-03).
func TestRefreshAgainstWhatEndsIt(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		second := w.again()
		for what, end := range map[string]func(token string) answer{
			"revocation": func(token string) answer {
				return second.form("/oauth/revoke", "client_id", "login", "token", token)
			},
			"disabling": func(string) answer { return second.patch("/api/user/jane-id", adminToken, `{"disabled":true}`) },
			"a new password": func(string) answer {
				return second.put("/api/user/jane-id/password", adminToken, `{"password":"`+janePass+`"}`)
			},
			"leaving": func(string) answer {
				return second.patch("/api/user/jane-id?org=default", adminToken, `{"orgs":["elsewhere"]}`)
			},
		} {
			if what == "leaving" {
				w.post("/api/org", adminToken, `{"slug":"elsewhere"}`).want(t, http.StatusCreated)
			}
			for range rounds(b, 10) {
				token := w.login().text(t, "refresh_token")
				answers := together(2, func(n int) answer {
					if n == 0 {
						return w.refresh(token)
					}
					return end(token)
				})
				if answers[1].status >= 300 {
					t.Fatalf("%s: %d %s", what, answers[1].status, answers[1].body)
				}
				if a := answers[0]; a.status == http.StatusOK {
					if again := w.refresh(a.text(t, "refresh_token")); again.status != http.StatusBadRequest {
						t.Fatalf("after %s, a refresh: %d %s", what, again.status, again.body)
					}
					if at := second.introspectAs(adminToken, a.text(t, "access_token")); at.body != inactive {
						t.Fatalf("after %s: %s", what, at.body)
					}
				}
				w.refresh(token).want(t, http.StatusBadRequest)
				switch what {
				case "disabling":
					w.patch("/api/user/jane-id", adminToken, `{"disabled":false}`).want(t, http.StatusOK)
				case "leaving":
					w.patch("/api/user/jane-id?org=elsewhere", adminToken, `{"orgs":["default"]}`).want(t, http.StatusOK)
				}
				pass(time.Second, w, second)
			}
		}
	})
}

// Of a deleted user nothing is left but that his id was used, whatever else was going on (row F-08, M-15).
func TestDeletionAgainstEverything(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		second := w.again()
		var ids []string
		user := func(n int) (id, name, token string) {
			name = fmt.Sprintf("victim-%d", n)
			id = w.post("/api/user", adminToken, `{"username":"`+name+`","email":"`+name+`@x.example","email_verified":true,"password_hash":`+quote(hashOf(t, "a password of his"))+`}`).
				want(t, http.StatusCreated).text(t, "id")
			ids = append(ids, id)
			w.put("/api/user/"+id+"/metadata/a", adminToken, `{"value":1,"profileClaim":true}`).want(t, http.StatusOK)
			w.put("/api/user/"+id+"/metadata/a?app=login", adminToken, `{"value":1,"profileClaim":true}`).want(t, http.StatusOK)
			return id, name, w.try(name, "a password of his", "").want(t, http.StatusOK).text(t, "refresh_token")
		}
		n := 0
		for what, do := range map[string]func(id, name, token string) answer{
			"a login":   func(_, name, _ string) answer { return second.try(name, "a password of his", "") },
			"a refresh": func(_, _, token string) answer { return second.refresh(token) },
			"an entry": func(id, _, _ string) answer {
				return second.put("/api/user/"+id+"/metadata/b", adminToken, `{"value":2}`)
			},
			"an app entry": func(id, _, _ string) answer {
				return second.put("/api/user/"+id+"/metadata/b?app=other", adminToken, `{"value":2}`)
			},
			"a renaming": func(id, name, _ string) answer {
				return second.patch("/api/user/"+id, adminToken, `{"username":"`+name+`-renamed"}`)
			},
			"a new password": func(id, _, _ string) answer {
				return second.put("/api/user/"+id+"/password", adminToken, `{"password":"another password of his"}`)
			},
			"a revocation": func(_, _, token string) answer {
				return second.form("/oauth/revoke", "client_id", "login", "token", token)
			},
			"another deletion":   func(id, _, _ string) answer { return second.delete("/api/user/"+id, adminToken) },
			"one by his address": func(_, name, _ string) answer { return second.delete("/api/user/"+name+"@x.example", adminToken) },
		} {
			for range rounds(b, 3) {
				n++
				id, name, token := user(n)
				answers := together(2, func(k int) answer {
					if k == 0 {
						return w.delete("/api/user/"+id, adminToken)
					}
					return do(id, name, token)
				})
				deleted := answers[0]
				if deleted.status == http.StatusServiceUnavailable { // the user changed under it
					deleted = w.delete("/api/user/"+id, adminToken)
				}
				if deleted.status != http.StatusNoContent && answers[1].status != http.StatusNoContent {
					t.Fatalf("deletion against %s: %d %s, %d %s", what, deleted.status, deleted.body, answers[1].status, answers[1].body)
				}
				for _, a := range answers {
					if a.status >= http.StatusInternalServerError {
						t.Fatalf("deletion against %s: %d %s", what, a.status, a.body)
					}
				}
				if a := answers[1]; a.status == http.StatusOK && strings.Contains(a.body, "access_token") {
					second.get("/oauth/userinfo", a.text(t, "access_token")).want(t, http.StatusUnauthorized)
					second.refresh(a.text(t, "refresh_token")).want(t, http.StatusBadRequest)
				}
				w.get("/api/user/"+id, adminToken).want(t, http.StatusNotFound)
			}
		}
		onlyTombstones(t, w, b, ids)
	})
}

// onlyTombstones fails if Redis holds anything of these users but that they were.
func onlyTombstones(t *testing.T, w *world, b redistest.Backend, ids []string) {
	t.Helper()
	for _, id := range ids {
		if got := b.Client.HGetAll(t.Context(), w.in.space.User(id)).Val(); len(got) != 1 || got["st"] != "gone" {
			t.Errorf("the record of %s is %v", id, got)
		}
	}
	dump := (&cast{world: w}).dump(b)
	for _, id := range ids {
		dump = strings.Replace(dump, "hash "+w.in.space.User(id)+"\n", "", 1)
		events := false // name the users that are gone, and stay
		for line := range strings.Lines(dump) {
			if strings.Contains(line, id) && !events {
				t.Errorf("left of %s: %.200q", id, line)
			}
			events = strings.HasPrefix(line, "stream ")
		}
	}
}

// No write is lost and none counts twice, however many come at once (row M-12).
func TestParallelWriters(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		instances := []*world{w, w.again()}
		const target = "/api/user/jane-id/metadata"
		for range rounds(b, 3) {
			w.put(target, adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
			before := revision(t, w.get(target, adminToken))
			answers := together(crowd, func(n int) answer {
				body := fmt.Sprintf(`{"value":%d,"profileClaim":%t}`, n, n%2 == 0)
				return instances[n%2].put(fmt.Sprintf("%s/k%d", target, n), adminToken, body)
			})
			if counts := tally(answers); counts[http.StatusOK] != crowd {
				t.Fatalf("%v", counts)
			}
			after := w.get(target, adminToken)
			if got := revision(t, after); got != before+crowd {
				t.Fatalf("revision %d after %d and %d writes", got, before, crowd)
			}
			if got := len(after.json(t)["metadata"].([]any)); got != crowd {
				t.Fatalf("%d entries", got)
			}
			claims := claimsOf(t, w.login().text(t, "access_token"))
			if claims["metadata_k0"] != jsonNumber("0") || claims["metadata_k62"] != jsonNumber("62") || claims["metadata_k1"] != nil {
				t.Fatalf("the token has %v", claims)
			}

			// Of those who all saw the same version, one succeeds.
			tag := after.header.Get("ETag")
			answers = together(crowd, func(n int) answer {
				return instances[n%2].patch(target, adminToken, fmt.Sprintf(`{"set":[{"key":"one","value":%d}]}`, n), "If-Match", tag)
			})
			if counts := tally(answers); counts[http.StatusOK] != 1 || counts[http.StatusPreconditionFailed] != crowd-1 {
				t.Fatalf("with If-Match: %v", counts)
			}
		}
	})
}

func revision(t testing.TB, a answer) (n uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(a.want(t, http.StatusOK).header.Get("ETag"), `"%d"`, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A name is one user's also when others are renamed to it, created with it and deleted from it all at once; his record and the
// way to him agree.
func TestParallelRenamings(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		instances := []*world{w, w.again()}
		var ids []string
		for n := range 8 {
			ids = append(ids, w.post("/api/user", adminToken, fmt.Sprintf(`{"username":"own-%d"}`, n)).want(t, http.StatusCreated).text(t, "id"))
		}
		for round := range rounds(b, 10) {
			wanted := fmt.Sprintf("wanted-%d", round)
			answers := together(24, func(n int) answer {
				at := instances[n%2]
				if n < 16 {
					return at.patch("/api/user/"+ids[n/2], adminToken, `{"username":"`+[]string{wanted, "own-" + fmt.Sprint(n/2)}[n%2]+`"}`)
				}
				return at.post("/api/user", adminToken, `{"username":"`+wanted+`"}`)
			})
			for _, a := range answers {
				if a.status >= http.StatusInternalServerError {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			owners := map[string][]string{}
			for next := "first"; next != ""; {
				page := w.get("/api/user?limit=200&cursor="+strings.TrimPrefix(next, "first"), adminToken).want(t, http.StatusOK).json(t)
				for _, u := range page["users"].([]any) {
					u := u.(map[string]any)
					if name, ok := u["username"].(string); ok {
						owners[name] = append(owners[name], u["id"].(string))
					}
				}
				next, _ = page["next"].(string)
			}
			for name, of := range owners {
				if len(of) != 1 {
					t.Fatalf("%s is the name of %v", name, of)
				}
				if id := w.get("/api/user/"+name, adminToken).want(t, http.StatusOK).text(t, "id"); id != of[0] {
					t.Fatalf("%s leads to %s and is the name of %s", name, id, of[0])
				}
			}
		}
	})
}

// A name, an id, a slug goes to one of all who want it at once, and to whom it goes it belongs.
func TestParallelCreations(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		instances := []*world{w, w.again()}
		for round := range rounds(b, 3) {
			for what, r := range map[string]struct{ target, body, read string }{
				"username": {"/api/user", fmt.Sprintf(`{"username":"wanted-%d"}`, round), fmt.Sprintf("/api/user/wanted-%d", round)},
				"address": {
					"/api/user", fmt.Sprintf(`{"email":"wanted-%d@x.example","email_verified":true}`, round),
					fmt.Sprintf("/api/user/wanted-%d@x.example", round),
				},
				"user id":   {"/api/user", fmt.Sprintf(`{"id":"wanted-id-%d"}`, round), fmt.Sprintf("/api/user/wanted-id-%d", round)},
				"client id": {"/api/client", fmt.Sprintf(`{"client_id":"wanted-app-%d"}`, round), fmt.Sprintf("/api/client/wanted-app-%d", round)},
				"slug":      {"/api/org", fmt.Sprintf(`{"slug":"wanted-%d"}`, round), fmt.Sprintf("/api/org/wanted-%d", round)},
			} {
				var winner answer
				winners := 0
				answers := together(crowd, func(n int) answer { return instances[n%2].post(r.target, adminToken, r.body) })
				for _, a := range answers {
					switch a.status {
					case http.StatusCreated:
						winners++
						winner = a
					case http.StatusConflict:
					default:
						t.Fatalf("%s: %d %s", what, a.status, a.body)
					}
				}
				if winners != 1 {
					t.Fatalf("%d got the %s", winners, what)
				}
				read := w.get(r.read, adminToken).want(t, http.StatusOK)
				for _, name := range []string{"id", "client_id", "slug"} {
					if read.text(t, name) != winner.text(t, name) {
						t.Fatalf("the %s leads to %s and was given to %s", what, read.body, winner.body)
					}
				}
			}
			// One key, one user, however often it is sent at once.
			body := fmt.Sprintf(`{"username":"repeated-%d"}`, round)
			made := map[string]bool{}
			for _, a := range together(crowd, func(n int) answer {
				return instances[n%2].post("/api/user", adminToken, body, "Idempotency-Key", fmt.Sprint("key-", round))
			}) {
				if a.status != http.StatusCreated {
					t.Fatalf("under one key: %d %s", a.status, a.body)
				}
				made[a.text(t, "id")] = true
			}
			if len(made) != 1 {
				t.Fatalf("%d users under one key", len(made))
			}
		}
	})
}
