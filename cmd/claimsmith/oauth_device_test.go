package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// device is something without a browser that waits for its user.
type device struct {
	w      *world
	client string
	answer
}

func (w *world) newDeviceClient(id, members string) {
	w.t.Helper()
	w.post("/api/client", adminToken, `{"client_id":"`+id+`","preset":"device","first_party":true`+members+`}`).want(w.t, http.StatusCreated)
}

func (w *world) newDevice(client string, headers ...string) *device {
	w.t.Helper()
	a := w.postForm("/oauth/device", []string{"client_id", client, "scope", "openid profile"}, headers...).want(w.t, http.StatusOK)
	return &device{w, client, a}
}

func (d *device) code() string { return d.text(d.w.t, "device_code") }

func (d *device) poll(headers ...string) answer {
	d.w.t.Helper()
	return d.w.postForm("/oauth/token", []string{"grant_type", deviceGrant, "client_id", d.client, "device_code", d.code()}, headers...)
}

// settle has jane press a button on the page of the device.
func (d *device) settle(button string) *page {
	d.w.t.Helper()
	p := d.w.newBrowser().open(d.text(d.w.t, "verification_uri_complete")).want(http.StatusOK)
	if p.element("continue") != nil {
		p = p.submit("continue")
	}
	if p.element("login") != nil {
		p = p.signIn()
	}
	return p.want(http.StatusOK).submit(button).want(http.StatusOK)
}

const (
	pending      = "the user has not decided yet"
	deviceUsed   = "the code is not valid, or it has been used"
	deviceNot    = "the device code is not valid"
	deviceTooOld = "the device code has expired, begin again"
)

func TestDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newDeviceClient("tv", "")
	d := w.newDevice("tv")
	body := d.json(t)
	user, complete := d.text(t, "user_code"), d.text(t, "verification_uri_complete")
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(user) || complete != testIssuer+"/device?user_code="+user {
		t.Errorf("%s", d.body)
	}
	if body["verification_uri"] != testIssuer+"/device" || body["expires_in"] != json.Number("600") || body["interval"] != json.Number("5") || len(body) != 6 ||
		!strings.HasPrefix(d.code(), "cs_dc_") || d.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", d.header, d.body)
	}
	refused(t, "before", d.poll(), 400, "authorization_pending", pending)
	d.settle("approve")
	w.clock.Advance(6 * time.Second)
	tokens := d.poll().want(t, http.StatusOK)
	id := claimsOf(t, tokens.text(t, "id_token"))
	if id["sub"] != "jane-id" || id["aud"] != "tv" || tokens.text(t, "scope") != "openid profile" || tokens.text(t, "token_type") != "Bearer" {
		t.Errorf("%s %v", tokens.body, id)
	}
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusOK)
	// The code works once; using it again ends what it began (row O-05).
	w.clock.Advance(6 * time.Second)
	refused(t, "again", d.poll(), 400, "invalid_grant", deviceUsed)
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
}

// A user who refuses ends it, and so does time (RFC 8628 §3.5).
func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newDeviceClient("tv", "")
	denied := w.newDevice("tv")
	denied.settle("deny")
	for range 2 {
		w.clock.Advance(6 * time.Second)
		refused(t, "denied", denied.poll(), 400, "access_denied", "the user has refused")
	}
	old := w.newDevice("tv")
	w.clock.Advance(10*time.Minute - time.Second)
	refused(t, "in time", old.poll(), 400, "authorization_pending", pending)
	w.clock.Advance(2 * time.Second)
	refused(t, "too late", old.poll(), 400, "expired_token", deviceTooOld)
}

// Who asks faster than told to is told to wait longer each time (RFC 8628 §3.5).
func TestDevicesSlowDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newDeviceClient("tv", "")
	d := w.newDevice("tv")
	slow := func(what string) {
		t.Helper()
		if a := d.poll(); a.status != http.StatusBadRequest || a.text(t, "error") != "slow_down" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused(t, "first", d.poll(), 400, "authorization_pending", pending)
	w.clock.Advance(4 * time.Second)
	slow("a second too early") // from here on ten
	w.clock.Advance(6 * time.Second)
	slow("after what was enough before") // from here on fifteen
	w.clock.Advance(15 * time.Second)
	refused(t, "patient", d.poll(), 400, "authorization_pending", pending)
	// Two instances count together.
	other := w.again()
	w.clock.Advance(time.Second)
	if a := other.form("/oauth/token", "grant_type", deviceGrant, "client_id", "tv", "device_code", d.code()); a.text(t, "error") != "slow_down" {
		t.Errorf("at another instance: %d %s", a.status, a.body)
	}
}

