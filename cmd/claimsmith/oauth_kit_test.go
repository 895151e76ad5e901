package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/claimsmith/claimsmith/internal/testkit"
)

// signer is somebody with a key: a client that signs assertions or proves possession.
type signer struct {
	t      testing.TB
	alg    string
	key    crypto.Signer
	public jose.JSONWebKey
	clock  *testkit.Clock
}

func (w *world) newSigner(alg string) *signer {
	w.t.Helper()
	s := &signer{t: w.t, alg: alg, clock: w.clock}
	var err error
	switch alg {
	case "ES256":
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	s.public = jose.JSONWebKey{Key: s.key.Public(), Algorithm: alg, Use: "sig", KeyID: "key-" + alg}
	return s
}

// keySet is a key set of one key, as JSON.
func (s *signer) keySet() string {
	s.t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.public}})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *signer) thumbprint() string {
	s.t.Helper()
	sum, err := s.public.Thumbprint(crypto.SHA256)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// jwt signs a header and claims, whatever they say.
func (s *signer) jwt(header, claims map[string]any) string {
	s.t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(s.alg), jwt.MapClaims(claims))
	maps.Copy(token.Header, header)
	for name, value := range token.Header {
		if value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// change changes a JWT before it is signed. A member that is nil is left out.
type change func(header, claims map[string]any)

func claim(name string, value any) change {
	return func(_, claims map[string]any) { claims[name] = value }
}

func header(name string, value any) change {
	return func(header, _ map[string]any) { header[name] = value }
}

func (s *signer) changed(header, claims map[string]any, changes []change) string {
	s.t.Helper()
	for _, c := range changes {
		c(header, claims)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return s.jwt(header, claims)
}

// proof is a DPoP proof for a request (RFC 9449 §4.2).
func (s *signer) proof(method, path string, changes ...change) string {
	s.t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: s.key.Public()})
	if err != nil {
		s.t.Fatal(err)
	}
	var jwk map[string]any
	if err := json.Unmarshal(text, &jwk); err != nil {
		s.t.Fatal(err)
	}
	return s.changed(map[string]any{"typ": "dpop+jwt", "jwk": jwk}, map[string]any{
		"jti": rand.Text(), "htm": method, "htu": testIssuer + path, "iat": s.clock.Now().Unix(),
	}, changes)
}

// tokenHash is the ath of a proof that comes with an access token.
func tokenHash(token string) change {
	sum := sha256.Sum256([]byte(token))
	return claim("ath", base64.RawURLEncoding.EncodeToString(sum[:]))
}

// assertion is a client assertion (RFC 7523 §3).
func (s *signer) assertion(client string, changes ...change) string {
	s.t.Helper()
	now := s.clock.Now()
	return s.changed(map[string]any{"kid": s.public.KeyID}, map[string]any{
		"iss": client, "sub": client, "aud": testIssuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}, changes)
}

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
)

// post posts a form with headers given as pairs.
func (w *world) postForm(target string, parameters []string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodPost, target, "", encodeForm(parameters), append([]string{"Content-Type", formType}, headers...)...)
}

// signed are the parameters of a client that authenticates by an assertion.
func (s *signer) signed(client string, parameters ...string) []string {
	s.t.Helper()
	return append(parameters, "client_assertion_type", assertionType, "client_assertion", s.assertion(client))
}

// refused fails unless an answer is exactly this OAuth error.
func refused(t testing.TB, what string, a answer, status int, code, description string) {
	t.Helper()
	want := `{"error":"` + code + `","error_description":` + quote(description) + `}`
	if a.status != status || a.body != want || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s:\n got %d %v %s\nwant %d %s", what, a.status, a.header, a.body, status, want)
	}
	challenge := a.header.Get("WWW-Authenticate")
	if (a.status == http.StatusUnauthorized) != (challenge != "") {
		t.Errorf("%s: %d with WWW-Authenticate %q", what, a.status, challenge)
	}
}

// codeFor logs jane in and returns the code a client gets, for an authorization request with these further parameters.
func (w *world) codeFor(client string, parameters ...string) string {
	w.t.Helper()
	return w.codeFrom(w.newBrowser(), client, parameters...)
}

func (w *world) codeFrom(b *browser, client string, parameters ...string) string {
	w.t.Helper()
	p := b.open(authorizeURL(client, webRedirect, parameters...))
	if p.element("login") != nil {
		p = p.signIn()
	}
	if p.element("approve") != nil {
		p = p.submit("approve")
	}
	code := p.answered().Get("code")
	if code == "" {
		w.t.Fatalf("no code: %s", p.location)
	}
	return code
}

// codeRequest are the parameters of a token request for a code.
func codeRequest(code string) []string {
	return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", webRedirect, "code_verifier", testVerifier}
}

// without leaves a parameter out of pairs.
func without(parameters []string, name string) []string {
	var kept []string
	for n := 0; n+1 < len(parameters); n += 2 {
		if parameters[n] != name {
			kept = append(kept, parameters[n], parameters[n+1])
		}
	}
	return kept
}

// with replaces or adds a parameter.
func with(parameters []string, name, value string) []string {
	return append(without(parameters, name), name, value)
}

// tampered changes one character in the middle of a token.
func tampered(token string) string {
	middle := len(token) / 2
	other := "A"
	if strings.HasPrefix(token[middle:], "A") {
		other = "B"
	}
	return token[:middle] + other + token[middle+1:]
}

// request is a form request as it is, for those whose headers send cannot set.
func (w *world) request(target string, parameters []string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(encodeForm(parameters)))
	r.Header.Set("Content-Type", formType)
	return r
}

// resourceRefused is said of the parameter that would name whom a token is for (RFC 8707).
const resourceRefused = "resource: resource is not supported"

// headerOf decodes the header of a token.
func headerOf(t testing.TB, token string) map[string]any {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	return header
}
