package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	proofWanted  = "this client must send a DPoP proof in the header DPoP"
	proofUsed    = "this DPoP proof has been used before"
	notThisCode  = "the code is not valid"
	wrongDPoPKey = "the DPoP proof is by another key than the token is bound to"
)

// spa makes a public client of the code flow whose tokens are bound to keys.
func (w *world) newSPA(id, members string) {
	w.t.Helper()
	w.post("/api/client", adminToken, `{"client_id":"`+id+`","preset":"spa","first_party":true,"require_dpop":true,"redirect_uris":["`+webRedirect+`"]`+members+`}`).
		want(w.t, http.StatusCreated)
}

// bound logs jane in to a client with a proof by the key.
func (w *world) bound(client string, key *signer) answer {
	w.t.Helper()
	return w.postForm("/oauth/token", append(codeRequest(w.codeFor(client)), "client_id", client), "DPoP", key.proof("POST", "/oauth/token")).
		want(w.t, http.StatusOK)
}

// asBound asks with a token of the scheme DPoP, and a proof that is changed.
func (w *world) asBound(method, target, token string, key *signer, changes ...change) answer {
	w.t.Helper()
	return w.send(method, target, "", "", "Authorization", "DPoP "+token, "DPoP", key.proof(method, target, append([]change{tokenHash(token)}, changes...)...))
}

const proofAlgs = `algs="ES256 RS256 EdDSA"`

// A token that is bound to a key stands with a proof of it and nowhere without (RFC 9449 §7).
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newSPA("spa", "")
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		key := w.newSigner(alg)
		tokens := w.bound("spa", key)
		access := tokens.text(t, "access_token")
		cnf, _ := claimsOf(t, access)["cnf"].(map[string]any)
		if tokens.text(t, "token_type") != "DPoP" || cnf["jkt"] != key.thumbprint() || claimsOf(t, tokens.text(t, "id_token"))["cnf"] != nil {
			t.Errorf("%s: %s %v", alg, tokens.body, cnf)
		}
		w.asBound(http.MethodGet, "/oauth/userinfo", access, key).want(t, http.StatusOK)
		w.asBound(http.MethodPost, "/oauth/userinfo", access, key).want(t, http.StatusOK)
		w.asBound(http.MethodHead, "/oauth/userinfo", access, key).want(t, http.StatusOK)
	}
	key, other := w.newSigner("ES256"), w.newSigner("ES256")
	tokens := w.bound("spa", key)
	access := tokens.text(t, "access_token")
	asked := w.introspectAs(adminToken, access).json(t)
	if cnf, _ := asked["cnf"].(map[string]any); asked["active"] != true || asked["token_type"] != "DPoP" || cnf["jkt"] != key.thumbprint() {
		t.Errorf("introspection: %v", asked)
	}

	// As a plain bearer it is refused everywhere, with or without a proof beside it.
	for _, a := range []answer{
		w.get("/oauth/userinfo", access), w.get("/oauth/userinfo", access, "DPoP", key.proof("GET", "/oauth/userinfo", tokenHash(access))),
		w.form("/oauth/userinfo", "access_token", access),
		w.postForm("/oauth/userinfo", []string{"access_token", access}, "DPoP", key.proof("POST", "/oauth/userinfo", tokenHash(access))),
	} {
		refused(t, "as a bearer", a, 401, "invalid_token", "the access token is not valid")
		if got, want := a.header.Get("WWW-Authenticate"), `Bearer error="invalid_token", DPoP `+proofAlgs; got != want {
			t.Errorf("as a bearer: %q, want %q", got, want)
		}
	}
	w.get("/api/user/me", access).want(t, http.StatusUnauthorized)
	w.get("/api/user/me", "", "Authorization", "DPoP "+access, "DPoP", key.proof("GET", "/api/user/me", tokenHash(access))).want(t, http.StatusUnauthorized)
	refused(t, "as an introspector", w.introspectAs(access, access), 401, "invalid_token", "the access token is not valid")

	challenged := func(what string, a answer, code, detail string) {
		t.Helper()
		refused(t, what, a, 401, code, detail)
		if got, want := a.header.Get("WWW-Authenticate"), `DPoP error="`+code+`", `+proofAlgs; got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	plain := w.login().text(t, "access_token")
	challenged("a plain token as a bound one", w.asBound(http.MethodGet, "/oauth/userinfo", plain, key), "invalid_token", "the access token is not valid")
	challenged("another key", w.asBound(http.MethodGet, "/oauth/userinfo", access, other), "invalid_dpop_proof", wrongDPoPKey)
	challenged("no proof", w.get("/oauth/userinfo", "", "Authorization", "DPoP "+access), "invalid_dpop_proof", "exactly one DPoP header is required")
	challenged("no token", w.get("/oauth/userinfo", "", "Authorization", "DPoP"), "invalid_token", "the access token is not valid")
	challenged("nonsense", w.asBound(http.MethodGet, "/oauth/userinfo", "x.y.z", key), "invalid_token", "the access token is not valid")
	noToken := w.get("/oauth/userinfo", "", "DPoP", key.proof("GET", "/oauth/userinfo"))
	if got, want := noToken.header.Get("WWW-Authenticate"), `Bearer, DPoP `+proofAlgs; noToken.status != 401 || got != want {
		t.Errorf("nothing: %d %q, want %q", noToken.status, got, want)
	}
	w.clientForm("/oauth/revoke", client{"spa", ""}, "token", access).want(t, http.StatusOK)
	challenged("revoked", w.asBound(http.MethodGet, "/oauth/userinfo", access, key), "invalid_token", "the access token is not valid")
}

