package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// auditEvent is a record of the audit log.
type auditEvent struct {
	Time      time.Time `json:"time"`
	Message   string    `json:"msg"`
	Action    string    `json:"action"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason"`
	Actor     string    `json:"actor"`
	Org       string    `json:"org"`
	Target    string    `json:"target"`
	RequestID string    `json:"request_id"`
	Address   string    `json:"address"`
	Dialect   string    `json:"dialect"`
}

// events are the audit events in a log.
func events(t *testing.T, log string) (all []auditEvent) {
	t.Helper()
	for line := range strings.Lines(log) {
		var e auditEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Message == "audit" {
			all = append(all, e)
		}
	}
	return all
}

var (
	generated = regexp.MustCompile(`\b[a-z2-7]{24,26}\b`)
	sessionID = regexp.MustCompile(`/[A-Za-z0-9_-]{16}$`)
)

// Every security operation leaves exactly one record, whether it succeeded or was refused: who, what, where, whence, how it ended (row
// P-01). The golden file is the whole list.
func TestAuditEvents(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.address = "203.0.113.77:5000"
	operator, reader, foreign, machine := c.acme.operator, c.acme.reader, c.globex.operator, c.acme.machineToken
	user := c.loginAs(c.acme.user, "")
	self := user.text(t, "access_token")
	throttled := func() answer {
		for {
			if a := c.try("acme-other", "not the password", ""); a.status == http.StatusTooManyRequests {
				return a
			}
		}
	}
	replayed := c.loginAs(c.acme.user, "").text(t, "refresh_token")
	refreshToken(t, c.refresh(refreshToken(t, c.refresh(replayed))))

	type step struct {
		name string
		do   func() answer
	}
	ask := func(method, target, bearer, body string) step {
		who := map[string]string{adminToken: "admin", operator: "operator", reader: "reader", foreign: "foreign", machine: "machine", self: "user", "": "nobody", "nonsense": "nonsense"}[bearer]
		return step{method + " " + target + " " + who, func() answer { return c.send(method, target, bearer, body) }}
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "request\tstatus\taction\toutcome\treason\tactor\torg\ttarget")
	for _, s := range []step{
		{"login", func() answer { return c.try("acme-user", c.acme.user.password, "") }},
		{"login, wrong password", func() answer { return c.try("acme-user", "not the password", "") }},
		{"login, nobody's name", func() answer { return c.try("nobody", "not the password", "") }},
		{"login, another organisation", func() answer { return c.try("acme-user", c.acme.user.password, `,"org":"globex"`) }},
		{"login by form", func() answer {
			return c.form("/oauth/token", "grant_type", "password", "client_id", "login", "username", "acme-user", "password", c.acme.user.password)
		}},
		{"login, unknown client", func() answer { return c.try("acme-user", c.acme.user.password, `,"client_id":"cs_cs_secret"`) }},
		{"login, without a password", func() answer { return c.try("acme-user", "", "") }},
		{"refresh", func() answer { return c.refresh(user.text(t, "refresh_token")) }},
		{"refresh, nonsense", func() answer { return c.refresh("nonsense") }},
		{"refresh, replay", func() answer { return c.refresh(replayed) }},
		{"client_credentials", func() answer {
			return c.clientForm("/oauth/token", c.acme.machine, "grant_type", "client_credentials", "scope", "iam/")
		}},
		{"client_credentials, wrong secret", func() answer {
			return c.clientForm("/oauth/token", client{"acme-machine", "x"}, "grant_type", "client_credentials")
		}},
		{"client_credentials, wider scope", func() answer {
			return c.clientForm("/oauth/token", c.acme.plain, "grant_type", "client_credentials", "scope", "iam/")
		}},
		{"unknown grant", func() answer { return c.clientForm("/oauth/token", c.acme.plain, "grant_type", "urn:secret") }},
		{"grant not allowed", func() answer { return c.clientForm("/oauth/token", c.acme.plain, "grant_type", "refresh_token") }},
		{"revocation", func() answer {
			return c.form("/oauth/revoke", "client_id", "login", "token", c.loginSilently())
		}},
		{"revocation of nonsense", func() answer { return c.form("/oauth/revoke", "client_id", "login", "token", "nonsense") }},
		{"revocation, wrong secret", func() answer { return c.clientForm("/oauth/revoke", client{"acme-plain", "x"}, "token", "x") }},
		{"introspection, wrong secret", func() answer { return c.introspect(client{"acme-plain", "x"}, self) }},
		ask("GET", "/api/user/acme-user-id", "nonsense", ""),
		ask("GET", "/api/user/acme-other-id/metadata", self, ""),
		ask("GET", "/api/user/acme-other-id/metadata/note", self, ""),
		ask("PUT", "/api/user/acme-user-id/metadata/note", operator, `{"value":"a value"}`),
		ask("PUT", "/api/user/acme-user-id/metadata/note", reader, `{"value":"a value"}`),
		ask("PUT", "/api/user/acme-user-id/metadata/note?org=acme", foreign, `{"value":"a value"}`),
		ask("PUT", "/api/user/me/metadata/note", self, `{"value":"a value"}`),
		ask("PUT", "/api/user/me/metadata/role", self, `{"value":"a value","profileClaim":true}`),
		ask("PUT", "/api/user/acme-user-id/metadata/note", machine, `{"value":"a value"}`),
		ask("PATCH", "/api/user/acme-user-id/metadata", operator, `{"set":[{"key":"k","value":"a value"}],"delete":["note"]}`),
		ask("PATCH", "/api/user/acme-user-id/metadata", reader, `{"delete":["k"]}`),
		ask("PUT", "/api/user/acme-user-id/metadata", operator, `{"metadata":[]}`),
		ask("PUT", "/api/user/acme-user-id/metadata", reader, `{"metadata":[]}`),
		ask("DELETE", "/api/user/acme-user-id/metadata/k", operator, ""),
		ask("DELETE", "/api/user/acme-user-id/metadata/k", reader, ""),
		ask("POST", "/api/user", operator, `{"id":"made","username":"made"}`),
		ask("POST", "/api/user", reader, `{"id":"made-2"}`),
		ask("POST", "/api/user", operator, `{"id":"made"}`),
		ask("POST", "/api/user?org=acme", foreign, `{"id":"made-3"}`),
		ask("PATCH", "/api/user/made", operator, `{"profile":{"name":"A Name"}}`),
		ask("PATCH", "/api/user/made", reader, `{}`),
		ask("PATCH", "/api/user/made", operator, `{"orgs":["acme","globex"]}`),
		ask("PATCH", "/api/user/made?org=acme", foreign, `{}`),
		ask("PATCH", "/api/user/made", operator, `{"disabled":true}`),
		ask("PUT", "/api/user/made/password", operator, `{"password":"a password of his"}`),
		ask("PUT", "/api/user/made/password", reader, `{"password":"a password of his"}`),
		ask("PUT", "/api/user/made/password", operator, `{"password":"short"}`),
		ask("PUT", "/api/user/me/password", self, `{"password":"a password of his","current_password":"not it"}`),
		ask("PUT", "/api/user/me/password", self, `{"password":"a password of his","current_password":"x","temporary":true}`),
		{"DELETE /api/user/acme-other-id/session/… operator", func() answer {
			return c.delete("/api/user/acme-other-id/session/"+c.silentSession("acme-other-id"), operator)
		}},
		{"DELETE /api/user/acme-other-id/session/… reader", func() answer {
			return c.delete("/api/user/acme-other-id/session/"+c.silentSession("acme-other-id"), reader)
		}},
		{"DELETE /api/user/acme-other-id/session/… foreign", func() answer {
			return c.delete("/api/user/acme-other-id/session/"+c.silentSession("acme-other-id")+"?org=acme", foreign)
		}},
		ask("DELETE", "/api/user/acme-other-id/session/cs_cs_secret", operator, ""),
		ask("DELETE", "/api/user/acme-other-id/session", operator, ""),
		ask("DELETE", "/api/user/acme-other-id/session", reader, ""),
		ask("DELETE", "/api/user/acme-other-id/session", self, ""),
		ask("DELETE", "/api/user/acme-other-id/factor", operator, ""),
		ask("DELETE", "/api/user/acme-other-id/factor", reader, ""),
		ask("DELETE", "/api/user/acme-user-id/factor", self, ""),
		ask("DELETE", "/api/user/acme-other-id/consent/acme-plain", operator, ""),
		ask("DELETE", "/api/user/acme-other-id/consent/acme-plain", reader, ""),
		ask("DELETE", "/api/user/acme-other-id/consent/acme-plain?org=acme", foreign, ""),
		ask("DELETE", "/api/user/me/consent/acme-plain", self, ""),
		ask("PUT", "/api/user/acme-other-id/role", reader, `{"role":"reader"}`),
		ask("PUT", "/api/user/acme-other-id/role", machine, `{"role":"reader"}`),
		ask("PUT", "/api/user/acme-other-id/role?org=acme", foreign, `{"role":"reader"}`),
		ask("PUT", "/api/user/acme-other-id/role", operator, `{"role":"admin"}`),
		ask("PUT", "/api/user/acme-other-id/role", operator, `{"role":"cs_cs_secret"}`),
		ask("PUT", "/api/user/acme-other-id/role", operator, `{"role":"reader"}`),
		ask("PUT", "/api/user/acme-other-id/password", machine, `{"password":"a password of his"}`),
		ask("DELETE", "/api/user/acme-other-id/role", operator, ""),
		ask("GET", "/api/audit/export?action=none", reader, ""),
		ask("GET", "/api/audit/export?org=acme", foreign, ""),
		ask("GET", "/api/audit/verify", operator, ""),
		ask("GET", "/api/audit/verify", machine, ""),
		ask("DELETE", "/api/user/made", reader, ""),
		ask("DELETE", "/api/user/made?org=acme", foreign, ""),
		ask("DELETE", "/api/user/made", operator, ""),
		ask("DELETE", "/api/user/made", operator, ""),
		ask("POST", "/api/org", adminToken, `{"slug":"initech"}`),
		ask("POST", "/api/org", operator, `{"slug":"initech"}`),
		ask("POST", "/api/org", adminToken, `{"slug":"initech"}`),
		ask("PATCH", "/api/org/initech", adminToken, `{"disabled":true}`),
		ask("PATCH", "/api/org/acme", operator, `{"name":"A Name"}`),
		ask("PATCH", "/api/org/acme", foreign, `{"name":"A Name"}`),
		ask("POST", "/api/client", operator, `{"client_id":"made-app"}`),
		ask("POST", "/api/client", reader, `{"client_id":"made-app-2"}`),
		ask("POST", "/api/client", operator, `{"client_id":"made-app"}`),
		ask("PATCH", "/api/client/made-app", operator, `{"name":"A Name"}`),
		ask("PATCH", "/api/client/made-app", machine, `{"name":"A Name"}`),
		ask("PATCH", "/api/client/made-app?org=acme", foreign, `{"name":"A Name"}`),
		ask("POST", "/api/client/made-app/secret", operator, ""),
		ask("POST", "/api/client/made-app/secret", reader, ""),
		ask("DELETE", "/api/client/made-app", reader, ""),
		ask("DELETE", "/api/client/made-app", operator, ""),
		ask("POST", "/api/token", operator, `{"role":"reader","name":"A Name"}`),
		ask("POST", "/api/token", operator, `{"role":"admin"}`),
		ask("POST", "/api/token", foreign, `{"role":"reader","org":"acme"}`),
		{"DELETE /api/token/… operator", func() answer { return c.delete("/api/token/"+c.silentToken(), operator) }},
		{"DELETE /api/token/… reader", func() answer { return c.delete("/api/token/"+c.silentToken(), reader) }},
		{"DELETE /api/token/… foreign", func() answer { return c.delete("/api/token/"+c.silentToken(), foreign) }},
		{"login, throttled", throttled},
	} {
		c.silent = 0
		before := len(events(t, c.log.String()))
		a := s.do()
		all := events(t, c.log.String())[before+c.silent:]
		if s.name == "login, throttled" { // and those before it, which were not
			all = all[len(all)-1:]
		}
		if len(all) != 1 {
			t.Errorf("%s: %d events: %+v", s.name, len(all), all)
			continue
		}
		e := all[0]
		if e.RequestID == "" || e.RequestID != a.header.Get("X-Request-Id") || e.Address != "203.0.113.77" || e.Time.IsZero() ||
			(e.Dialect != "native" && e.Dialect != "oidc") {
			t.Errorf("%s: the event is %+v", s.name, e)
		}
		if succeeded := a.status < http.StatusBadRequest; succeeded != (e.Outcome == "success") {
			t.Errorf("%s: %d and %s", s.name, a.status, e.Outcome)
		}
		dash := func(text string) string {
			if text == "" {
				return "-"
			}
			return sessionID.ReplaceAllString(generated.ReplaceAllString(text, "…"), "/…")
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.name, a.status, e.Action, e.Outcome, dash(e.Reason), dash(e.Actor), dash(e.Org), dash(e.Target))
	}
	_ = w.Flush()
	golden(t, "audit.golden", table.Bytes())
	for _, value := range []string{"a value", "A Name", "a password of his", c.acme.user.password, self, "cs_cs_secret", "urn:secret", "not the password", c.acme.machine.secret} {
		if strings.Contains(c.log.String(), value) {
			t.Errorf("the log has %q", value)
		}
	}
}

