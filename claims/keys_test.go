package claims_test

import (
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// SECURITY.md T-09.
func TestKeySetHygiene(t *testing.T) {
	good := func(change map[string]any) map[string]any { return jwkWith(t, es256(), change) }
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	modulus := rs256().private.Public().(*rsa.PublicKey).N
	weak := new(big.Int).SetBit(new(big.Int).Rsh(modulus, 1), 0, 1) // 2047 bits
	p := elliptic.P256().Params().P
	type set = []map[string]any

	for name, tt := range map[string]struct {
		set  set
		want int // keys accepted; -1: the set is refused
	}{
		"one of each":              {set{good(nil), jwkWith(t, rs256(), nil), jwkWith(t, eddsa(), nil)}, 3},
		"none":                     {set{}, 0},
		"key_ops verify":           {set{good(map[string]any{"key_ops": []string{"verify"}})}, 1},
		"key_ops sign":             {set{good(map[string]any{"key_ops": []string{"sign"}})}, 0},
		"no key_ops":               {set{good(map[string]any{"key_ops": []string{}})}, 0},
		"for encryption":           {set{good(map[string]any{"use": "enc"})}, 0},
		"no use":                   {set{good(map[string]any{"use": nil})}, 0},
		"no kid":                   {set{good(map[string]any{"kid": nil})}, 0},
		"no alg":                   {set{good(map[string]any{"alg": nil})}, 0},
		"alg of another type":      {set{good(map[string]any{"alg": "RS256"})}, 0},
		"HS256 with a public key":  {set{good(map[string]any{"alg": "HS256"})}, 0},
		"alg none":                 {set{good(map[string]any{"alg": "none"})}, 0},
		"another alg of the type":  {set{jwkWith(t, rs256(), map[string]any{"alg": "PS256"})}, 0},
		"kty of another type":      {set{good(map[string]any{"kty": "RSA"})}, 0},
		"kty unknown":              {set{good(map[string]any{"kty": "XYZ"}), jwkWith(t, rs256(), nil)}, 1},
		"kty in another case":      {set{good(map[string]any{"kty": "ec"})}, 0},
		"another curve":            {set{good(map[string]any{"crv": "P-384"})}, 0},
		"a curve for RSA":          {set{jwkWith(t, rs256(), map[string]any{"crv": "P-256"})}, 0},
		"a point off the curve":    {set{good(map[string]any{"y": good(nil)["x"]})}, 0},
		"the point at infinity":    {set{good(map[string]any{"x": encode(strings.Repeat("\x00", 32)), "y": encode(strings.Repeat("\x00", 32))})}, 0},
		"a coordinate too large":   {set{good(map[string]any{"x": number(p)})}, 0},
		"a coordinate too short":   {set{good(map[string]any{"x": "AQ"})}, 0},
		"no y":                     {set{good(map[string]any{"y": nil})}, 0},
		"2047 bits":                {set{jwkWith(t, rs256(), map[string]any{"n": number(weak)})}, 0},
		"1024 bits":                {set{jwkWith(t, rs256(), map[string]any{"n": number(new(big.Int).Rsh(modulus, 1024))})}, 0},
		"an even modulus":          {set{jwkWith(t, rs256(), map[string]any{"n": number(new(big.Int).SetBit(modulus, 0, 0))})}, 0},
		"a modulus of 16384 bits":  {set{jwkWith(t, rs256(), map[string]any{"n": number(new(big.Int).SetBit(big.NewInt(1), 16383, 1))})}, 0},
		"no modulus":               {set{jwkWith(t, rs256(), map[string]any{"n": ""})}, 0},
		"e = 1":                    {set{jwkWith(t, rs256(), map[string]any{"e": "AQ"})}, 0},
		"e = 3":                    {set{jwkWith(t, rs256(), map[string]any{"e": "Aw"})}, 0},
		"e = 65536":                {set{jwkWith(t, rs256(), map[string]any{"e": "AQAA"})}, 0},
		"an enormous e":            {set{jwkWith(t, rs256(), map[string]any{"e": "AQABAAAAAAAAAAAAAQ"})}, 0},
		"an Ed25519 key too short": {set{jwkWith(t, eddsa(), map[string]any{"x": "AQ"})}, 0},
		"an Ed25519 key of order 1": {set{jwkWith(t, eddsa(), map[string]any{
			"x": encode("\x01" + strings.Repeat("\x00", 31))})}, 0},
		"X25519":                  {set{jwkWith(t, eddsa(), map[string]any{"crv": "X25519"})}, 0},
		"a kid twice":             {set{good(nil), jwkWith(t, rs256(), map[string]any{"kid": es256().kid})}, -1},
		"a kid twice, one unfit":  {set{good(nil), good(map[string]any{"use": "enc"})}, -1},
		"a symmetric key":         {set{good(nil), {"kty": "oct", "k": "c2VjcmV0", "kid": "h", "alg": "HS256", "use": "sig"}}, -1},
		"a symmetric key, unused": {set{good(nil), {"kty": "oct"}}, -1},
		"k in a public key":       {set{good(map[string]any{"k": "c2VjcmV0"})}, -1},
		"a private key":           {set{good(map[string]any{"d": "AQ"})}, -1},
		"a prime":                 {set{jwkWith(t, rs256(), map[string]any{"p": "AQ"})}, -1},
		"kid a number":            {set{good(map[string]any{"kid": 1})}, -1},
		"alg a list":              {set{good(map[string]any{"alg": []string{"ES256"}})}, -1},
	} {
		text, err := json.Marshal(map[string]any{"keys": tt.set})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := claims.ParseKeySet(text)
		switch {
		case tt.want < 0 && (err == nil || keys != nil):
			t.Errorf("%s: accepted", name)
		case tt.want >= 0 && (err != nil || len(keys) != tt.want):
			t.Errorf("%s: %d keys, error %v; want %d", name, len(keys), err, tt.want)
		}
	}
	for _, text := range []string{
		"", "null", "{}", `{"keys":null}`, `{"Keys":[]}`, "[]", `{"keys":[]}{}`, `{"keys":{}}`, `{"keys":[1]}`, `{"keys":["x"]}`, `{"keys":[],"keys":[]}`,
		`{"keys":[{"kty":"EC","kty":"RSA"}]}`,
	} {
		if _, err := claims.ParseKeySet([]byte(text)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}

	// A set that is refused leaves the keys of the last good one in use.
	s := newServer(t, es256())
	clock := newClock()
	v := remote(t, s, clock)
	token := s.token(es256())
	if err := verify(v, token); err != nil {
		t.Fatal(err)
	}
	s.publish(map[string]any{"kty": "oct", "k": "c2VjcmV0"})
	clock.advance(301 * time.Second)
	if err := verify(v, token); err != nil {
		t.Errorf("beside a refused set: %v", err)
	}
}

// jwkWith is a signer's JWK with members changed, or removed where the value is nil.
func jwkWith(tb testing.TB, s signer, change map[string]any) map[string]any {
	tb.Helper()
	text, err := s.jwk().MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		tb.Fatal(err)
	}
	for name, value := range change {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	return members
}

func FuzzKeySet(f *testing.F) {
	for _, s := range signers() {
		text, err := s.jwk().MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"keys":[` + string(text) + `]}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := claims.ParseKeySet(text)
		if err != nil && keys != nil {
			t.Error("keys beside an error")
		}
		for id, key := range keys {
			if id == "" || id != key.ID || key.Public == nil {
				t.Errorf("key %q: %+v", id, key)
			}
		}
	})
}
