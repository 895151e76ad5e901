package metadata

// ClaimsOf makes ProfileClaims of a scheme, and CandidatesOf explains them.
var (
	ClaimsOf     = claimsOf
	CandidatesOf = (*ProfileClaims).candidates
)

// Resolver returns what minting does with a scheme it has seen before.
func Resolver(s *Scheme) func(own Claims, client string) *ProfileClaims {
	r := newResolver(s)
	return func(own Claims, client string) *ProfileClaims { return r.resolve(own, client, s.Revision) }
}
