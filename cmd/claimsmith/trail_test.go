package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// trailEvent is an event as the API shows it.
type trailEvent struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Action  string    `json:"action"`
	Actor   string    `json:"actor"`
	Org     string    `json:"org"`
	Target  string    `json:"target"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	Request string    `json:"request_id"`
	Address string    `json:"address"`
	Dialect string    `json:"dialect"`
	Hash    string    `json:"hash"`
}

// written has everything written that was recorded so far.
func (w *world) written() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := w.app.recorder.Flush(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// trail pages through the audit events a query selects.
func (w *world) trail(bearer string, query url.Values) (all []trailEvent) {
	w.t.Helper()
	w.written()
	for {
		a := w.get("/api/audit?"+query.Encode(), bearer).want(w.t, http.StatusOK)
		var page struct {
			Events []trailEvent `json:"events"`
			Next   string       `json:"next"`
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, page.Events...)
		if page.Next == "" {
			return all
		}
		query.Set("cursor", page.Next)
	}
}

func (w *world) exported(bearer, query string) (all []trailEvent) {
	w.t.Helper()
	w.written()
	a := w.get("/api/audit/export"+query, bearer).want(w.t, http.StatusOK)
	for line := range strings.Lines(a.body) {
		var e trailEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func (w *world) verified(bearer, org string) audit.Verification {
	w.t.Helper()
	w.written()
	var v audit.Verification
	a := w.get("/api/audit/verify?org="+org, bearer).want(w.t, http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

func actionsOf(events []trailEvent) (actions []string) {
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	return actions
}

// Each organisation has its own log of what was done in it, which tells its operators all, and others nothing (rows P-01, A-01).
func TestTrail(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		c.address = "203.0.113.77:5000"
		last := c.trail(c.acme.operator, url.Values{"limit": {"1"}})[0].Seq
		c.put("/api/user/acme-user-id/metadata/note", c.acme.operator, `{"value":"a value"}`).want(t, 200)
		c.try("acme-user", "not the password", "").want(t, 400)
		c.refresh(c.loginAs(c.acme.user, "").text(t, "refresh_token")).want(t, 200)
		c.put("/api/user/acme-user-id/role", c.acme.operator, `{"role":"reader"}`).want(t, 200)
		c.get("/api/user", "nonsense").want(t, 401)
		c.patch("/api/client/acme-plain", c.acme.operator, `{"name":"App"}`).want(t, 200)
		c.delete("/api/user/acme-other-id", c.acme.reader).want(t, 403)

		all := c.trail(c.acme.reader, url.Values{"limit": {"3"}})
		slices.Reverse(all)
		for n, e := range all {
			if e.Seq != uint64(n)+1 || e.Org != acme || e.Hash == "" || e.Time.IsZero() {
				t.Errorf("event %d is %+v", n+1, e)
			}
		}
		var got []string
		for _, e := range all[last:] {
			if e.Request == "" || e.Address != "203.0.113.77" || e.Dialect == "" {
				t.Errorf("%+v", e)
			}
			actor, _, _ := strings.Cut(e.Actor, ":")
			got = append(got, strings.Join([]string{e.Action, e.Outcome, e.Reason, actor, e.Target}, " "))
		}
		want := []string{
			"metadata.write success  token user:acme-user-id",
			"token.password denied invalid_credentials client user:acme-user-id",
			"token.password success  client user:acme-user-id",
			"user.role success  token user:acme-user-id",
			"client.update success  token client:acme-plain",
			"user.delete denied access_denied token user:acme-other-id",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("acme's log:\n%s", diff)
		}
		if diff := cmp.Diff(all, c.exported(c.acme.operator, "")); diff != "" {
			t.Errorf("the export differs from the list:\n%s", diff)
		}
		if got := actionsOf(c.trail(c.acme.operator, url.Values{"action": {"audit."}})); !slices.Equal(got, []string{"audit.export"}) {
			t.Errorf("of the export the log has %q", got)
		}
		for query, want := range map[string][]string{
			"action=client.update":                           {"client.update"},
			"outcome=denied&action=user.":                    {"user.delete"},
			"target=user%3Aacme-user-id&action=user.role":    {"user.role"},
			"actor=client%3Alogin&outcome=denied":            {"token.password"},
			"to=2001-01-01T00:00:00Z":                        nil,
			"from=2199-01-01T00:00:00%2B01:00&action=audit.": nil,
		} {
			values, _ := url.ParseQuery(query)
			if got := actionsOf(c.trail(c.acme.operator, values)); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
			if got := actionsOf(c.exported(c.acme.operator, "?"+query)); !slices.Equal(got, want) {
				t.Errorf("%s exported: %q, want %q", query, got, want)
			}
		}

		own := actionsOf(c.trail(adminToken, url.Values{"org": {"-"}}))
		if !slices.Contains(own, "keys.init") || !slices.Contains(own, "api.authenticate") || slices.Contains(own, "metadata.write") {
			t.Errorf("the installation's log has %q", own)
		}
		for _, path := range []string{"/api/audit", "/api/audit/export", "/api/audit/verify"} {
			for _, a := range []attempt{
				{"GET", path + "?org=acme", c.globex.operator, "", 404},
				{"GET", path + "?org=acme", c.globex.reader, "", 404},
				{"GET", path, c.acme.machineToken, "", 404},
				{"GET", path + "?org=-", c.acme.operator, "", 404},
				{"GET", path, c.loginAs(c.acme.user, "").text(t, "access_token"), "", 404},
				{"GET", path, "", "", 401},
				{"GET", path + "?org=" + url.QueryEscape("a{b}"), adminToken, "", 404},
				{"GET", path + "?x=1", c.acme.operator, "", 400},
			} {
				c.attempt([]attempt{a})
			}
		}
		for _, query := range []string{"outcome=x", "from=yesterday", "to=", "limit=0", "limit=1000", "cursor=x", "action=a&action=b"} {
			c.get("/api/audit?"+query, c.acme.operator).want(t, 400)
		}
		if v := c.verified(c.acme.operator, acme); v.Broken != 0 || v.Why != "" || v.First != 1 || v.Last == 0 || v.Head == "" {
			t.Errorf("%+v", v)
		}
		if v := c.verified(adminToken, "-"); v.Broken != 0 || v.Last == 0 {
			t.Errorf("%+v", v)
		}
		b.Client.XDel(t.Context(), c.in.space.Audit(acme), "2-0")
		if v := c.verified(c.acme.reader, acme); v.Broken != 2 || v.Why == "" {
			t.Errorf("with an event removed: %+v", v)
		}
	})
}

// A login that fails in a browser is known to the organisation whose user it was tried for.
func TestTrailOfLoginPages(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	if _, err := c.app.authorize.SignIn(t.Context(), nil, "acme-user", "not the password", "192.0.2.9"); err == nil {
		t.Fatal("logged in")
	}
	events := c.trail(c.acme.operator, url.Values{"action": {"login.password"}})
	if len(events) != 1 || events[0].Target != "user:acme-user-id" || events[0].Outcome != "denied" || events[0].Actor != "" {
		t.Errorf("%+v", events)
	}
}

// The log stays one when it is written by many instances, and outlives what it is about.
func TestTrailOfManyInstances(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	other := c.again()
	for n := range 20 {
		w := []*world{c.world, other}[n%2]
		w.put("/api/user/acme-user-id/metadata/note", c.acme.operator, `{"value":1}`).want(t, 200)
		w.written()
	}
	c.delete("/api/user/acme-user-id", c.acme.operator).want(t, 204)
	events := c.trail(c.acme.operator, url.Values{"target": {"user:acme-user-id"}, "action": {"metadata.write"}})
	if len(events) != 20 {
		t.Errorf("%d events", len(events))
	}
	if v := c.verified(c.acme.operator, acme); v.Broken != 0 {
		t.Errorf("%+v", v)
	}
}
