// Package claims owns what a Claimsmith token says: the JSON of every token the issuer mints, the prefix that sets
// metadata claims apart, and the verifier with which Go services check tokens and read those claims.
//
// A service that receives access tokens builds one [Verifier] at start and either wraps its handlers in [Middleware] or
// calls [Verifier.VerifyAccessToken] itself. Metadata claims are then read with exact types from [Access].Metadata.
//
// The package knows nothing of the rest of the project, of Redis, or of any web framework, so that a service importing
// it gets little else.
package claims