// loginSilently is a login that is not part of the step.
func (c *cast) loginSilently() string {
	c.silent++
	return c.loginAs(c.acme.user, "").text(c.t, "refresh_token")
}

func (c *cast) silentSession(user string) string {
	c.silent++
	return c.startSession(user).ID
}

func (c *cast) silentToken() string {
	c.silent++
	return c.post("/api/token", c.acme.operator, `{"role":"reader"}`).want(c.t, http.StatusCreated).text(c.t, "id")
}

// The keys are changed from the command line; that is recorded too.
func TestAuditOfKeys(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	before := len(events(t, c.log.String()))
	ctx := context.Background()
	next, err := c.app.ring.Rotate(ctx, auth.System().Ref(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.app.ring.Withdraw(ctx, auth.System().Ref(), next.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.app.ring.Withdraw(ctx, auth.System().Ref(), "no-such-key"); err == nil {
		t.Error("a key that is not there was withdrawn")
	}
	var got []string
	for _, e := range events(t, c.log.String())[before:] {
		got = append(got, strings.Join([]string{e.Action, e.Outcome, e.Reason, e.Actor, strings.Replace(e.Target, next.ID, "…", 1)}, " "))
	}
	want := "keys.rotate success  system key:…\nkeys.withdraw success  system key:…\nkeys.withdraw denied not_found system key:no-such-key"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// What failed inside stays inside (row I-08).
func TestErrorsHaveNothingInternal(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	internal := regexp.MustCompile(`(?i)redis|goroutine|\.go\b|/work|/root|panic|127\.0\.0\.1|\{\d{3}\}|cs:|echo|json:|unmarshal|sha256|evalsha|reflect|struct|<nil>|0x[0-9a-f]{6}|golang|v\d+\.\d+\.\d+`)
	see := func(a answer) {
		t.Helper()
		if a.status < http.StatusBadRequest {
			return
		}
		text := strings.NewReplacer("https://tools.ietf.org/html/", "", traceID.FindString(a.body), "").Replace(a.body)
		if found := internal.FindString(text); found != "" {
			t.Errorf("%q in %d %s", found, a.status, a.body)
		}
		for _, name := range []string{"Server", "X-Powered-By", "Via"} {
			if a.header.Get(name) != "" {
				t.Errorf("header %s: %s", name, a.header.Get(name))
			}
		}
		if id := a.header.Get("X-Request-Id"); id == "" || strings.Contains(a.body, "traceId") && !strings.Contains(a.body, id) {
			t.Errorf("request %q: %s", id, a.body)
		}
	}
	bodies := []string{
		"", "{", "null", "[]", `"x"`, "5", "{}{}", `{"a":1,"a":2}`, `{"\ud800":1}`, "{\"a\":\"\xff\"}", `{"value":1e999999}`, `{"value":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		`{"username":5,"orgs":"x","profile":[],"slug":{},"role":[],"metadata":5,"set":5,"password":{},"client_id":[]}`, strings.Repeat("x", 3<<20),
	}
	for _, op := range operations {
		method, _, _ := strings.Cut(op.route, " ")
		target, _ := op.prepare(c)
		for _, body := range bodies {
			see(c.send(method, target, adminToken, body))
			see(c.send(method, target, "nonsense", body))
		}
	}
	for _, target := range []string{"/login", "/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo"} {
		for _, body := range bodies {
			see(c.post(target, "", body))
			see(c.send(http.MethodPost, target, "", body, "Content-Type", formType))
		}
	}
	for _, target := range []string{"/", "/api", "/api/", "/api/user/%zz", "/api/user/%00", "/api/user/%ff", "/../etc/passwd", "/api//user", "/debug/pprof", "/metrics", "/oauth/authorize", "/.well-known/x"} {
		r, err := http.NewRequest(http.MethodGet, "http://id.example", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawPath = target, target
		see(c.serve(r))
	}
	// What is stored wrongly, too: every record damaged in every way.
	c.accepted(c.loginAs(c.acme.user, "").text(t, "access_token"))
	access := c.loginAs(c.acme.user, "").text(t, "access_token")
	pass(2*time.Second, c.world)
	for key := range b.TTLs(t) {
		if strings.Contains(key, "keys") || strings.HasPrefix(key, "rate:") {
			continue
		}
		switch kind := b.Client.Type(t.Context(), key).Val(); kind {
		case "hash":
			for field := range b.Client.HGetAll(t.Context(), key).Val() {
				b.Client.HSet(t.Context(), key, field, `{"x":`)
			}
		default:
			b.Client.Del(t.Context(), key)
			b.Client.HSet(t.Context(), key, "of another", "type")
		}
	}
	damaged := 0
	for _, a := range []answer{
		c.get("/api/user/acme-user-id", adminToken), c.get("/api/user", c.acme.operator), c.get("/api/user/acme-user/metadata", adminToken),
		c.try("acme-user", c.acme.user.password, ""), c.get("/oauth/userinfo", access), c.introspectAs(adminToken, access),
		c.clientForm("/oauth/token", c.acme.machine, "grant_type", "client_credentials"), c.get("/api/org/acme", adminToken),
		c.put("/api/user/acme-user-id/metadata/a", adminToken, `{"value":1}`), c.delete("/api/user/acme-user-id", adminToken),
	} {
		see(a)
		if a.status == http.StatusServiceUnavailable {
			damaged++
		} else if a.status < http.StatusBadRequest {
			t.Errorf("of damaged records: %d %s", a.status, a.body)
		}
	}
	if damaged == 0 {
		t.Error("nothing noticed the damage")
	}
}
