package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// jwtInputs are all places that take a token made by the server, and their answers to one that is none.
var jwtInputs = []struct {
	name    string
	present func(c *cast, token string) answer
	refused func(a answer) bool
}{
	{"userinfo", func(c *cast, token string) answer {
		return c.get("/oauth/userinfo", "", "Authorization", "Bearer "+token)
	}, isInvalidToken},
	{"userinfo by form", func(c *cast, token string) answer { return c.form("/oauth/userinfo", "access_token", token) }, isInvalidToken},
	{"API", func(c *cast, token string) answer { return c.get("/api/user/me", "", "Authorization", "Bearer "+token) }, isInvalidToken},
	{"asking for introspection", func(c *cast, token string) answer {
		return c.send(http.MethodPost, "/oauth/introspect", "", "token=x",
			"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+token)
	}, func(a answer) bool { return a.status == http.StatusUnauthorized }},
	{"introspection by an operator", func(c *cast, token string) answer { return c.introspectAs(adminToken, token) }, isInactive},
	{"introspection by a client", func(c *cast, token string) answer { return c.introspect(c.acme.machine, token) }, isInactive},
	{"refresh", func(c *cast, token string) answer { return c.refresh(token) }, func(a answer) bool { return a.status == http.StatusBadRequest }},
	{"revocation", func(c *cast, token string) answer {
		return c.form("/oauth/revoke", "client_id", "login", "token", token)
	}, func(a answer) bool { return a.status == http.StatusOK }}, // RFC 7009 §2.2; that it did nothing shows afterwards
}

func isInvalidToken(a answer) bool {
	return a.status == http.StatusUnauthorized && strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`)
}

func isInactive(a answer) bool { return a.status == http.StatusOK && a.body == inactive }

// refusedEverywhere presents a text at every place that takes a token.
func (c *cast) refusedEverywhere(what, token string) {
	c.t.Helper()
	for _, input := range jwtInputs {
		if a := input.present(c, token); !input.refused(a) {
			c.t.Errorf("%s at %s: %d %s", what, input.name, a.status, a.body)
		}
	}
}

// accepted is the control: the token stands, and so whatever is refused is so for its own fault.
func (c *cast) accepted(token string) {
	c.t.Helper()
	c.get("/oauth/userinfo", token).want(c.t, http.StatusOK)
	c.form("/oauth/userinfo", "access_token", token).want(c.t, http.StatusOK)
	c.get("/api/user/me", token).want(c.t, http.StatusOK)
	if a := c.introspectAs(adminToken, token); !strings.HasPrefix(a.body, `{"active":true,`) {
		c.t.Fatalf("introspection: %d %s", a.status, a.body)
	}
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forgeries are texts made of a live token without its key (rows T-01 to T-03).
func forgeries(t *testing.T, c *cast, token, listener string) map[string]string {
	t.Helper()
	parts := strings.Split(token, ".")
	header, payload, signature := decodeSegment(t, parts[0]), parts[1], parts[2]
	var h struct{ Alg, Kid string }
	if err := json.Unmarshal([]byte(header), &h); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, alg := range []string{`"none"`, `"None"`, `"nOnE"`, `""`, `["` + h.Alg + `"]`, `null`, `"RS256"`, `"EdDSA"`, `"HS256"`, `"PS256"`, `"ES384"`} {
		if alg == `"`+h.Alg+`"` {
			continue
		}
		head := segment(`{"alg":` + alg + `,"kid":"` + h.Kid + `","typ":"at+jwt"}`)
		all["alg "+alg] = head + "." + payload + "." + signature
		all["alg "+alg+" unsigned"] = head + "." + payload + "."
	}
	all["no alg"] = segment(`{"kid":"`+h.Kid+`","typ":"at+jwt"}`) + "." + payload + "."

	key, err := c.app.ring.Key(context.Background(), h.Kid)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range publicBytes(t, c, key.Public, h.Kid) {
		signed := segment(`{"alg":"HS256","kid":"`+h.Kid+`","typ":"at+jwt"}`) + "." + payload
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		all["HS256 by the "+name] = signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}

	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, y := segment(string(own.X.FillBytes(make([]byte, 32)))), segment(string(own.Y.FillBytes(make([]byte, 32))))
	jwk := `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `","kid":"mine","alg":"ES256","use":"sig"}`
	for name, members := range map[string]string{
		"jwk": `"kid":"mine","jwk":` + jwk, "jwk under our kid": `"kid":"` + h.Kid + `","jwk":` + jwk, "no kid": `"x":1`,
		"jku": `"kid":"mine","jku":"` + listener + `"`, "x5u": `"kid":"mine","x5u":"` + listener + `"`, "x5c": `"kid":"` + h.Kid + `","x5c":["MIIB"]`,
		"foreign key": `"kid":"` + h.Kid + `"`,
	} {
		all[name] = signES256(t, own, `{"alg":"ES256","typ":"at+jwt",`+members+`}`, payload)
	}
	for _, kid := range []string{"../../dev/null", "' OR 1=1--", "k1\x00", strings.Repeat("k", 10<<10), "{a}b", "*", "[]", "", "cs:{000}:keys", "\r\nFLUSHALL\r\n"} {
		text, _ := json.Marshal(kid)
		all[fmt.Sprintf("kid %.20q", kid)] = signES256(t, own, `{"alg":"ES256","typ":"at+jwt","kid":`+string(text)+`}`, payload)
	}

	// Another spelling of the same token.
	for n, spelling := range spellings(token) {
		all[fmt.Sprint("spelling ", n)] = spelling
	}
	for _, gap := range []string{"\n", "\r\n", " ", "\t", "=", "%3D", "\x00"} {
		for n := range parts {
			changed := append([]string(nil), parts...)
			changed[n] = changed[n][:4] + gap + changed[n][4:]
			all[fmt.Sprintf("%q in segment %d", gap, n)] = strings.Join(changed, ".")
		}
		all[fmt.Sprintf("%q at the end", gap)] = token + gap
		if gap != " " { // of which a header may have several
			all[fmt.Sprintf("%q at the beginning", gap)] = gap + token
		}
	}
	all["four segments"] = token + "." + signature
	all["two segments"] = parts[0] + "." + payload
	all["JSON"] = `{"payload":"` + payload + `","protected":"` + parts[0] + `","signature":"` + signature + `"}`
	all["general JSON"] = `{"payload":"` + payload + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + signature + `"}]}`
	for _, extension := range []string{`"crit":["b64"],"b64":false`, `"crit":[]`, `"b64":true`, `"zip":"DEF"`, `"enc":"A256GCM"`} {
		all["header with "+extension] = segment(strings.TrimSuffix(header, "}")+","+extension+"}") + "." + payload + "." + signature
	}
	all["dots"] = strings.Repeat(".", 60<<10)
	all["cut"] = token[:len(token)-1]
	all["longer"] = token + "A"
	return all
}

func publicBytes(t *testing.T, c *cast, public crypto.PublicKey, kid string) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "kid": []byte(kid), "empty key": nil,
	}
	for _, jwk := range c.get("/.well-known/jwks.json", "").json(t)["keys"].([]any) {
		if jwk.(map[string]any)["kid"] == kid {
			secrets["JWK"], _ = json.Marshal(jwk)
		}
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		secrets["modulus"] = key.N.Bytes()
	case *ecdsa.PublicKey:
		secrets["point"], _ = key.Bytes()
	}
	return secrets
}

