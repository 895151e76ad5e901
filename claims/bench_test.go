package claims_test

import (
	"context"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// BenchmarkVerify compares with golang-jwt doing as much of the same as its options let it. The limit is 1.15 times its
// time, for ES256.
func BenchmarkVerify(b *testing.B) {
	payload := payloadWith(b, pair{"metadata_prefs", `{"lang":"de","size":3}`}, pair{"metadata_ContractNumber", `12345678901234567890`})
	for _, s := range signers() {
		token := s.access(payload)
		b.Run(s.alg+"/claims", func(b *testing.B) {
			v := testVerifier(b)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.VerifyAccessToken(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.alg+"/golang-jwt", func(b *testing.B) {
			keys := map[string]any{}
			for _, s := range signers() {
				keys[s.kid] = s.private.Public()
			}
			options := []jwt.ParserOption{
				jwt.WithValidMethods([]string{s.alg}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
				jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(atIssue),
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := jwt.Parse(token, func(t *jwt.Token) (any, error) { return keys[t.Header["kid"].(string)], nil }, options...)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAccessTokenJSON(b *testing.B) {
	token := accessToken()
	stored := profileOf(pair{"ContractNumber", `12345678901234567890`}, pair{"prefs", `{"lang":"de","size":3}`}, pair{"theme", `"dark"`})
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		token.AppendJSON(dst, stored)
	}
}
