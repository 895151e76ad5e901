// Package redisstore keeps everything package auth knows in Redis: users and the handles that lead to them, organisations,
// clients, API tokens, sessions, codes, refresh families, rate limits, signing keys, audit events and the facts of the installation.
//
// Every mutation is one static script through a durable.Runner, so that it is atomic, confirmed by as many replicas as the
// operator demands, and safe to repeat when its reply is lost: the script remembers the operation or, repeated, changes nothing.
// A script refuses with an error reply only before it has changed anything. Reads go to the primary. Every other error Redis or
// the network gives is auth.Unavailable: nothing is known then, and nothing is assumed.
//
// Records stand in hashes with the fields rec (the record as JSON, which names the object it is of), v (its version) and op (the
// operations that wrote the last versions); a user's hash has the fields named at keyspace.Space.User besides, which the scripts
// of package metadata read.
package redisstore

import (
	"embed"
	"fmt"
	"strings"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

//go:embed *.lua
var scripts embed.FS

// script is the script of a file, or of several that make it up.
func script(names ...string) *redis.Script {
	var text strings.Builder
	for _, name := range names {
		part, err := scripts.ReadFile(name + ".lua")
		if err != nil {
			panic(err) // the file is part of the binary
		}
		text.Write(part)
	}
	return redis.NewScript(text.String())
}

// Store implements the store contracts of package auth. It is safe for concurrent use.
type Store struct {
	runner  *durable.Runner
	rdb     redis.UniversalClient // for reads
	space   keyspace.Space
	limiter *redis_rate.Limiter
}

var (
	_ auth.UserStore     = (*Store)(nil)
	_ auth.OrgStore      = (*Store)(nil)
	_ auth.ClientStore   = (*Store)(nil)
	_ auth.APITokenStore = (*Store)(nil)
	_ auth.FamilyStore   = (*Store)(nil)
	_ auth.Limiter       = (*Store)(nil)
	_ auth.CodeStore     = (*Store)(nil)
	_ session.Store      = (*Store)(nil)
)

// New returns the store of an installation. The runner's client must read from primaries and honour deadlines
// (ContextTimeoutEnabled).
func New(r *durable.Runner, s keyspace.Space) *Store {
	return &Store{runner: r, rdb: r.Client, space: s, limiter: redis_rate.NewLimiter(r.Client)}
}

// unavailable is what every error means that is not a script's own refusal.
func unavailable(doing string, err error) error {
	return &auth.Error{Code: auth.Unavailable, Detail: "the store cannot answer now, try again", Err: fmt.Errorf("%s: %w", doing, err)}
}

// refused is the error of a script run: the refusal for its first word, if it is among them, else Unavailable.
func refused(doing string, err error, refusals map[string]*auth.Error) error {
	word, _, _ := durable.Verdict(err)
	if refusal, ok := refusals[word]; ok {
		e := *refusal
		e.Err = fmt.Errorf("%s: %w", doing, err)
		return &e
	}
	return unavailable(doing, err)
}

func notFound(kind string) *auth.Error {
	return &auth.Error{Code: auth.NotFound, Detail: "no such " + kind}
}

var errStale = &auth.Error{Code: auth.PreconditionFailed, Detail: "the object was changed by somebody else"}
