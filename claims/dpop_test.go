package claims_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/claims"
)

const proofURL = "https://id.example/oauth/token"

// proofOf is a proof by a key, with members of header and payload replaced, or removed where the value is "".
func proofOf(s signer, header, payload []pair) string {
	return s.sign(
		members([]pair{{"typ", `"dpop+jwt"`}, {"alg", `"` + s.alg + `"`}, {"jwk", publicJWK(s)}}, header),
		members([]pair{
			{"jti", `"p1"`}, {"htm", `"POST"`}, {"htu", `"` + proofURL + `"`}, {"iat", numericDate(issuedAt)},
		}, payload))
}

// members writes an object of what is there by default and what a test changes. Names may stand there twice.
func members(all, changes []pair) string {
	var text []string
	for _, member := range all {
		value := member.value
		for _, change := range changes {
			if change.key == member.key {
				value = change.value
			}
		}
		if value != "" {
			text = append(text, `"`+member.key+`":`+value)
		}
	}
	for _, change := range changes {
		known := false
		for _, member := range all {
			known = known || member.key == change.key
		}
		if !known && change.value != "" {
			text = append(text, `"`+change.key+`":`+change.value)
		}
	}
	return "{" + strings.Join(text, ",") + "}"
}

func publicJWK(s signer) string {
	text, err := (&jose.JSONWebKey{Key: s.private.Public()}).MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(text)
}

