package keys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The modulus of RFC 7638 §3.1 and the primes of RFC 7515 appendix A.2.
const (
	rfc7638Modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" +
		"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI" +
		"SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	rfc7515P = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
	rfc7515Q = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"
)

// rfcKeys are the example keys of RFC 7515 A.3, RFC 7515 A.2 and RFC 8037 A.1.
func rfcKeys(t testing.TB) []*keys.Key {
	t.Helper()
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), decode(t, "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"))
	if err != nil {
		t.Fatal(err)
	}
	p, q := new(big.Int).SetBytes(decode(t, rfc7515P)), new(big.Int).SetBytes(decode(t, rfc7515Q))
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	r := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: []*big.Int{p, q},
	}
	r.Precompute()
	ed := ed25519.NewKeyFromSeed(decode(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	var all []*keys.Key
	for _, k := range []struct {
		alg     string
		private any
	}{{keys.ES256, ec}, {keys.RS256, r}, {keys.EdDSA, ed}} {
		key, err := keys.NewKey(k.alg, k.private)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key)
	}
	return all
}

// rfcState is a state with the keys of rfcKeys, all signing.
func rfcState(t testing.TB, s *keys.Sealer) keys.State {
	t.Helper()
	state := keys.State{Version: 1}
	for _, k := range rfcKeys(t) {
		at := testkit.NewClock(time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)).Now()
		state.Records = append(state.Records, keys.Record{ID: k.ID, Alg: k.Alg, Sealed: sealedBy(t, k, s), CreatedAt: at, ActivatesAt: at})
	}
	return state
}

func sealedBy(t testing.TB, k *keys.Key, s *keys.Sealer) []byte {
	t.Helper()
	sealed, err := keys.SealKey(k, s)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestThumbprints(t *testing.T) {
	n := new(big.Int).SetBytes(decode(t, rfc7638Modulus))
	got, err := keys.Thumbprint(&rsa.PublicKey{N: n, E: 65537})
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" { // RFC 7638 §3.1
		t.Errorf("RSA: %q, %v", got, err)
	}
	if ed := rfcKeys(t)[2]; ed.ID != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" { // RFC 8037 A.3
		t.Errorf("Ed25519: %q", ed.ID)
	}
}

const goldenJWKS = `{"keys":[` +
	`{"use":"sig","kty":"EC","kid":"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U","crv":"P-256","alg":"ES256",` +
	`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},` +
	`{"use":"sig","kty":"RSA","kid":"IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8","alg":"RS256",` +
	`"n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},` +
	`{"use":"sig","kty":"OKP","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","crv":"Ed25519","alg":"EdDSA",` +
	`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func TestPublishedKeySetIsExact(t *testing.T) {
	sealer := sealerOf(t, 1)
	set, err := keys.Open(rfcState(t, sealer), sealer)
	if err != nil {
		t.Fatal(err)
	}
	got := set.JWKS(testkit.NewClock(time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)).Now())
	if string(got) != goldenJWKS {
		t.Errorf("JWKS:\n%s\nwant:\n%s", got, goldenJWKS)
	}
	var parsed struct{ Keys []map[string]string }
	if err := json.Unmarshal(got, &parsed); err != nil {
		t.Fatal(err)
	}
	allowed := []string{"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"}
	for _, k := range parsed.Keys {
		for member := range k {
			if !slices.Contains(allowed, member) {
				t.Errorf("key %s has member %q", k["kid"], member)
			}
		}
	}
}

func TestSignedTokensVerify(t *testing.T) {
	for _, k := range rfcKeys(t) {
		for _, size := range []int{2, 767, 768, 769, 2000, 5000} {
			payload := `{"a":"` + strings.Repeat("x", size) + `"}`
			token, err := k.Sign("at+jwt", []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{k.Alg}), jwt.WithStrictDecoding()).
				Parse(token, func(*jwt.Token) (any, error) { return k.Public, nil })
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", k.Alg, size, err)
			}
			parts := strings.Split(token, ".")
			if got := string(decode(t, parts[1])); got != payload {
				t.Errorf("%s: payload of %d bytes changed", k.Alg, size)
			}
			want := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, k.Alg, k.ID)
			if got := string(decode(t, parts[0])); got != want {
				t.Errorf("header %s, want %s", got, want)
			}
			if parsed.Header["kid"] != k.ID {
				t.Errorf("kid %v", parsed.Header["kid"])
			}
		}
	}
}

func TestHeadersOfManyTypesStayRight(t *testing.T) {
	k := rfcKeys(t)[2]
	for range 2 {
		for i := range 40 {
			typ := fmt.Sprintf("t%d+jwt", i)
			token, err := k.Sign(typ, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			if head := string(decode(t, strings.Split(token, ".")[0])); !strings.HasSuffix(head, `"typ":"`+typ+`"}`) {
				t.Fatalf("header %s for %s", head, typ)
			}
		}
	}
	for _, typ := range []string{"", `a"`, `a\`, "a b", "a\n", "ä"} {
		if token, err := k.Sign(typ, []byte(`{}`)); err == nil {
			t.Errorf("typ %q gave %s", typ, token)
		}
	}
}

func TestKeyAndAlgorithmMustAgree(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}
	for _, tt := range []struct {
		alg     string
		private any
	}{{keys.RS256, p256}, {keys.EdDSA, p256}, {"HS256", p256}, {"none", ed}, {"", ed}, {keys.ES256, p384}, {keys.ES256, ed}, {keys.RS256, small}, {"HS256", []byte("x")}} {
		if k, err := keys.NewKey(tt.alg, tt.private); !errors.Is(err, keys.ErrAlgorithm) {
			t.Errorf("%T for %q: %v, %v", tt.private, tt.alg, k, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	sealer := sealerOf(t, 'K')
	k := rfcKeys(t)[2]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{sealer, k} {
			out := fmt.Sprintf(verb, v)
			if len(out) > 80 || strings.Contains(out, "KKKK") || strings.Contains(out, "75 75 75") || strings.Contains(out, "0x") {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
	}
}

// Compare the two benchmarks: Sign is what the issuer does, SignedString what golang-jwt offers for a map of claims.
func BenchmarkSign(b *testing.B) {
	payload := benchPayload(b)
	for _, k := range rfcKeys(b) {
		b.Run(k.Alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign("at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignedString(b *testing.B) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	var claims jwt.MapClaims
	if err := json.Unmarshal(benchPayload(b), &claims); err != nil {
		b.Fatal(err)
	}
	for _, k := range []struct {
		method  jwt.SigningMethod
		private any
	}{{jwt.SigningMethodES256, ec}, {jwt.SigningMethodRS256, r}, {jwt.SigningMethodEdDSA, ed}} {
		b.Run(k.method.Alg(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				token := jwt.NewWithClaims(k.method, claims)
				token.Header["kid"] = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
				token.Header["typ"] = "at+jwt"
				if _, err := token.SignedString(k.private); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchPayload is an access token with ten metadata claims.
func benchPayload(b *testing.B) []byte {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC).Unix()
	claims := map[string]any{
		"iss": "https://id.example", "sub": "k3v9x1q7m2c8n4b6", "aud": "https://api.example", "exp": now + 600, "iat": now,
		"jti": "01J4ZQ8W7V", "client_id": "shop", "scope": "openid profile", "org": "default", "claims_rev": 7,
	}
	for i := range 10 {
		claims[fmt.Sprintf("metadata_key%d", i)] = map[string]any{"name": "value of some length", "n": i}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		b.Fatal(err)
	}
	return payload
}