func signES256(t *testing.T, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	signed := segment(header) + "." + payload
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// spellings are the texts that differ from a token in unused bits of its last character alone, which a lenient decoder takes for it.
func spellings(token string) []string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	signature := token[strings.LastIndexByte(token, '.')+1:]
	want, _ := base64.RawURLEncoding.DecodeString(signature)
	var all []string
	for _, letter := range alphabet {
		text := token[:len(token)-1] + string(letter)
		got, err := base64.RawURLEncoding.DecodeString(text[len(token)-len(signature):])
		if text != token && err == nil && string(got) == string(want) {
			all = append(all, text)
		}
	}
	return all
}

// twin is the other signature ECDSA verifies for the same message: (r, n-s).
func twin(t *testing.T, token string) string {
	t.Helper()
	at := strings.LastIndexByte(token, '.') + 1
	raw := []byte(decodeSegment(t, token[at:]))
	s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:]))
	s.FillBytes(raw[32:])
	return token[:at] + base64.RawURLEncoding.EncodeToString(raw)
}

// commands remembers the arguments of everything a client sends.
type commands struct {
	redis.Hook
	mu  sync.Mutex
	all []string
}

func (l *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		l.note(cmd)
		return next(ctx, cmd)
	}
}

func (l *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		l.note(cmds...)
		return next(ctx, cmds)
	}
}

func (l *commands) note(cmds ...redis.Cmder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cmd := range cmds {
		l.all = append(l.all, fmt.Sprint(cmd.Args()...))
	}
}

// No text without a signature by the right key under the right algorithm is a token, and none makes the server ask anybody (rows T-01,
// T-02, T-03).
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	listener := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	listener.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			visits.Add(1)
		}
	}
	listener.Start()
	defer listener.Close()

	b := redistest.Embedded(t)
	c := newCast(t, b)
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		c.patch("/api/client/login", adminToken, `{"access_token_alg":"`+alg+`"}`).want(t, http.StatusOK)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		c.accepted(token)
		log := &commands{}
		b.Client.AddHook(log)
		all := forgeries(t, c, token, listener.URL)
		before := len(log.all)
		for name, forged := range all {
			c.refusedEverywhere(alg+": "+name, forged)
		}
		for _, command := range log.all[before:] {
			if strings.Contains(strings.ToLower(command), "mine") || strings.Contains(command, "dev/null") || strings.Contains(command, "kkkkk") ||
				strings.Contains(command, "FLUSHALL") || strings.Contains(command, "OR 1=1") {
				t.Errorf("Redis was asked %s", command)
			}
		}
		c.accepted(token) // nothing revoked it
		t.Logf("%s: %d texts at %d places", alg, len(all), len(jwtInputs))
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the server followed a header to %d connections", n)
	}
}

// A revoked token stays so in whatever other text has its signature (row T-04).
func TestRevokedTokenHasNoOtherSpelling(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, alg := range []string{"ES256", "RS256"} {
		c.patch("/api/client/login", adminToken, `{"access_token_alg":"`+alg+`"}`).want(t, http.StatusOK)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		texts := spellings(token)
		if len(texts) != 15 {
			t.Fatalf("%d spellings", len(texts))
		}
		texts = append(texts, token+"\n", token[:8]+"\r\n"+token[8:], token+"=")
		if alg == "ES256" {
			other := twin(t, token)
			c.accepted(other) // it verifies, and is the same token
			texts = append(texts, other)
			texts = append(texts, spellings(other)...)
		}
		c.accepted(token)
		c.form("/oauth/revoke", "client_id", "login", "token", token).want(t, http.StatusOK)
		for _, text := range append(texts, token) {
			c.refusedEverywhere(alg, text)
		}
	}
	// Revoking by one spelling revokes the token.
	c.patch("/api/client/login", adminToken, `{"access_token_alg":"ES256"}`).want(t, http.StatusOK)
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.form("/oauth/revoke", "client_id", "login", "token", twin(t, token)).want(t, http.StatusOK)
	c.refusedEverywhere("revoked by its twin", token)
}
