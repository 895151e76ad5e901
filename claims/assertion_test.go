package claims_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// assertionOf is a client assertion by a key, with members of header and payload replaced, or removed where the value is "".
func assertionOf(s signer, header, payload []pair) string {
	return s.sign(
		members([]pair{{"alg", `"` + s.alg + `"`}, {"kid", `"` + s.kid + `"`}}, header),
		members([]pair{
			{"iss", `"web"`}, {"sub", `"web"`}, {"aud", `"` + issuer + `"`}, {"jti", `"a1"`}, {"exp", "1788264060"}, {"iat", "1788264000"},
		}, payload))
}

func expectedAssertion(keys ...signer) claims.ExpectedAssertion {
	return claims.ExpectedAssertion{
		ClientID: "web", Keys: keysOf(keys...).keys, Audiences: []string{issuer}, Leeway: claims.DefaultLeeway, Now: issuedAt,
	}
}

func refusedAssertion(tb testing.TB, name, assertion string, expected claims.ExpectedAssertion, want error) {
	tb.Helper()
	got, err := claims.VerifyAssertion(assertion, expected)
	if !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", name, err, want)
	}
	if got != nil {
		tb.Errorf("%s: a result beside an error", name)
	}
}

func TestVerifyAssertion(t *testing.T) {
	all := expectedAssertion(signers()...)
	for _, s := range signers() {
		for _, header := range [][]pair{nil, {{"typ", `"JWT"`}}, {{"typ", `"client-authentication+jwt"`}}, {{"kid", ``}}} {
			assertion := assertionOf(s, header, nil)
			got, err := claims.VerifyAssertion(assertion, all)
			if err != nil {
				t.Errorf("%s %v: %v", s.alg, header, err)
				continue
			}
			if want := (claims.Assertion{ClientID: "web", ID: "a1", ExpiresAt: issuedAt.Add(time.Minute)}); *got != want {
				t.Errorf("%s: %+v, want %+v", s.alg, *got, want)
			}
			if id, err := claims.AssertionClient(assertion); id != "web" || err != nil {
				t.Errorf("%s: of client %q, error %v", s.alg, id, err)
			}
		}
	}
	endpoint := expectedAssertion(es256())
	endpoint.Audiences = append(endpoint.Audiences, issuer+"/oauth/token")
	if _, err := claims.VerifyAssertion(assertionOf(es256(), nil, []pair{{"aud", `"` + issuer + `/oauth/token"`}}), endpoint); err != nil {
		t.Errorf("for the token endpoint where that is allowed: %v", err)
	}
}

// SECURITY.md T-01, T-02: no header decides how it is verified.
func TestAssertionHeaders(t *testing.T) {
	s, other := es256(), newSigner("ES256")
	expected := expectedAssertion(s, rs256())
	check := func(name, assertion string, want error) {
		t.Helper()
		refusedAssertion(t, name, assertion, expected, want)
	}
	for _, typ := range []string{`"at+jwt"`, `"dpop+jwt"`, `"logout+jwt"`, `"jwt"`, `"secevent+jwt"`} {
		check("typ "+typ, assertionOf(s, []pair{{"typ", typ}}, nil), claims.ErrType)
	}
	for _, alg := range []string{`"none"`, `"HS256"`, `"ES384"`, `"RS256"`, `""`, `null`, ``} {
		check("alg "+alg, assertionOf(s, []pair{{"alg", alg}}, nil), claims.ErrAlgorithm)
	}
	for _, alg := range []string{`"none"`, `"HS256"`, ``} {
		check("no kid, alg "+alg, assertionOf(s, []pair{{"alg", alg}, {"kid", ``}}, nil), claims.ErrKeyUnknown)
	}
	for _, kid := range []string{`"../../dev/null"`, `"x"`, `"` + other.kid + `"`} {
		check("kid "+kid, assertionOf(s, []pair{{"kid", kid}}, nil), claims.ErrKeyUnknown)
	}
	check("another key under the kid", assertionOf(other, []pair{{"kid", `"` + s.kid + `"`}}, nil), claims.ErrSignature)
	check("a key of its own", assertionOf(other, []pair{{"kid", `"` + s.kid + `"`}, {"jwk", publicJWK(other)}}, nil), claims.ErrSignature)
	check("crit", assertionOf(s, []pair{{"crit", `["exp"]`}}, nil), claims.ErrMalformed)
	refusedAssertion(t, "no kid where there are two keys", assertionOf(s, []pair{{"kid", ``}}, nil), expectedAssertion(s, other), claims.ErrKeyUnknown)
	refusedAssertion(t, "no keys", assertionOf(s, []pair{{"kid", ``}}, nil), expectedAssertion(), claims.ErrKeyUnknown)
}