// badProofs are proofs with a fault, and what is said of them (RFC 9449 §4.3).
func badProofs(w *world) map[string]struct {
	changes []change
	detail  string
} {
	now := w.clock.Now()
	type bad = struct {
		changes []change
		detail  string
	}
	secret := func(header, _ map[string]any) {
		jwk, _ := header["jwk"].(map[string]any)
		jwk["d"] = "AAAA"
	}
	symmetric := map[string]any{"kty": "oct", "k": "AAAA"}
	return map[string]bad{
		"another method":         {[]change{claim("htm", "PUT")}, "no proof of possession for this request: htm"},
		"a method of other case": {[]change{claim("htm", "post")}, "no proof of possession for this request: htm"},
		"another host":           {[]change{claim("htu", "https://evil.example/oauth/token")}, "no proof of possession for this request: htu"},
		"another path":           {[]change{claim("htu", testIssuer+"/oauth/token/")}, "no proof of possession for this request: htu"},
		"another scheme":         {[]change{claim("htu", strings.Replace(testIssuer, "https", "http", 1)+"/oauth/token")}, "no proof of possession for this request: htu"},
		"a path alone":           {[]change{claim("htu", "/oauth/token")}, "no proof of possession for this request: htu"},
		"no htm":                 {[]change{claim("htm", nil)}, "required claim missing or out of range: htm"},
		"no htu":                 {[]change{claim("htu", nil)}, "required claim missing or out of range: htu"},
		"no jti":                 {[]change{claim("jti", nil)}, "required claim missing or out of range: jti"},
		"an empty jti":           {[]change{claim("jti", "")}, "required claim missing or out of range: jti"},
		"a long jti":             {[]change{claim("jti", strings.Repeat("x", 1000))}, "required claim missing or out of range: jti"},
		"no iat":                 {[]change{claim("iat", nil)}, "required claim missing or out of range: iat"},
		"iat a minute ago":       {[]change{claim("iat", now.Add(-61*time.Second).Unix())}, "token has expired"},
		"iat in a minute":        {[]change{claim("iat", now.Add(61*time.Second).Unix())}, "token is not valid yet"},
		"iat tomorrow":           {[]change{claim("iat", now.Add(24*time.Hour).Unix())}, "token is not valid yet"},
		"another typ":            {[]change{header("typ", "JWT")}, "wrong token type"},
		"no typ":                 {[]change{header("typ", nil)}, "wrong token type"},
		"no jwk":                 {[]change{header("jwk", nil)}, "required claim missing or out of range: jwk"},
		"jwk is text":            {[]change{header("jwk", "x")}, "required claim missing or out of range: jwk"},
		"a private jwk":          {[]change{secret}, "malformed token: jwk has private members"},
		"a symmetric jwk":        {[]change{header("jwk", symmetric)}, "malformed token: jwk has private members"},
		"alg none":               {[]change{header("alg", "none")}, "wrong signature algorithm"},
		"alg HS256":              {[]change{header("alg", "HS256")}, "wrong signature algorithm"},
		"alg of another kind":    {[]change{header("alg", "RS256")}, "wrong signature algorithm: jwk"},
		"crit":                   {[]change{header("crit", []string{"x"}), header("x", 1)}, "malformed token: header asks for an extension"},
	}
}

func TestProofsAtTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newSPA("spa", "")
	key, other := w.newSigner("ES256"), w.newSigner("ES256")
	form := append(codeRequest(w.codeFor("spa")), "client_id", "spa")
	try := func(headers ...string) answer { return w.postForm("/oauth/token", form, headers...) }
	for what, bad := range badProofs(w) {
		refused(t, what, try("DPoP", key.proof("POST", "/oauth/token", bad.changes...)), 400, "invalid_dpop_proof", "the DPoP proof is not valid: "+bad.detail)
	}
	right := key.proof("POST", "/oauth/token")
	for what, proof := range map[string]string{
		"nonsense": "x", "tampered with": tampered(right), "without its signature": right[:strings.LastIndexByte(right, '.')+1],
		"two in one": right + "," + other.proof("POST", "/oauth/token"), "a line break": right + "\n", "a space before": " " + right, "long": strings.Repeat("a", 20_000),
		"an ID token": w.login().text(t, "id_token"), "empty": "",
	} {
		if a := try("DPoP", proof); a.status != http.StatusBadRequest || a.text(t, "error") != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused(t, "none", try(), 400, "invalid_dpop_proof", proofWanted)
	r := w.request("/oauth/token", form)
	r.Header["Dpop"] = []string{right, other.proof("POST", "/oauth/token")}
	refused(t, "two headers", w.serve(r), 400, "invalid_dpop_proof", "exactly one DPoP header is required")
	// The code has survived all of it.
	try("DPoP", key.proof("POST", "/oauth/token", claim("htu", testIssuer+"/oauth/token?x=1#y"))).want(t, http.StatusOK)
	try("DPoP", right) // used up the code, which is the same key's to use
	refused(t, "again", w.postForm("/oauth/token", append(codeRequest(w.codeFor("spa")), "client_id", "spa"), "DPoP", right), 400, "invalid_dpop_proof", proofUsed)
	if strings.Contains(w.log.String(), right) {
		t.Error("a proof is in the log")
	}
	// The dialect's other address for it is another address.
	elsewhere := append(codeRequest(w.codeFor("spa")), "client_id", "spa")
	refused(t, "for the other address", w.postForm("/connect/token", elsewhere, "DPoP", key.proof("POST", "/oauth/token")), 400, "invalid_dpop_proof",
		"the DPoP proof is not valid: no proof of possession for this request: htu")
	w.postForm("/connect/token", elsewhere, "DPoP", key.proof("POST", "/connect/token")).want(t, http.StatusOK)
}

func TestProofsAtUserInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newSPA("spa", "")
	key := w.newSigner("ES256")
	access := w.bound("spa", key).text(t, "access_token")
	for what, bad := range badProofs(w) {
		a := w.asBound(http.MethodGet, "/oauth/userinfo", access, key, bad.changes...)
		if a.status != http.StatusUnauthorized || a.text(t, "error") != "invalid_dpop_proof" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `DPoP error="invalid_dpop_proof", algs=`) {
			t.Errorf("%s: %d %v %s", what, a.status, a.header, a.body)
		}
	}
	for what, changes := range map[string][]change{
		"no ath": {claim("ath", nil)}, "another ath": {tokenHash("another")}, "the token endpoint's": {claim("htu", testIssuer+"/oauth/token")}, "POST": {claim("htm", "POST")},
	} {
		a := w.asBound(http.MethodGet, "/oauth/userinfo", access, key, changes...)
		if a.status != http.StatusUnauthorized || a.text(t, "error") != "invalid_dpop_proof" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	proof := key.proof("GET", "/oauth/userinfo", tokenHash(access))
	headers := []string{"Authorization", "DPoP " + access, "DPoP", proof}
	w.get("/oauth/userinfo", "", headers...).want(t, http.StatusOK)
	refused(t, "again", w.get("/oauth/userinfo", "", headers...), 401, "invalid_dpop_proof", proofUsed)
	refused(t, "again, at another instance", w.again().get("/oauth/userinfo", "", headers...), 401, "invalid_dpop_proof", proofUsed)
	pass(2*time.Minute, w)
	if a := w.get("/oauth/userinfo", "", headers...); a.status != http.StatusUnauthorized {
		t.Errorf("later: %d %s", a.status, a.body)
	}
}

