package claims_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

var verdicts = []error{
	claims.ErrMalformed, claims.ErrType, claims.ErrAlgorithm, claims.ErrKeyUnknown, claims.ErrSignature, claims.ErrMissing,
	claims.ErrIssuer, claims.ErrAudience, claims.ErrExpired, claims.ErrNotYetValid, claims.ErrProof,
}

// FuzzVerify replaces a part of a valid token. Whatever comes out, only the token itself verifies, every other gets one of
// the package's verdicts, and nothing panics. Key and signature are the same in every process.
func FuzzVerify(f *testing.F) {
	s := signer{kid: "k", alg: "EdDSA", private: ed25519.NewKeyFromSeed([]byte("thirty-two bytes of no secrecy!!"))}
	valid := s.access(janesPayload())
	v := newVerifier(f, claims.Config{Keys: keysOf(s)})
	all := uint16(len(valid))
	f.Add(uint16(0), uint16(0), "")
	f.Add(uint16(5), uint16(1), "\n")
	f.Add(all-1, uint16(1), "A")
	f.Add(uint16(0), all, `{"payload":"","protected":"","signature":""}`)
	f.Add(uint16(0), all, encode(`{"alg":"none"}`)+"."+encode(`{"sub":"admin"}`)+".")
	f.Add(uint16(0), all, encode(`{"alg":"EdDSA","typ":"at+jwt","kid":"k","crit":[]}`)+"..")
	f.Fuzz(func(t *testing.T, at, remove uint16, insert string) {
		from := min(int(at), len(valid))
		to := min(from+int(remove), len(valid))
		token := valid[:from] + insert + valid[to:]
		access, err := v.VerifyAccessToken(context.Background(), token)
		switch {
		case err == nil && token != valid:
			t.Errorf("verified: %q", token)
		case err != nil && token == valid:
			t.Errorf("refused itself: %v", err)
		case err != nil && access != nil:
			t.Error("a result beside an error")
		case err != nil && !slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) }):
			t.Errorf("no verdict: %v", err)
		}
	})
}

// FuzzPayload signs any payload at all: no panic, and what verifies has what is required.
func FuzzPayload(f *testing.F) {
	s := signer{kid: "k", alg: "EdDSA", private: ed25519.NewKeyFromSeed([]byte("thirty-two bytes of no secrecy!!"))}
	v := newVerifier(f, claims.Config{Keys: keysOf(s)})
	f.Add(janesPayload())
	f.Add(`null`)
	f.Add(`{"aud":[[]],"exp":1e400,"metadata_":1,"metadata_x":{"x":[]}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		access, err := v.VerifyAccessToken(context.Background(), s.access(payload))
		if err != nil {
			return
		}
		if access.Issuer != issuer || access.Subject == "" || access.ID == "" || access.ClientID == "" || !slices.Contains(access.Audience, audience) {
			t.Errorf("verified: %+v", access)
		}
		if _, err := access.Metadata.MarshalJSON(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzProof replaces a part of a valid proof: whatever comes out, only what the key has signed verifies, every other gets a verdict, and
// nothing panics.
func FuzzProof(f *testing.F) {
	s := signer{kid: "k", alg: "EdDSA", private: ed25519.NewKeyFromSeed([]byte("thirty-two bytes of no secrecy!!"))}
	valid := proofOf(s, nil, nil)
	all := uint16(len(valid))
	f.Add(uint16(0), uint16(0), "", proofURL)
	f.Add(all-1, uint16(1), "A", proofURL)
	f.Add(uint16(0), all, encode(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}`)+"..", proofURL)
	f.Add(uint16(0), all, encode(`{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQAB","d":1}}`)+"..", proofURL)
	f.Add(uint16(0), uint16(0), "", "https://id.example:443/%2e%2E/oauth/%74oken?")
	f.Fuzz(func(t *testing.T, at, remove uint16, insert, url string) {
		from := min(int(at), len(valid))
		to := min(from+int(remove), len(valid))
		proof := valid[:from] + insert + valid[to:]
		request := tokenRequest()
		request.URL = url
		got, err := claims.VerifyProof(proof, request)
		switch {
		case err == nil && proof != valid:
			t.Errorf("verified: %q", proof)
		case err != nil && proof == valid && url == proofURL:
			t.Errorf("refused itself: %v", err)
		case err != nil && got != nil:
			t.Error("a result beside an error")
		case err != nil && !slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) }):
			t.Errorf("no verdict: %v", err)
		}
	})
}

// FuzzAssertion signs any payload at all: no panic, and what verifies is the client's and short-lived.
func FuzzAssertion(f *testing.F) {
	s := signer{kid: "k", alg: "EdDSA", private: ed25519.NewKeyFromSeed([]byte("thirty-two bytes of no secrecy!!"))}
	f.Add(`{"iss":"web","sub":"web","aud":"https://id.example","jti":"a1","exp":1788264060}`)
	f.Add(`{"iss":"web","sub":"web","aud":["https://id.example"],"jti":"a1","exp":1e400}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, payload string) {
		assertion := s.sign(`{"alg":"EdDSA","kid":"k"}`, payload)
		client, unverified := claims.AssertionClient(assertion)
		got, err := claims.VerifyAssertion(assertion, expectedAssertion(s))
		switch {
		case err == nil && (got.ClientID != "web" || got.ID == "" || got.ExpiresAt.After(issuedAt.Add(6*time.Minute)) || client != "web" || unverified != nil):
			t.Errorf("verified: %+v", got)
		case err != nil && got != nil:
			t.Error("a result beside an error")
		case err != nil && !slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) }):
			t.Errorf("no verdict: %v", err)
		}
	})
}
