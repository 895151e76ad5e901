package claims_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/claims"
)

// janesPayload is what accessToken says, with a metadata claim.
func janesPayload() string {
	token := accessToken()
	return string(token.AppendJSON(nil, profileOf(pair{"theme", `"dark"`})))
}

// payloadWith is janesPayload with members replaced, added, or removed where the value is "".
func payloadWith(tb testing.TB, changes ...pair) string {
	tb.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(janesPayload()), &members); err != nil {
		tb.Fatal(err)
	}
	for _, c := range changes {
		members[c.key] = json.RawMessage(c.value)
		if c.value == "" {
			delete(members, c.key)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func refused(tb testing.TB, v *claims.Verifier, name, token string, want error) {
	tb.Helper()
	access, err := v.VerifyAccessToken(context.Background(), token)
	if !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", name, err, want)
	}
	if access != nil {
		tb.Errorf("%s: a result beside an error", name)
	}
}

func TestVerifyAccessToken(t *testing.T) {
	v := testVerifier(t)
	for _, s := range signers() {
		for _, typ := range []string{"at+jwt", "application/at+jwt"} {
			got, err := v.VerifyAccessToken(context.Background(), s.token(typ, janesPayload()))
			if err != nil {
				t.Fatalf("%s %s: %v", s.alg, typ, err)
			}
			if diff := cmp.Diff(accessToken(), got.AccessToken); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", s.alg, typ, diff)
			}
			if theme, ok := got.Metadata.String("theme"); theme != "dark" || !ok {
				t.Errorf("%s %s: theme %q, %v", s.alg, typ, theme, ok)
			}
			if diff := cmp.Diff([]string{"theme"}, got.Metadata.Keys()); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		}
	}
	got, err := v.VerifyAccessToken(context.Background(), es256().access(payloadWith(t, pair{"aud", `["x","https://api.example"]`})))
	if err != nil || !got.HasScope("profile") || got.HasScope("prof") || got.HasScope("openid profile") {
		t.Errorf("several audiences, scopes: %v, error %v", got, err)
	}
	acting := accessToken()
	acting.Actor = &claims.Actor{Subject: "web", Actor: &claims.Actor{Subject: "mobile"}}
	got, err = v.VerifyAccessToken(context.Background(), es256().access(string(acting.AppendJSON(nil, nil))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(acting, got.AccessToken); diff != "" {
		t.Errorf("with actors (-want +got):\n%s", diff)
	}
	if none := new(claims.AccessToken); none.HasScope("") {
		t.Error("a token without scope has the empty one")
	}
}

// SECURITY.md T-01.
func TestAlgorithmConfusion(t *testing.T) {
	v := testVerifier(t)
	for _, s := range signers() {
		valid := s.access(janesPayload())
		parts := strings.Split(valid, ".")
		for _, alg := range []string{
			`"none"`, `"None"`, `"nOnE"`, `""`, `"HS256"`, `"ES384"`, `"PS256"`, `"PBES2-HS256+A128KW"`, `"dir"`, `null`, `"es256"`,
		} {
			header := `{"alg":` + alg + `,"typ":"at+jwt","kid":"` + s.kid + `"}`
			refused(t, v, s.alg+" as "+alg, s.sign(header, janesPayload()), claims.ErrAlgorithm)
			refused(t, v, s.alg+" unsigned as "+alg, encode(header)+"."+parts[1]+".", claims.ErrAlgorithm)
		}
		for _, header := range []string{`{"alg":["RS256"],"typ":"at+jwt","kid":"` + s.kid + `"}`, `{"alg":256}`, `[]`, `null`, `""`, ``, `{`} {
			want := claims.ErrMalformed
			if header == `null` {
				want = claims.ErrType // as an empty header
			}
			refused(t, v, header, s.sign(header, janesPayload()), want)
		}
		refused(t, v, "no alg", s.sign(`{"typ":"at+jwt","kid":"`+s.kid+`"}`, janesPayload()), claims.ErrAlgorithm)

		// An allowed algorithm, but of another key.
		for _, other := range signers() {
			if other.alg != s.alg {
				header := `{"alg":"` + other.alg + `","typ":"at+jwt","kid":"` + s.kid + `"}`
				refused(t, v, other.alg+" under the key of "+s.alg, other.sign(header, janesPayload()), claims.ErrAlgorithm)
			}
		}

		// The public key as an HMAC secret, in every form it has.
		der, err := x509.MarshalPKIXPublicKey(s.private.Public())
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := s.jwk().MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		secrets := [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk}
		if public, ok := s.private.Public().(*rsa.PublicKey); ok {
			secrets = append(secrets, public.N.Bytes())
		}
		for _, secret := range secrets {
			for _, alg := range []string{"HS256", s.alg} {
				text := encode(`{"alg":"`+alg+`","typ":"at+jwt","kid":"`+s.kid+`"}`) + "." + parts[1]
				mac, err := jwt.SigningMethodHS256.Sign(text, secret)
				if err != nil {
					t.Fatal(err)
				}
				want := claims.ErrAlgorithm
				if alg == s.alg {
					want = claims.ErrSignature
				}
				refused(t, v, "HMAC under "+alg, text+"."+encode(string(mac)), want)
			}
		}
	}

	only := newVerifier(t, claims.Config{Keys: keysOf(signers()...), Algorithms: []string{"EdDSA"}})
	refused(t, only, "ES256 where EdDSA alone is allowed", es256().access(janesPayload()), claims.ErrAlgorithm)
}

// A key source that answers with a key of another kind than its alg says must not verify anything, nor panic.
func TestKeyOfTheWrongType(t *testing.T) {
	keys := keysOf(es256())
	for _, alg := range []string{"RS256", "EdDSA", "ES256"} {
		keys.keys[es256().kid] = claims.Key{ID: es256().kid, Algorithm: alg, Public: "no key"}
		header := `{"alg":"` + alg + `","typ":"at+jwt","kid":"` + es256().kid + `"}`
		refused(t, newVerifier(t, claims.Config{Keys: keys}), alg, es256().sign(header, janesPayload()), claims.ErrSignature)
	}
}

type brokenKeys struct{ error }

func (b brokenKeys) Key(context.Context, string) (claims.Key, error) { return claims.Key{}, b.error }

// What goes wrong in a key source is not the token's fault.
func TestBrokenKeySource(t *testing.T) {
	cause := errors.New("connection refused")
	v := newVerifier(t, claims.Config{Keys: brokenKeys{cause}})
	refused(t, v, "unavailable", es256().access(janesPayload()), claims.ErrUnavailable)
	refused(t, v, "why", es256().access(janesPayload()), cause)
}

// SECURITY.md T-03.
func TestTokenFormat(t *testing.T) {
	v := testVerifier(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, s := range signers() {
		valid := s.access(janesPayload())
		// The signature's last character has four bits that decode to nothing: 15 other spellings of the same bytes.
		last := strings.IndexByte(alphabet, valid[len(valid)-1])
		for bits := 1; bits < 16; bits++ {
			refused(t, v, "slack", valid[:len(valid)-1]+string(alphabet[last^bits]), claims.ErrMalformed)
		}
		for i, part := range strings.Split(valid, ".") {
			at := strings.Index(valid, part) + len(part)/2
			for _, junk := range []string{"\n", "\r\n", "\r", "=", " ", "\t", "+", "/", "\x00", "é", "."} {
				refused(t, v, "junk inside segment "+string(rune('0'+i)), valid[:at]+junk+valid[at:], claims.ErrMalformed)
			}
		}
		for _, junk := range []string{"\n", "\r\n", "=", "==", " ", ".", ".x", "\x00"} {
			refused(t, v, "junk at the end", valid+junk, claims.ErrMalformed)
			refused(t, v, "junk at the start", junk+valid, claims.ErrMalformed)
		}
	}

	s := es256()
	valid := s.access(janesPayload())
	parts := strings.Split(valid, ".")
	for name, token := range map[string]string{
		"nothing":               "",
		"two dots":              "..",
		"a header alone":        parts[0],
		"two segments":          parts[0] + "." + parts[1],
		"JSON serialisation":    `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"16 KiB and one":        valid + strings.Repeat("A", 16<<10+1-len(valid)),
		"a header of one char":  "e." + parts[1] + "." + parts[2],
		"a second header":       s.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+s.kid+`"}{}`, janesPayload()),
		"a member twice":        s.sign(`{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"`+s.kid+`"}`, janesPayload()),
		"a header not in UTF-8": s.sign("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x\":\"\xff\",\"kid\":\""+s.kid+"\"}", janesPayload()),
	} {
		refused(t, v, name, token, claims.ErrMalformed)
	}
	refused(t, v, "members in another case", s.sign(`{"ALG":"ES256","Typ":"at+jwt","KID":"`+s.kid+`"}`, janesPayload()), claims.ErrType)
	for _, extension := range []string{`"crit":["b64"],"b64":false`, `"crit":[]`, `"crit":["exp"]`, `"crit":null`, `"b64":false`, `"b64":true`} {
		header := `{"alg":"ES256","typ":"at+jwt","kid":"` + s.kid + `",` + extension + `}`
		refused(t, v, extension, s.sign(header, janesPayload()), claims.ErrMalformed)
	}
}

// SECURITY.md D-08: nothing is decrypted, inflated or derived, nor a key asked for.
func TestExpensiveTokens(t *testing.T) {
	keys := keysOf(es256())
	v := newVerifier(t, claims.Config{Keys: keys})
	encrypted := encode(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"c2FsdA","kid":"`+es256().kid+`"}`) +
		".a2V5.aXY.Y2lwaGVydGV4dA.dGFn"
	refused(t, v, "a JWE", encrypted, claims.ErrMalformed)
	for _, extension := range []string{`"zip":"DEF"`, `"enc":"A256GCM"`, `"zip":"DEF","enc":"A128CBC-HS256"`} {
		header := `{"alg":"ES256","typ":"at+jwt","kid":"` + es256().kid + `",` + extension + `}`
		refused(t, v, extension, es256().sign(header, janesPayload()), claims.ErrMalformed)
	}
	pbes2 := `{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"typ":"at+jwt","kid":"` + es256().kid + `"}`
	refused(t, v, "PBES2", es256().sign(pbes2, janesPayload()), claims.ErrAlgorithm)
	if n := keys.asked.Load(); n != 0 {
		t.Errorf("the key source was asked %d times", n)
	}
}

// SECURITY.md T-05 and T-07: what must be there, and be sane.
func TestRequiredClaims(t *testing.T) {
	v := testVerifier(t)
	check := func(name, payload string, want error) {
		t.Helper()
		refused(t, v, name, rs256().access(payload), want)
	}
	for _, claim := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id"} {
		check("no "+claim, payloadWith(t, pair{claim, ""}), claims.ErrMissing)
		check("null "+claim, payloadWith(t, pair{claim, "null"}), claims.ErrMissing)
	}
	for _, claim := range []string{"iss", "sub", "jti", "client_id"} {
		check("empty "+claim, payloadWith(t, pair{claim, `""`}), claims.ErrMissing)
		check("a number as "+claim, payloadWith(t, pair{claim, `1`}), claims.ErrMalformed)
		check("an array as "+claim, payloadWith(t, pair{claim, `["jane"]`}), claims.ErrMalformed)
	}
	for _, claim := range []string{"exp", "iat"} {
		for _, value := range []string{"0", "-1", "-9223372036854775808", "253402300800", "9223372036854775807"} {
			check(claim+" "+value, payloadWith(t, pair{claim, value}), claims.ErrMissing)
		}
	}
	for _, claim := range []string{"exp", "iat", "nbf", "auth_time"} {
		for _, value := range []string{`"9999999999"`, "1e308", "1e30", "9223372036854775808", "1788264600.0", "1788264600.5", "1e9", "true", "[1]", "{}"} {
			check(claim+" "+value, payloadWith(t, pair{claim, value}), claims.ErrMalformed)
		}
	}
	for _, payload := range []string{"null", "[]", `""`, "", "0", "true", "[" + janesPayload() + "]", janesPayload()[:20], " "} {
		check("payload "+payload, payload, claims.ErrMalformed)
	}

	for _, value := range []string{`[]`, `""`, `[""]`} {
		check("aud "+value, payloadWith(t, pair{"aud", value}), claims.ErrMissing)
	}
	for _, value := range []string{`"https://other.example"`, `["other"]`, `"https://api.example/"`, `"HTTPS://API.EXAMPLE"`} {
		check("aud "+value, payloadWith(t, pair{"aud", value}), claims.ErrAudience)
	}
	for _, value := range []string{`1`, `[1]`, `{"https://api.example":1}`, `[["https://api.example"]]`} {
		check("aud "+value, payloadWith(t, pair{"aud", value}), claims.ErrMalformed)
	}
	for _, value := range []string{`"https://id.example/"`, `"https://ID.example"`, `"https://evil.example"`, `"id.example"`} {
		check("iss "+value, payloadWith(t, pair{"iss", value}), claims.ErrIssuer)
	}
}

func TestTimes(t *testing.T) {
	token := eddsa().access(janesPayload()) // valid for ten minutes
	future := eddsa().access(payloadWith(t, pair{"nbf", "1788264100"}))
	for _, tt := range []struct {
		name   string
		token  string
		leeway time.Duration
		at     time.Duration // since it was issued
		want   error
	}{
		{"when issued", token, 0, 0, nil},
		{"the last moment", token, 0, 10*time.Minute + 30*time.Second - 1, nil},
		{"too late by the leeway", token, 0, 10*time.Minute + 30*time.Second, claims.ErrExpired},
		{"the last moment of a small leeway", token, time.Second, 10*time.Minute + time.Second - 1, nil},
		{"too late for a small leeway", token, time.Second, 10*time.Minute + time.Second, claims.ErrExpired},
		{"too late for the greatest leeway", token, time.Minute, 11 * time.Minute, claims.ErrExpired},
		{"years late", token, 0, 100000 * time.Hour, claims.ErrExpired},
		{"a clock behind by the leeway", token, 0, -30 * time.Second, nil},
		{"a clock behind by more", token, 0, -30*time.Second - 1, claims.ErrNotYetValid},
		{"an hour before it was issued", token, time.Minute, -time.Hour, claims.ErrNotYetValid},
		{"before nbf", future, 0, 69 * time.Second, claims.ErrNotYetValid},
		{"at nbf less the leeway", future, 0, 70 * time.Second, nil},
	} {
		v := newVerifier(t, claims.Config{Keys: keysOf(eddsa()), Leeway: tt.leeway, Now: func() time.Time { return issuedAt.Add(tt.at) }})
		if _, err := v.VerifyAccessToken(context.Background(), tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

// SECURITY.md T-08.
func TestAmbiguousPayloads(t *testing.T) {
	v := testVerifier(t)
	rest := strings.TrimPrefix(payloadWith(t, pair{"sub", ""}), "{")
	for _, members := range []string{
		`"sub":"jane","sub":"admin",`, `"sub":"jane","sub":"jane",`, `"sub":"jane","\u0073ub":"admin",`,
		`"sub":"jane","metadata_role":"user","metadata_role":"admin",`, `"sub":"jane","metadata_role":{"a":1,"a":2},`,
		"\"sub\":\"ja\xffne\",", "\"sub\":\"jane\",\"x\xff\":1,", `"sub":"\ud800",`, `"sub":"jane",,`, `"sub":"jane","x":01,`, `"sub":"jane","x":NaN,`,
		`/**/"sub":"jane",`, "\ufeff\"sub\":\"jane\",",
	} {
		refused(t, v, members, es256().access("{"+members+rest), claims.ErrMalformed)
	}
	for _, tail := range []string{"{}", janesPayload(), "x", "\x00", "}", ",", "null"} {
		refused(t, v, "trailing "+tail, es256().access(janesPayload()+tail), claims.ErrMalformed)
	}
	for _, members := range []string{
		`"sub":"jane","SUB":"admin",`, `"SUB":"admin","sub":"jane",`, `"sub":"jane","\u017fub":"admin",`, `"sub":"jane","ſub":"admin","Exp":1,`,
		`"sub":"jane","METADATA_role":"admin","metadata_":1,"metadata_a b":2,"Metadata_Theme":3,`,
	} {
		got, err := v.VerifyAccessToken(context.Background(), es256().access("{"+members+rest))
		if err != nil || got.Subject != "jane" {
			t.Errorf("%s: subject %v, error %v; want jane", members, got, err)
			continue
		}
		if diff := cmp.Diff([]string{"theme"}, got.Metadata.Keys()); diff != "" {
			t.Errorf("%s: metadata keys (-want +got):\n%s", members, diff)
		}
	}
}

func TestSignatures(t *testing.T) {
	v := testVerifier(t)
	s := es256()
	valid := s.access(janesPayload())
	text := valid[:strings.LastIndexByte(valid, '.')]
	signature, err := jwt.SigningMethodES256.Sign(text, s.private)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(text))
	der, err := s.private.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	order := elliptic.P256().Params().N.Bytes()
	zero := make([]byte, 32)
	for name, wrong := range map[string][]byte{
		"none":            {},
		"in DER":          der,
		"a byte short":    signature[:63],
		"a byte long":     append(append([]byte{}, signature...), 0),
		"r padded":        append(append(append([]byte{0}, signature[:32]...), 0), signature[32:]...),
		"halves swapped":  append(append([]byte{}, signature[32:]...), signature[:32]...),
		"zero":            make([]byte, 64),
		"r zero":          append(append([]byte{}, zero...), signature[32:]...),
		"s zero":          append(append([]byte{}, signature[:32]...), zero...),
		"r the order":     append(append([]byte{}, order...), signature[32:]...),
		"both the order":  append(append([]byte{}, order...), order...),
		"a bit different": append([]byte{signature[0] ^ 1}, signature[1:]...),
		"of another key": func() []byte {
			other := newSigner("ES256")
			signature, err := jwt.SigningMethodES256.Sign(text, other.private)
			if err != nil {
				t.Fatal(err)
			}
			return signature
		}(),
	} {
		refused(t, v, name, text+"."+encode(string(wrong)), claims.ErrSignature)
	}

	// (r, n-s) is a signature too (SECURITY.md section 0, 9): so the text of a token must never stand for the token. Whoever
	// keys a list of revoked tokens by jti is safe.
	twin := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(signature[32:]))
	got, err := v.VerifyAccessToken(context.Background(), text+"."+encode(string(append(append([]byte{}, signature[:32]...), twin.FillBytes(make([]byte, 32))...))))
	if err != nil || got.ID != "t1" {
		t.Errorf("the twin: %v, want the same jti", err)
	}

	for _, s := range signers() {
		payload := strings.Replace(janesPayload(), `"jane"`, `"mary"`, 1)
		parts := strings.Split(s.access(janesPayload()), ".")
		refused(t, v, "another payload", parts[0]+"."+encode(payload)+"."+parts[2], claims.ErrSignature)
	}
}

// SECURITY.md T-02: what kid can be made to say.
func TestKeyIDs(t *testing.T) {
	v := testVerifier(t)
	s := es256()
	for _, kid := range []string{
		`"../../dev/null"`, `"' OR 1=1--"`, `"k1\u0000"`, `"` + strings.Repeat("k", 10<<10) + `"`, `"{a}b"`, `"*"`, `"[]"`, `""`, `null`,
		`"` + s.kid + ` "`, `"` + strings.ToUpper(s.kid) + `"`, `"` + s.kid[:len(s.kid)-1] + `"`,
	} {
		refused(t, v, kid, s.sign(`{"alg":"ES256","typ":"at+jwt","kid":`+kid+`}`, janesPayload()), claims.ErrKeyUnknown)
	}
	refused(t, v, "no kid", s.sign(`{"alg":"ES256","typ":"at+jwt"}`, janesPayload()), claims.ErrKeyUnknown)
	refused(t, v, "a list of kids", s.sign(`{"alg":"ES256","typ":"at+jwt","kid":["`+s.kid+`"]}`, janesPayload()), claims.ErrMalformed)
	other := signer{kid: s.kid, alg: "ES256", private: newSigner("ES256").private}
	embedded, err := other.jwk().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	refused(t, v, "a self-signed token that brings its key",
		other.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+s.kid+`","jwk":`+string(embedded)+`}`, janesPayload()), claims.ErrSignature)
}

func TestVerifyAnyAudience(t *testing.T) {
	v := testVerifier(t)
	ctx := context.Background()
	got, err := v.VerifyAnyAudience(ctx, es256().access(payloadWith(t, pair{"aud", `"https://other.example"`})))
	if err != nil || got.Audience[0] != "https://other.example" {
		t.Errorf("a token for somebody else: %v, %v", got, err)
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"no audience":    {es256().access(payloadWith(t, pair{"aud", `[]`})), claims.ErrMissing},
		"expired":        {es256().access(payloadWith(t, pair{"exp", `1788260000`})), claims.ErrExpired},
		"another issuer": {es256().access(payloadWith(t, pair{"iss", `"https://evil.example"`})), claims.ErrIssuer},
		"an ID token":    {es256().token("JWT", janesPayload()), claims.ErrType},
	} {
		if _, err := v.VerifyAnyAudience(ctx, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}