// A device code is its client's, and nothing near one is one (row O-23).
func TestDeviceRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newDeviceClient("tv", "")
	w.newDeviceClient("radio", "")
	w.webClient("web", `,"public":true`)
	d := w.newDevice("tv")
	code := d.code()
	token := func(client, code string) answer {
		return w.form("/oauth/token", "grant_type", deviceGrant, "client_id", client, "device_code", code)
	}
	refused(t, "another client's", token("radio", code), 400, "invalid_grant", deviceNot)
	refused(t, "a client of another grant", token("web", code), 400, "unauthorized_client", "this client may not use this grant type")
	refused(t, "none", token("tv", ""), 400, "invalid_request", "device_code: device_code is required")
	for what, text := range map[string]string{
		"cut": code[:len(code)-1], "longer": code + "A", "tampered with": tampered(code), "its user code": d.text(t, "user_code"), "another kind": strings.Replace(code, "cs_dc_", "cs_rt_", 1),
		"nonsense": "x", "a code": "cs_ac_x", "long": strings.Repeat("a", 40_000),
	} {
		refused(t, what, token("tv", text), 400, "invalid_grant", deviceNot)
	}
	refused(t, "an authorization code's grant", w.form("/oauth/token", append(codeRequest(code), "client_id", "web")...), 400, "invalid_grant", notThisCode)

	begin := func(parameters ...string) answer { return w.form("/oauth/device", parameters...) }
	refused(t, "no client", begin("scope", "openid"), 401, "invalid_client", noWayAtAll)
	refused(t, "a client of another grant", begin("client_id", "web"), 400, "unauthorized_client", "this client may not use this grant type")
	refused(t, "a scope it may not have", begin("client_id", "tv", "scope", "admin"), 400, "invalid_scope", "scope: this client may ask for: openid, profile, email")
	refused(t, "another organisation", begin("client_id", "tv", "org", "acme"), 400, "invalid_request", "org: this client serves its own organisation only")
	refused(t, "two organisations", begin("client_id", "tv", "org", "acme", "scope", "openid org:default"), 400, "invalid_request", "org: two different organisations are asked for")
	refused(t, "a resource", begin("client_id", "tv", "resource", "https://stock.example"), 400, "invalid_target", "resource: resource is not supported")
	refused(t, "twice", begin("client_id", "tv", "scope", "openid", "scope", "openid"), 400, "invalid_request", "scope: the parameter appears more than once")
	w.post("/oauth/device", "", `{"client_id":"tv"}`).want(t, http.StatusUnsupportedMediaType)
	w.form("/oauth/device?client_id=tv", "client_id", "tv").want(t, http.StatusBadRequest)
	w.get("/oauth/device", "").want(t, http.StatusMethodNotAllowed)
	d.settle("approve") // none of it has hurt
	d.poll().want(t, http.StatusOK)
}

// A device that has proved a key when it began has to prove it when it collects (RFC 9449 §10).
func TestDevicesAreBoundToTheirKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newDeviceClient("tv", `,"require_dpop":true`)
	key, other := w.newSigner("ES256"), w.newSigner("ES256")
	d := w.newDevice("tv", "DPoP", key.proof("POST", "/oauth/device"))
	d.settle("approve")
	refused(t, "no proof", d.poll(), 400, "invalid_dpop_proof", proofWanted)
	w.clock.Advance(6 * time.Second)
	refused(t, "another key", d.poll("DPoP", other.proof("POST", "/oauth/token")), 400, "invalid_grant",
		"the device code is bound to the DPoP key of the device's first request")
	w.clock.Advance(6 * time.Second)
	tokens := d.poll("DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	if tokens.text(t, "token_type") != "DPoP" {
		t.Errorf("%s", tokens.body)
	}
	access := tokens.text(t, "access_token")
	w.send(http.MethodGet, "/oauth/userinfo", "", "", "Authorization", "DPoP "+access, "DPoP", key.proof("GET", "/oauth/userinfo", tokenHash(access))).want(t, http.StatusOK)
}
