package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// overtaken is a hook that lets something else happen just before the n-th command of a client.
type overtaken struct {
	mu    sync.Mutex
	count int
	at    int
	event func()
}

// next arms the hook.
func (o *overtaken) next(at int, event func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count, o.at, o.event = 0, at, event
}

// disarm tells how many commands there were since.
func (o *overtaken) disarm() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.event = nil
	return o.count
}

func (o *overtaken) command() {
	o.mu.Lock()
	o.count++
	event := o.event
	due := event != nil && o.count == o.at
	o.mu.Unlock()
	if due {
		event()
	}
}

func (*overtaken) DialHook(next redis.DialHook) redis.DialHook { return next }

func (o *overtaken) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.EqualFold(cmd.Name(), "hello") {
			o.command()
		}
		return next(ctx, cmd)
	}
}

func (o *overtaken) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		o.command()
		return next(ctx, cmds)
	}
}

// overtake returns two instances over one store, the second with a hook.
func overtake(t *testing.T, b redistest.Backend) (first, second *world, hook *overtaken) {
	first, hook = newWorld(t, b.Client), &overtaken{}
	client := connect(config.Redis{Mode: config.Standalone, Addrs: b.Addrs})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(hook)
	in := first.in
	in.runner = &durable.Runner{Client: client}
	return first, instance(t, in, first.clock), hook
}

// What ends something ends it also in the middle of every request that is under way, between any two of its commands (rows O-06, S-03,
// M-15, F-08).
func TestEveryInterleaving(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	first, second, hook := overtake(t, b)
	first.post("/api/org", adminToken, `{"slug":"elsewhere"}`).want(t, http.StatusCreated)
	requests := map[string]func(name, given string) answer{
		"login":   func(name, _ string) answer { return second.try(name+"-name", janePass, `,"org":"default"`) },
		"refresh": func(_, given string) answer { return second.refresh(member(t, given, "refresh_token")) },
		"entry": func(name, _ string) answer {
			return second.put("/api/user/"+name+"-name/metadata/b", adminToken, `{"value":1,"profileClaim":true}`)
		},
		"application's entry": func(name, _ string) answer {
			return second.put("/api/user/"+name+"/metadata/b?app=another", adminToken, `{"value":1,"profileClaim":true}`)
		},
		"renaming": func(name, _ string) answer {
			return second.patch("/api/user/"+name, adminToken, `{"username":"`+name+`-new","email":"new-`+name+`@x.example","email_verified":true}`)
		},
		"password": func(name, _ string) answer {
			return second.put("/api/user/"+name+"/password", adminToken, `{"password":"another of his own"}`)
		},
		"own password": func(_, given string) answer {
			return second.put("/api/user/me/password", member(t, given, "access_token"), `{"password":"another of his own","current_password":"`+janePass+`"}`)
		},
		"disabling": func(name, _ string) answer { return second.patch("/api/user/"+name, adminToken, `{"disabled":true}`) },
		"leaving": func(name, _ string) answer {
			return second.patch("/api/user/"+name, adminToken, `{"orgs":["elsewhere"]}`)
		},
		"revocation": func(_, given string) answer {
			return second.form("/oauth/revoke", "client_id", "login", "token", member(t, given, "access_token"))
		},
		"userinfo": func(_, given string) answer { return second.get("/oauth/userinfo", member(t, given, "access_token")) },
		"deletion": func(name, _ string) answer { return second.delete("/api/user/"+name+"-name", adminToken) },
	}
	events := map[string]func(name, given string) answer{
		"deletion": func(name, _ string) answer {
			if a := first.delete("/api/user/"+name, adminToken); a.status != http.StatusNotFound {
				return a
			}
			return first.delete("/api/user/"+name+"?org=elsewhere", adminToken) // or he is gone already
		},
		"disabling": func(name, _ string) answer {
			return first.patch("/api/user/"+name, adminToken, `{"disabled":true}`)
		},
		"a new password": func(name, _ string) answer {
			return first.put("/api/user/"+name+"/password", adminToken, `{"password":"chosen by an operator"}`)
		},
		"leaving": func(name, _ string) answer {
			return first.patch("/api/user/"+name, adminToken, `{"orgs":["elsewhere"]}`)
		},
		"revocation": func(_, given string) answer {
			return first.form("/oauth/revoke", "client_id", "login", "token", member(t, given, "refresh_token"))
		},
	}
	count, total := 0, 0
	for what, request := range requests {
		for end, event := range events {
			if end != "deletion" && what != "login" && what != "refresh" {
				continue // nothing is issued
			}
			if what == "login" && end == "revocation" {
				continue // of another session
			}
			for n := 1; ; n++ {
				count++
				name := fmt.Sprintf("subject-%d-of-a-test", count)
				first.address = fmt.Sprintf("198.51.%d.%d:1", count/250, count%250)
				second.address = first.address
				given := withSession(first, name)
				for _, app := range []string{"", "?app=login"} {
					first.put("/api/user/"+name+"/metadata/a"+app, adminToken, `{"value":1,"profileClaim":true}`).want(t, http.StatusOK)
				}
				pass(time.Second, first, second)
				var ended answer
				hook.next(n, func() { ended = event(name, given) })
				a := request(name, given)
				if commands := hook.disarm(); commands < n {
					break
				}
				total++
				where := fmt.Sprintf("%s before command %d of a %s", end, n, what)
				gone := end == "deletion" && ended.status == http.StatusNotFound
				if ended.status >= http.StatusBadRequest && !gone || a.status >= http.StatusInternalServerError {
					t.Errorf("%s: %d %s and %d %s", where, ended.status, ended.body, a.status, a.body)
				}
				if end == "deletion" { // before anybody uses the tokens, which would tidy up
					onlyTombstones(t, first, b, []string{name})
				}
				if strings.Contains(a.body, "access_token") {
					for _, w := range []*world{first, second} {
						if live := w.introspectAs(adminToken, a.text(t, "access_token")); live.body != inactive {
							t.Errorf("%s: the token is %s", where, live.body)
						}
					}
					if again := first.refresh(a.text(t, "refresh_token")); again.status != http.StatusBadRequest {
						t.Errorf("%s: a refresh: %d", where, again.status)
					}
				}
				if t.Failed() {
					t.Fatalf("%s: %d %s", where, a.status, a.body)
				}
			}
		}
	}
	t.Logf("%d interleavings", total)
}