// One proof is good for one request, however many instances it reaches in the same moment (row O-24).
func TestProofRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newSPA("spa", "")
	key := w.newSigner("ES256")
	access := w.bound("spa", key).text(t, "access_token")
	instances := []*world{w, w.again()}
	for range 50 {
		proof := key.proof("GET", "/oauth/userinfo", tokenHash(access))
		statuses := map[int]int{}
		for _, a := range together(2, func(n int) answer {
			return instances[n].get("/oauth/userinfo", "", "Authorization", "DPoP "+access, "DPoP", proof)
		}) {
			statuses[a.status]++
		}
		if statuses[http.StatusOK] != 1 || statuses[http.StatusUnauthorized] != 1 {
			t.Fatalf("%v", statuses)
		}
	}
}

// The refresh tokens of a public client are bound to its key, those of others are bound to whoever authenticates (RFC 9449 §5).
func TestRefreshWithAProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.newSPA("spa", "")
	key, other := w.newSigner("ES256"), w.newSigner("ES256")
	tokens := w.bound("spa", key)
	refresh := func(token string, headers ...string) answer {
		return w.postForm("/oauth/token", []string{"grant_type", "refresh_token", "client_id", "spa", "refresh_token", token}, headers...)
	}
	token := tokens.text(t, "refresh_token")
	refused(t, "no proof", refresh(token), 400, "invalid_dpop_proof", proofWanted)
	refused(t, "another key", refresh(token, "DPoP", other.proof("POST", "/oauth/token")), 400, "invalid_grant", "the refresh token is not valid")
	next := refresh(token, "DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK) // none of it has hurt
	if cnf, _ := claimsOf(t, next.text(t, "access_token"))["cnf"].(map[string]any); cnf["jkt"] != key.thumbprint() || next.text(t, "token_type") != "DPoP" {
		t.Errorf("%s", next.body)
	}

	web := client{"web", w.webClient("web", `,"first_party":true`)}
	first := w.postForm("/oauth/token", codeRequest(w.codeFor("web")), "Authorization", web.basic(), "DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	moved := w.postForm("/oauth/token", []string{"grant_type", "refresh_token", "refresh_token", first.text(t, "refresh_token")},
		"Authorization", web.basic(), "DPoP", other.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	if cnf, _ := claimsOf(t, moved.text(t, "access_token"))["cnf"].(map[string]any); cnf["jkt"] != other.thumbprint() {
		t.Errorf("%v", cnf)
	}
}

// A code that was asked for with a key is redeemed with that key (RFC 9449 §10).
func TestCodesAreBoundToTheirKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	web := client{"web", w.webClient("web", `,"first_party":true`)}
	key, other := w.newSigner("ES256"), w.newSigner("ES256")
	try := func(code string, headers ...string) answer {
		return w.postForm("/oauth/token", codeRequest(code), append([]string{"Authorization", web.basic()}, headers...)...)
	}
	code := w.codeFor("web", "dpop_jkt", key.thumbprint())
	const boundCode = "the code is bound to the DPoP key of the authorization request"
	refused(t, "no proof", try(code), 400, "invalid_grant", boundCode)
	refused(t, "another key", try(code, "DPoP", other.proof("POST", "/oauth/token")), 400, "invalid_grant", boundCode)
	try(code, "DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	// Without it nothing is bound, and the tokens are plain.
	if tokens := try(w.codeFor("web")).want(t, http.StatusOK); tokens.text(t, "token_type") != "Bearer" || claimsOf(t, tokens.text(t, "access_token"))["cnf"] != nil {
		t.Errorf("%s", tokens.body)
	}
}