func proofKeyWith(s signer, changes ...pair) string {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(publicJWK(s)), &all); err != nil {
		panic(err)
	}
	for _, c := range changes {
		all[c.key] = json.RawMessage(c.value)
		if c.value == "" {
			delete(all, c.key)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func numericDate(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func tokenRequest() claims.ExpectedProof {
	return claims.ExpectedProof{Method: "POST", URL: proofURL, Now: issuedAt}
}

func refusedProof(tb testing.TB, name, proof string, request claims.ExpectedProof, want error) {
	tb.Helper()
	got, err := claims.VerifyProof(proof, request)
	if !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", name, err, want)
	}
	if got != nil {
		tb.Errorf("%s: a result beside an error", name)
	}
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`
}

func TestVerifyProof(t *testing.T) {
	for _, s := range signers() {
		got, err := claims.VerifyProof(proofOf(s, nil, nil), tokenRequest())
		if err != nil {
			t.Errorf("%s: %v", s.alg, err)
			continue
		}
		if want := (claims.Proof{KeyThumbprint: s.kid, ID: "p1", IssuedAt: issuedAt}); *got != want { // kid is the RFC 7638 thumbprint
			t.Errorf("%s: %+v, want %+v", s.alg, *got, want)
		}
		said := proofOf(s, []pair{{"jwk", proofKeyWith(s, pair{"alg", `"` + s.alg + `"`}, pair{"use", `"sig"`}, pair{"key_ops", `["verify"]`}, pair{"kid", `"x"`})}}, nil)
		if again, err := claims.VerifyProof(said, tokenRequest()); err != nil || again.KeyThumbprint != s.kid {
			t.Errorf("%s with all the key may say: %v, error %v; the same thumbprint", s.alg, again, err)
		}
	}
	request := tokenRequest()
	request.AccessToken = "a.b.c"
	if _, err := claims.VerifyProof(proofOf(es256(), nil, []pair{{"ath", ath("a.b.c")}, {"nonce", `"n"`}}), request); err != nil {
		t.Errorf("with an access token: %v", err)
	}
}

// The thumbprint and the hash of RFC 9449's own example, section 7.1.
func TestProofOfTheRFC(t *testing.T) {
	const proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdC" +
		"RnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19." +
		"eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6" +
		"MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9." +
		"2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	got, err := claims.VerifyProof(proof, claims.ExpectedProof{
		Method: "GET", URL: "https://resource.example.org/protectedresource", AccessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
		Now: time.Unix(1562262618, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; got.KeyThumbprint != want || got.ID != "e1j3V_bKic8-LAEB" {
		t.Errorf("%+v, want thumbprint %s", got, want)
	}
}

// SECURITY.md T-01 and O-24: the header.
func TestProofHeaders(t *testing.T) {
	s := es256()
	for _, typ := range []string{`"JWT"`, `"at+jwt"`, `"DPoP+jwt"`, `"application/dpop+jwt"`, `"logout+jwt"`, `""`, ``} {
		refusedProof(t, "typ "+typ, proofOf(s, []pair{{"typ", typ}}, nil), tokenRequest(), claims.ErrType)
	}
	for _, alg := range []string{`"none"`, `"nOnE"`, `""`, `"HS256"`, `"PS256"`, `"ES384"`, `"es256"`, `null`, ``} {
		proof := proofOf(s, []pair{{"alg", alg}}, nil)
		refusedProof(t, "alg "+alg, proof, tokenRequest(), claims.ErrAlgorithm)
		refusedProof(t, "unsigned, alg "+alg, proof[:strings.LastIndexByte(proof, '.')+1], tokenRequest(), claims.ErrAlgorithm)
	}
	for _, other := range signers() {
		if other.alg != s.alg {
			refusedProof(t, "the key of "+other.alg, proofOf(s, []pair{{"jwk", publicJWK(other)}}, nil), tokenRequest(), claims.ErrAlgorithm)
		}
	}
	lying := []pair{{"alg", `"RS256"`}, {"jwk", proofKeyWith(s, pair{"alg", `"ES256"`})}}
	refusedProof(t, "a header that its key contradicts", proofOf(s, lying, nil), tokenRequest(), claims.ErrAlgorithm)
	refusedProof(t, "another key", proofOf(s, []pair{{"jwk", publicJWK(newSigner("ES256"))}}, nil), tokenRequest(), claims.ErrSignature)

	// The public key as an HMAC secret.
	der, err := x509.MarshalPKIXPublicKey(s.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{der, []byte(publicJWK(s))} {
		valid := strings.Split(proofOf(s, nil, nil), ".")
		text := encode(`{"typ":"dpop+jwt","alg":"HS256","jwk":`+publicJWK(s)+`}`) + "." + valid[1]
		mac, err := jwt.SigningMethodHS256.Sign(text, secret)
		if err != nil {
			t.Fatal(err)
		}
		refusedProof(t, "HMAC", text+"."+encode(string(mac)), tokenRequest(), claims.ErrAlgorithm)
	}
	for _, extension := range []string{`"crit":["b64"],"b64":false`, `"crit":[]`, `"b64":true`, `"zip":"DEF"`} {
		name, value, _ := strings.Cut(extension, ":")
		refusedProof(t, extension, proofOf(s, []pair{{strings.Trim(name, `"`), value}}, nil), tokenRequest(), claims.ErrMalformed)
	}
}

// RFC 9449 §4.3, 7, and SECURITY.md T-09: the key.
func TestProofKeys(t *testing.T) {
	s := es256()
	private, err := (&jose.JSONWebKey{Key: s.private}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		jwk  string
		want error
	}{
		"none":                  {``, claims.ErrMissing},
		"null":                  {`null`, claims.ErrMissing},
		"text":                  {`"key"`, claims.ErrMissing},
		"a list":                {`[` + publicJWK(s) + `]`, claims.ErrMissing},
		"empty":                 {`{}`, claims.ErrAlgorithm},
		"private":               {string(private), claims.ErrMalformed},
		"d null":                {proofKeyWith(s, pair{"d", `null`}), claims.ErrMalformed},
		"d empty":               {proofKeyWith(s, pair{"d", `""`}), claims.ErrMalformed},
		"dp":                    {proofKeyWith(s, pair{"dp", `"AQ"`}), claims.ErrMalformed},
		"qi":                    {proofKeyWith(s, pair{"qi", `"AQ"`}), claims.ErrMalformed},
		"oth":                   {proofKeyWith(s, pair{"oth", `[]`}), claims.ErrMalformed},
		"k":                     {proofKeyWith(s, pair{"k", `"AQ"`}), claims.ErrMalformed},
		"symmetric":             {`{"kty":"oct","k":"AQ"}`, claims.ErrMalformed},
		"a member twice":        {strings.Replace(publicJWK(s), `"kty":"EC"`, `"kty":"EC","kty":"EC"`, 1), claims.ErrMalformed},
		"for encryption":        {proofKeyWith(s, pair{"use", `"enc"`}), claims.ErrAlgorithm},
		"for signing":           {proofKeyWith(s, pair{"key_ops", `["sign"]`}), claims.ErrAlgorithm},
		"of another algorithm":  {proofKeyWith(s, pair{"alg", `"ES384"`}), claims.ErrAlgorithm},
		"of another type":       {proofKeyWith(s, pair{"kty", `"RSA"`}), claims.ErrAlgorithm},
		"of another curve":      {proofKeyWith(s, pair{"crv", `"P-384"`}), claims.ErrAlgorithm},
		"off its curve":         {proofKeyWith(s, pair{"x", `"` + encode(strings.Repeat("\x01", 32)) + `"`}), claims.ErrAlgorithm},
		"without y":             {proofKeyWith(s, pair{"y", ``}), claims.ErrAlgorithm},
		"1024 bits of RSA":      {publicJWK(signer{private: weak}), claims.ErrAlgorithm},
		"an RSA exponent of 3":  {proofKeyWith(rs256(), pair{"e", `"Aw"`}), claims.ErrAlgorithm},
		"certificates that lie": {proofKeyWith(s, pair{"x5c", `["MIIB"]`}), claims.ErrAlgorithm},
	} {
		by := s
		if strings.Contains(name, "RSA") {
			by = rs256()
		}
		refusedProof(t, name, proofOf(by, []pair{{"jwk", tt.jwk}}, nil), tokenRequest(), tt.want)
	}
}

func TestProofClaims(t *testing.T) {
	s := eddsa()
	check := func(name string, want error, payload ...pair) {
		t.Helper()
		refusedProof(t, name, proofOf(s, nil, payload), tokenRequest(), want)
	}
	for _, claim := range []string{"jti", "htm", "htu", "iat"} {
		check("no "+claim, claims.ErrMissing, pair{claim, ``})
		check("null "+claim, claims.ErrMissing, pair{claim, `null`})
	}
	for _, claim := range []string{"jti", "htm", "htu"} {
		check("empty "+claim, claims.ErrMissing, pair{claim, `""`})
		check("a number as "+claim, claims.ErrMalformed, pair{claim, `1`})
		check("an array as "+claim, claims.ErrMalformed, pair{claim, `["x"]`})
	}
	if _, err := claims.VerifyProof(proofOf(s, nil, []pair{{"jti", `"` + strings.Repeat("j", 128) + `"`}}), tokenRequest()); err != nil {
		t.Errorf("a jti of 128: %v", err)
	}
	check("a jti of 129", claims.ErrMissing, pair{"jti", `"` + strings.Repeat("j", 129) + `"`})
	for _, value := range []string{`0`, `-1`, `253402300800`} {
		check("iat "+value, claims.ErrMissing, pair{"iat", value})
	}
	for _, value := range []string{`"1788264000"`, `1788264000.5`, `1e9`, `true`} {
		check("iat "+value, claims.ErrMalformed, pair{"iat", value})
	}
	for _, method := range []string{`"GET"`, `"post"`, `"POST "`} {
		check("htm "+method, claims.ErrProof, pair{"htm", method})
	}
	check("a claim twice", claims.ErrMalformed, pair{`jti":"p0","jti`, `"p1"`})

	request := tokenRequest()
	request.AccessToken = "a.b.c"
	for name, value := range map[string]string{
		"none": ``, "empty": `""`, "of another token": ath("a.b.d"), "padded": strings.TrimSuffix(ath("a.b.c"), `"`) + `="`, "the token itself": `"a.b.c"`,
	} {
		refusedProof(t, "ath "+name, proofOf(s, nil, []pair{{"ath", value}}), request, claims.ErrProof)
	}
}

func TestProofTimes(t *testing.T) {
	proof := proofOf(eddsa(), nil, nil)
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{
		{0, nil}, {time.Minute, nil}, {-time.Minute, nil}, {time.Minute + 1, claims.ErrExpired}, {-time.Minute - 1, claims.ErrNotYetValid},
		{24 * time.Hour, claims.ErrExpired}, {-24 * time.Hour, claims.ErrNotYetValid},
	} {
		request := tokenRequest()
		request.Now = issuedAt.Add(tt.after)
		if _, err := claims.VerifyProof(proof, request); !errors.Is(err, tt.want) {
			t.Errorf("%v after: error %v, want %v", tt.after, err, tt.want)
		}
	}
}

func TestProofURLs(t *testing.T) {
	check := func(htu, request string) error {
		want := tokenRequest()
		want.URL = request
		text, err := json.Marshal(htu)
		if err != nil {
			t.Fatal(err)
		}
		_, err = claims.VerifyProof(proofOf(eddsa(), nil, []pair{{"htu", string(text)}}), want)
		return err
	}
	for _, htu := range []string{
		proofURL, proofURL + "?x=1", proofURL + "#f", proofURL + "?x=1#f", "HTTPS://ID.Example/oauth/token", "https://id.example:443/oauth/token",
		"https://id.example:/oauth/token", "https://id.example/oauth/./token", "https://id.example/x/../oauth/token", "https://id.example/%6Fauth/token",
	} {
		if err := check(htu, proofURL); err != nil {
			t.Errorf("%s: %v", htu, err)
		}
	}
	for _, htu := range []string{
		"http://id.example/oauth/token", "https://id.example/oauth/token/", "https://id.example/oauth//token", "https://id.example/OAUTH/token",
		"https://id.example:8443/oauth/token", "https://id.example.evil.example/oauth/token", "https://id.example@evil.example/oauth/token",
		"https://x@id.example/oauth/token", "//id.example/oauth/token", "/oauth/token", "id.example/oauth/token", "https:id.example/oauth/token",
		"https://id.example/oauth%2Ftoken", "https://id.example", "https://id.example/%zz", "https://id.example/oauth/token%", " " + proofURL,
		proofURL + "\n", "https://evil.example/https://id.example/oauth/token",
	} {
		if err := check(htu, proofURL); !errors.Is(err, claims.ErrProof) {
			t.Errorf("%s: %v, want ErrProof", htu, err)
		}
	}
	for _, same := range [][2]string{
		{"https://id.example", "https://id.example/"}, {"http://127.0.0.1:80/a%2fb", "http://127.0.0.1/a%2Fb"}, {"http://[::1]/a~b", "http://[::1]:80/a%7eb?q"},
		{"https://id.example/é", "https://id.example/%c3%A9"},
	} {
		if err := check(same[0], same[1]); err != nil {
			t.Errorf("%v: %v", same, err)
		}
	}
	if err := check(proofURL, "/oauth/token"); !errors.Is(err, claims.ErrProof) {
		t.Errorf("a request without an absolute URL: %v", err)
	}
}

// SECURITY.md T-03 and T-08.
func TestProofFormat(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	s := es256()
	valid := proofOf(s, nil, nil)
	last := strings.IndexByte(alphabet, valid[len(valid)-1])
	for bits := 1; bits < 16; bits++ {
		refusedProof(t, "slack", valid[:len(valid)-1]+string(alphabet[last^bits]), tokenRequest(), claims.ErrMalformed)
	}
	for _, junk := range []string{"\n", "\r\n", "=", " ", ".", ".x", ",", ", " + valid} {
		refusedProof(t, "junk at the end", valid+junk, tokenRequest(), claims.ErrMalformed)
	}
	refusedProof(t, "17 KiB", proofOf(s, nil, []pair{{"x", `"` + strings.Repeat("x", 17<<10) + `"`}}), tokenRequest(), claims.ErrMalformed)
	payload := `{"jti":"p1","htm":"POST","htu":"` + proofURL + `","iat":1788264000}`
	header := `{"typ":"dpop+jwt","alg":"ES256","jwk":` + publicJWK(s) + `}`
	for name, proof := range map[string]string{
		"a second payload": s.sign(header, payload+"{}"),
		"no object":        s.sign(header, "["+payload+"]"),
		"a second header":  s.sign(header+"{}", payload),
		"two keys":         s.sign(strings.Replace(header, `"jwk"`, `"jwk":`+publicJWK(newSigner("ES256"))+`,"jwk"`, 1), payload),
		"bad UTF-8":        s.sign(header, strings.Replace(payload, "p1", "p\xff", 1)),
		"nothing":          "",
	} {
		refusedProof(t, name, proof, tokenRequest(), claims.ErrMalformed)
	}
	refusedProof(t, "claims in another case", s.sign(header, strings.Replace(payload, "htm", "HTM", 1)), tokenRequest(), claims.ErrMissing)
}

// Whatever a client writes for its own address, and however a server sees it, equal ones are equal and nothing panics.
func TestProofURLProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + rapid.StringMatching(`([a-z0-9._~-]|%[0-9a-fA-F]{2}|/){0,20}`).Draw(t, "path")
		query := rapid.StringMatching(`(\?[a-z=&%]{0,5})?(#[a-z]{0,3})?`).Draw(t, "rest")
		request := tokenRequest()
		request.URL = "https://id.example" + path
		text, _ := json.Marshal("HTTPS://ID.example:443" + path + query)
		if _, err := claims.VerifyProof(proofOf(eddsa(), nil, []pair{{"htu", string(text)}}), request); err != nil {
			t.Fatalf("%q: %v", path+query, err)
		}
		other := rapid.StringMatching(`[a-z]{1,10}`).Draw(t, "other")
		request.URL = "https://id.example" + path + "/" + other
		if _, err := claims.VerifyProof(proofOf(eddsa(), nil, []pair{{"htu", string(text)}}), request); !errors.Is(err, claims.ErrProof) {
			t.Fatalf("%q passed for %q", path, request.URL)
		}
	})
}