// Two want one name, and one of them acts between any two commands of the other: one of them gets it, and his record and the way to
// him agree.
func TestEveryInterleavingForAName(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	first, second, hook := overtake(t, b)
	want := map[string]func(w *world, id, name string) answer{
		"creation": func(w *world, _, name string) answer {
			return w.post("/api/user", adminToken, `{"username":"`+name+`"}`)
		},
		"renaming": func(w *world, id, name string) answer {
			return w.patch("/api/user/"+id, adminToken, `{"username":"`+name+`"}`)
		},
		"creation and deletion": func(w *world, _, name string) answer {
			a := w.post("/api/user", adminToken, `{"username":"`+name+`"}`)
			if a.status == http.StatusCreated {
				return w.delete("/api/user/"+a.text(w.t, "id"), adminToken)
			}
			return a
		},
		"renaming and back": func(w *world, id, name string) answer {
			a := w.patch("/api/user/"+id, adminToken, `{"username":"`+name+`"}`)
			if a.status == http.StatusOK {
				return w.patch("/api/user/"+id, adminToken, `{"username":"`+name+`-of-his"}`)
			}
			return a
		},
	}
	count := 0
	for _, mine := range []string{"creation", "renaming"} {
		for his, event := range want {
			for n := 1; ; n++ {
				count++
				name := fmt.Sprintf("wanted-%d", count)
				me, him := withoutPassword(first, name+"-me"), withoutPassword(first, name+"-him")
				pass(time.Second, first, second)
				var other answer
				hook.next(n, func() { other = event(first, him, name) })
				a := want[mine](second, me, name)
				if commands := hook.disarm(); commands < n {
					break
				}
				where := fmt.Sprintf("%s before command %d of a %s: %d and %d", his, n, mine, other.status, a.status)
				for _, status := range []int{a.status, other.status} {
					if status >= http.StatusBadRequest && status != http.StatusConflict {
						t.Fatal(where)
					}
				}
				keeps := his == "creation" || his == "renaming"
				got := 0
				for _, done := range []bool{a.status < http.StatusBadRequest, keeps && other.status < http.StatusBadRequest} {
					if done {
						got++
					}
				}
				if got > 1 || got == 0 && keeps {
					t.Fatalf("%s: %d have the name", where, got)
				}
				var owners []string
				for _, u := range first.get("/api/user?limit=200", adminToken).want(t, http.StatusOK).json(t)["users"].([]any) {
					if u := u.(map[string]any); u["username"] == name {
						owners = append(owners, u["id"].(string))
					}
				}
				if len(owners) != got {
					t.Fatalf("%s: the name of %v", where, owners)
				}
				leads := first.get("/api/user/"+name, adminToken)
				if got == 1 && leads.want(t, http.StatusOK).text(t, "id") != owners[0] || got == 0 && leads.status != http.StatusNotFound {
					t.Fatalf("%s: the name of %v leads to %s", where, owners, leads.body)
				}
				for _, owner := range owners {
					first.delete("/api/user/"+owner, adminToken).want(t, http.StatusNoContent)
				}
				for _, id := range []string{me, him} { // or the list gets long
					first.delete("/api/user/"+id, adminToken)
				}
				first.post("/api/user", adminToken, `{"username":"`+name+`"}`).want(t, http.StatusCreated) // it is free again
			}
		}
	}
}
