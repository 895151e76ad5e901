package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// APIAudience is the audience of access tokens for the management API of an issuer. Clients cannot register it.
func APIAudience(issuer string) string { return issuer + "/api" }

// Callers turns the bearer of an API request into a Caller: an operator's API token, the access token of a machine client with
// scope iam/ (or ScopeZitadelAPI), or the access token a first-party client obtained for a user.
type Callers struct {
	Issuer   string
	Verifier *claims.Verifier
	Tokens   APITokenStore
	Families FamilyStore
	Registry *Registry
	// Audit gets "api.authenticate" for every bearer that does not stand.
	Audit audit.Log
	Now   func() time.Time

	known recent[[32]byte, knownCaller]
}

type knownCaller struct {
	caller  *Caller
	expires time.Time
}

var errBearer = &Error{Code: Unauthenticated, Detail: "the access token is not valid"}

// Resolve answers Unauthenticated for any bearer that does not stand, and Unavailable when that cannot be told. What it found
// is used again for at most Recency.
func (c *Callers) Resolve(ctx context.Context, bearer string) (*Caller, error) {
	now := c.Now()
	key := sha256.Sum256([]byte(bearer))
	if known, ok := c.known.get(key, now); ok && (known.expires.IsZero() || now.Before(known.expires)) {
		return known.caller, nil
	}
	var found knownCaller
	var err error
	if strings.Count(bearer, ".") == 2 {
		found, err = c.accessToken(ctx, bearer)
	} else {
		found, err = c.apiToken(ctx, bearer)
	}
	if err != nil {
		c.Audit.Record(ctx, Outcome("api.authenticate", "", err))
		return nil, err
	}
	c.known.put(key, found, now)
	return found.caller, nil
}

// Forget drops what was remembered, after a change made here.
func (c *Callers) Forget() { c.known.forget() }

func (c *Callers) apiToken(ctx context.Context, text string) (knownCaller, error) {
	t, err := c.Tokens.APIToken(ctx, apiTokenID(text))
	switch {
	case CodeOf(err) == NotFound:
		return knownCaller{}, errBearer
	case err != nil:
		return knownCaller{}, err
	case subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hashSecret(text))) != 1,
		!t.ExpiresAt.IsZero() && !c.Now().Before(t.ExpiresAt):
		return knownCaller{}, errBearer
	}
	if t.Org != "" {
		if _, err := c.Registry.Org(ctx, t.Org); CodeOf(err) == NotFound {
			return knownCaller{}, errBearer
		} else if err != nil {
			return knownCaller{}, err
		}
	}
	return knownCaller{&Caller{ref: "token:" + t.ID, role: t.Role, org: t.Org}, t.ExpiresAt}, nil
}

func (c *Callers) accessToken(ctx context.Context, text string) (knownCaller, error) {
	t, err := c.Verifier.VerifyAnyAudience(ctx, text)
	if errors.Is(err, claims.ErrUnavailable) {
		return knownCaller{}, &Error{Code: Unavailable, Err: err}
	}
	if err != nil {
		return knownCaller{}, &Error{Code: Unauthenticated, Detail: errBearer.Detail, Err: err}
	}
	// A token that is bound to a key is not for bearing (RFC 9449 §7.1), one that was exchanged is for another audience.
	if t.KeyThumbprint != "" || t.Actor != nil {
		return knownCaller{}, errBearer
	}
	client, err := c.Registry.Standing(ctx, t.ClientID, t.Org, t.IssuedAt)
	if CodeOf(err) == InvalidClient {
		return knownCaller{}, errBearer
	}
	if err != nil {
		return knownCaller{}, err
	}
	if isMachine(t) {
		return c.machine(ctx, t, client)
	}
	return c.person(ctx, t, client)
}

// isMachine tells a client's own token from a user's, which comes from a login.
func isMachine(t *claims.Access) bool { return t.Subject == t.ClientID && t.SessionID == "" }

// A machine client manages its own organisation if its token was made for the API, by scope and by audience.
func (c *Callers) machine(ctx context.Context, t *claims.Access, client *Client) (knownCaller, error) {
	if t.Org != client.Org || !slices.Contains(t.Audience, APIAudience(c.Issuer)) {
		return knownCaller{}, errBearer
	}
	denied, err := c.Families.Denied(ctx, t.Subject, t.ID)
	if err != nil {
		return knownCaller{}, err
	}
	if denied {
		return knownCaller{}, errBearer
	}
	caller := &Caller{ref: "client:" + client.ID, org: client.Org, machine: true}
	if managesByScope(stillAllowed(client, t.Scope)) {
		caller.role = RoleOperator
	}
	return knownCaller{caller, t.ExpiresAt}, nil
}

// A person acts for himself, through the operator's own applications only: a third party's token is for reading claims.
func (c *Callers) person(ctx context.Context, t *claims.Access, client *Client) (knownCaller, error) {
	if t.SessionID == "" || !slices.Contains(t.Audience, c.Issuer) || !client.FirstParty {
		return knownCaller{}, errBearer
	}
	live, _, err := c.Families.Live(ctx, FamilyRef{User: t.Subject, Org: t.Org, ID: t.SessionID}, t.ID)
	if err != nil {
		return knownCaller{}, err
	}
	if !live {
		return knownCaller{}, errBearer
	}
	return knownCaller{&Caller{ref: "user:" + t.Subject, org: t.Org, user: t.Subject}, t.ExpiresAt}, nil
}