// SECURITY.md O-14, T-05, T-08.
func TestAssertionClaims(t *testing.T) {
	s := eddsa()
	check := func(name string, want error, payload ...pair) {
		t.Helper()
		refusedAssertion(t, name, assertionOf(s, nil, payload), expectedAssertion(s), want)
	}
	for claim, want := range map[string]error{
		"iss": claims.ErrIssuer, "sub": claims.ErrIssuer, "aud": claims.ErrAudience, "jti": claims.ErrMissing, "exp": claims.ErrMissing,
	} {
		check("no "+claim, want, pair{claim, ``})
		check("null "+claim, want, pair{claim, `null`})
		if claim != "exp" {
			check("empty "+claim, want, pair{claim, `""`})
			check("an array as "+claim, claims.ErrMalformed, pair{claim, `["web"]`})
		}
	}
	check("of another client", claims.ErrIssuer, pair{"iss", `"other"`}, pair{"sub", `"other"`})
	check("for another client", claims.ErrIssuer, pair{"sub", `"other"`})
	check("by another client", claims.ErrIssuer, pair{"iss", `"other"`})
	check("the issuer in an array", claims.ErrMalformed, pair{"aud", `["` + issuer + `"]`})
	check("the issuer and another", claims.ErrMalformed, pair{"aud", `["` + issuer + `","https://evil.example"]`})
	for _, aud := range []string{issuer + "/", issuer + "/oauth/token", "https://ID.example", "https://evil.example", "web"} {
		check("aud "+aud, claims.ErrAudience, pair{"aud", `"` + aud + `"`})
	}
	for _, value := range []string{`0`, `-1`, `253402300800`} {
		check("exp "+value, claims.ErrMissing, pair{"exp", value})
	}
	for _, value := range []string{`"1788264060"`, `1788264060.5`, `1e30`} {
		check("exp "+value, claims.ErrMalformed, pair{"exp", value})
	}
	check("a claim twice", claims.ErrMalformed, pair{`sub":"other","sub`, `"web"`})
	check("a claim in another case", claims.ErrIssuer, pair{"sub", ``}, pair{"SUB", `"web"`})

	for _, tt := range []struct {
		name          string
		exp, iat, nbf time.Duration // from now
		want          error
	}{
		{"a minute", time.Minute, 0, 0, nil},
		{"the last moment", -29 * time.Second, -time.Minute, -time.Minute, nil},
		{"over", -30 * time.Second, -time.Minute, -time.Minute, claims.ErrExpired},
		{"five minutes and the leeway", 5*time.Minute + 30*time.Second, 0, 0, nil},
		{"more", 5*time.Minute + 31*time.Second, 0, 0, claims.ErrMissing},
		{"a day", 24 * time.Hour, 0, 0, claims.ErrMissing},
		{"a clock ahead", time.Minute, 30 * time.Second, 30 * time.Second, nil},
		{"from the future", time.Minute, 31 * time.Second, 0, claims.ErrNotYetValid},
		{"for the future", time.Minute, 0, 31 * time.Second, claims.ErrNotYetValid},
	} {
		assertion := assertionOf(s, nil, []pair{
			{"exp", seconds(tt.exp)}, {"iat", seconds(tt.iat)}, {"nbf", seconds(tt.nbf)},
		})
		if _, err := claims.VerifyAssertion(assertion, expectedAssertion(s)); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := claims.VerifyAssertion(assertionOf(s, nil, []pair{{"iat", ``}}), expectedAssertion(s)); err != nil {
		t.Errorf("without iat, which RFC 7523 leaves open: %v", err)
	}
	nobody := expectedAssertion(s)
	nobody.ClientID = ""
	refusedAssertion(t, "nobody's", assertionOf(s, nil, []pair{{"iss", `""`}, {"sub", `""`}}), nobody, claims.ErrIssuer)
}

// seconds is a NumericDate that far from issuedAt.
func seconds(d time.Duration) string { return numericDate(issuedAt.Add(d)) }

// SECURITY.md T-03.
func TestAssertionFormat(t *testing.T) {
	s := es256()
	valid := assertionOf(s, nil, nil)
	for name, assertion := range map[string]string{
		"nothing":         "",
		"a line break":    valid + "\n",
		"padding":         valid + "=",
		"four segments":   valid + ".x",
		"two assertions":  valid + " " + valid,
		"17 KiB":          assertionOf(s, nil, []pair{{"x", `"` + strings.Repeat("x", 17<<10) + `"`}}),
		"no object":       s.sign(`{"alg":"ES256","kid":"`+s.kid+`"}`, `["web"]`),
		"trailing object": s.sign(`{"alg":"ES256","kid":"`+s.kid+`"}`, `{"sub":"web"}{}`),
	} {
		refusedAssertion(t, name, assertion, expectedAssertion(s), claims.ErrMalformed)
		if id, err := claims.AssertionClient(assertion); !errors.Is(err, claims.ErrMalformed) || id != "" {
			t.Errorf("%s: of client %q, error %v", name, id, err)
		}
	}
	if id, err := claims.AssertionClient(assertionOf(s, nil, []pair{{"sub", ``}})); !errors.Is(err, claims.ErrMissing) || id != "" {
		t.Errorf("without sub: of client %q, error %v", id, err)
	}
}
