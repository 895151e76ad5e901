package auth

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// LoginClient is the public first-party client that POST /login stands for when the request names none. It is created with the
// installation.
const LoginClient = "login"

// Clients manages clients.
type Clients struct {
	Store    ClientStore
	Users    UserStore
	Registry *Registry
	Callers  *Callers
	Issuer   string
	Audit    audit.Log
	Now      func() time.Time
}

// ClientChange changes the fields that are not nil.
type ClientChange struct {
	Name           *string
	FirstParty     *bool
	AllOrgs        *bool // administrators only
	GrantTypes     *[]string
	Scopes         *[]string
	Audience       *[]string
	AccessTokenAlg *string
	IDTokenAlg     *string
	ClaimsIn       **[]string // pointing to nil: everywhere
	ClaimKeys      **[]string // pointing to nil: all
	Disabled       *bool
}

// NewClient describes a client to create.
type NewClient struct {
	ID     string // "" for a generated one
	Public bool   // no secret
	Secret string // a secret of the caller's choice, for demonstrations and migrations; "" for a generated one
	ClientChange
}

// Get returns a client of an organisation the caller may see.
func (s *Clients) Get(ctx context.Context, caller *Caller, orgName, id string) (Client, error) {
	org := caller.orgOf(orgName)
	if !caller.MayRead(org) || !ValidClientID(id) {
		return Client{}, errNotFound("client")
	}
	c, err := s.Store.Client(ctx, id)
	if err != nil {
		return Client{}, err
	}
	if c.Org != org {
		return Client{}, errNotFound("client")
	}
	return c, nil
}

// List pages through the clients of an organisation.
func (s *Clients) List(ctx context.Context, caller *Caller, orgName string, p Page) ([]Client, string, error) {
	org := caller.orgOf(orgName)
	if !caller.MayRead(org) {
		return nil, "", errNotFound("organisation")
	}
	return s.Store.Clients(ctx, org, p)
}

// Create adds a client and returns its secret, which is not kept and cannot be shown again ("" for a public client).
func (s *Clients) Create(ctx context.Context, caller *Caller, orgName string, n NewClient) (Client, string, error) {
	org := caller.orgOf(orgName)
	now := s.Now()
	c := Client{ID: n.ID, Org: org, Since: now, CreatedAt: now, UpdatedAt: now}
	if c.ID == "" {
		c.ID = NewUserID()
	}
	secret, err := s.create(ctx, caller, &c, n)
	s.record(ctx, "client.create", caller, org, c, err)
	return c, secret, err
}

func (s *Clients) create(ctx context.Context, caller *Caller, c *Client, n NewClient) (string, error) {
	if err := caller.refuse(caller.MayConfigure(c.Org), c.Org, "client"); err != nil {
		return "", err
	}
	if _, err := s.Registry.Org(ctx, c.Org); err != nil {
		return "", err
	}
	if !ValidClientID(c.ID) {
		return "", &Error{Code: InvalidRequest, Field: "client_id", Detail: "1 to 64 of A-Z a-z 0-9 _ . -"}
	}
	if err := s.isNoUser(ctx, c.ID); err != nil {
		return "", err
	}
	secret := ""
	if !n.Public {
		if secret = n.Secret; secret == "" {
			secret = newSecret(clientSecretPrefix)
		}
		c.SecretHash = hashSecret(secret)
	}
	return secret, s.put(ctx, caller, c, n.ClientChange)
}

// A client whose id is or was a user's would be that user in the tokens it gets for itself (rows O-21, M-15).
func (s *Clients) isNoUser(ctx context.Context, id string) error {
	if !ValidUserID(id) {
		return nil
	}
	used, err := s.Users.UserIDUsed(ctx, id)
	if used {
		return &Error{Code: Conflict, Field: "client_id", Detail: "this id is in use"}
	}
	return err
}

// Update changes a client. want, if not nil, is the version the change is based on.
func (s *Clients) Update(ctx context.Context, caller *Caller, orgName, id string, want *uint64, change ClientChange) (Client, error) {
	var c Client
	err := unlessChanged(want, func() (err error) {
		if c, err = s.Get(ctx, caller, orgName, id); err != nil {
			return err
		}
		if err := caller.refuse(caller.mayChange(&c), c.Org, "client"); err != nil {
			return err
		}
		if err := checkVersion(c.Version, want); err != nil {
			return err
		}
		c.UpdatedAt = s.Now()
		return s.put(ctx, caller, &c, change)
	})
	s.record(ctx, "client.update", caller, caller.orgOf(orgName), c, err)
	return c, err
}

// NewSecret replaces the secret of a confidential client and returns the new one, shown this once.
func (s *Clients) NewSecret(ctx context.Context, caller *Caller, orgName, id string) (Client, string, error) {
	secret := newSecret(clientSecretPrefix)
	var c Client
	err := unlessChanged(nil, func() (err error) {
		if c, err = s.Get(ctx, caller, orgName, id); err != nil {
			return err
		}
		if err := caller.refuse(caller.mayChange(&c), c.Org, "client"); err != nil {
			return err
		}
		if c.Public() {
			return &Error{Code: InvalidRequest, Detail: "a public client has no secret"}
		}
		c.SecretHash, c.UpdatedAt = hashSecret(secret), s.Now()
		return s.put(ctx, caller, &c, ClientChange{})
	})
	s.record(ctx, "client.secret", caller, caller.orgOf(orgName), c, err)
	return c, secret, err
}

// Delete removes a client; what was issued to it ends within Recency.
func (s *Clients) Delete(ctx context.Context, caller *Caller, orgName, id string) error {
	c, err := s.Get(ctx, caller, orgName, id)
	if err == nil {
		err = caller.refuse(caller.mayChange(&c), c.Org, "client")
	}
	if err == nil {
		err = s.Store.DeleteClient(ctx, c)
	}
	s.changed()
	s.record(ctx, "client.delete", caller, caller.orgOf(orgName), c, err)
	return err
}

func (s *Clients) put(ctx context.Context, caller *Caller, c *Client, change ClientChange) error {
	if err := s.apply(caller, c, change); err != nil {
		return err
	}
	if err := s.namesNoOtherClient(ctx, c); err != nil {
		return err
	}
	version, err := s.Store.PutClient(ctx, *c, newOperation())
	if CodeOf(err) == Conflict {
		return &Error{Code: Conflict, Field: "client_id", Detail: "this id is in use", Err: err}
	}
	if err != nil {
		return err
	}
	c.Version = version
	s.changed()
	return nil
}

func (s *Clients) changed() {
	s.Registry.Forget()
	s.Callers.Forget()
}

var (
	grantTypes  = []string{GrantPassword, GrantRefreshToken, GrantClientCredentials}
	algorithms  = []string{"ES256", "RS256", "EdDSA"}
	claimPlaces = []string{InAccessToken, InIDToken, InUserInfo, InIntrospection}
)

func (s *Clients) apply(caller *Caller, c *Client, change ClientChange) error {
	set(&c.Name, change.Name)
	set(&c.FirstParty, change.FirstParty)
	set(&c.GrantTypes, change.GrantTypes)
	set(&c.Scopes, change.Scopes)
	set(&c.Audience, change.Audience)
	set(&c.AccessTokenAlg, change.AccessTokenAlg)
	set(&c.IDTokenAlg, change.IDTokenAlg)
	if c.Disabled && change.Disabled != nil && !*change.Disabled {
		c.Since = s.Now()
	}
	set(&c.Disabled, change.Disabled)
	setList(&c.ClaimsIn, change.ClaimsIn)
	setList(&c.ClaimKeys, change.ClaimKeys)
	if change.AllOrgs != nil && *change.AllOrgs != c.AllOrgs {
		if !caller.IsAdmin() {
			return errForbidden("let a client serve all organisations")
		}
		c.AllOrgs = *change.AllOrgs
	}
	return s.check(c)
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func setList(field *[]string, value **[]string) {
	switch {
	case value == nil:
	case *value == nil:
		*field = nil
	default:
		*field = **value
	}
}

func (s *Clients) check(c *Client) error {
	if err := checkName("name", c.Name); err != nil {
		return err
	}
	for _, list := range []struct {
		field   string
		values  []string
		allowed []string
	}{
		{"grant_types", c.GrantTypes, grantTypes},
		{"claims_in", c.ClaimsIn, claimPlaces},
		{"access_token_alg", nonEmpty(c.AccessTokenAlg), algorithms},
		{"id_token_alg", nonEmpty(c.IDTokenAlg), algorithms},
	} {
		for _, v := range list.values {
			if !slices.Contains(list.allowed, v) {
				return &Error{Code: InvalidRequest, Field: list.field, Detail: "allowed: " + describe(list.allowed)}
			}
		}
	}
	switch {
	case len(c.Scopes) > 100 || len(c.Audience) > 20 || len(c.ClaimKeys) > 1000:
		return &Error{Code: InvalidRequest, Detail: "at most 100 scopes, 20 audiences and 1000 claim keys"}
	case c.Public() && slices.Contains(c.GrantTypes, GrantClientCredentials):
		return &Error{Code: InvalidRequest, Field: "grant_types", Detail: "client_credentials needs a client with a secret"} // RFC 6749 §4.4
	case !c.FirstParty && slices.Contains(c.GrantTypes, GrantPassword):
		return &Error{Code: InvalidRequest, Field: "grant_types", Detail: "password needs first_party true"}
	}
	for _, scope := range c.Scopes {
		if !validScope(scope) {
			return &Error{Code: InvalidRequest, Field: "scopes", Detail: "1 to 128 printable ASCII characters without space, \" and \\"}
		}
	}
	for _, key := range c.ClaimKeys {
		if !claims.ValidKey(key) {
			return &Error{Code: InvalidRequest, Field: "claim_keys", Detail: "only keys that can become claims"}
		}
	}
	return s.checkAudience(c)
}

// An audience that is another client's id would make access tokens that pass for that client's ID tokens where typ is not looked at.
func (s *Clients) namesNoOtherClient(ctx context.Context, c *Client) error {
	for _, a := range c.Audience {
		if a == c.ID || !ValidClientID(a) {
			continue
		}
		_, err := s.Store.Client(ctx, a)
		if err == nil {
			return &Error{Code: InvalidRequest, Field: "audience", Detail: "an audience must not be another client's id"}
		}
		if CodeOf(err) != NotFound {
			return err
		}
	}
	return nil
}

// Nobody may have tokens made that the management API takes for its own (row T-07). Whether two organisations name the same service is
// theirs to know: a service that serves one of them checks the claim org.
func (s *Clients) checkAudience(c *Client) error {
	for _, a := range c.Audience {
		u, err := url.Parse(a)
		switch {
		case a == s.Issuer || strings.HasPrefix(a, s.Issuer+"/"):
			return &Error{Code: InvalidRequest, Field: "audience", Detail: "an audience below the issuer is the issuer's own"}
		case len(a) > 256 || err != nil || u.Fragment != "" || !printable(a) || a == "" || strings.Contains(a, " "):
			return &Error{Code: InvalidRequest, Field: "audience", Detail: "a URL or a name of 1 to 256 characters without space and fragment"}
		}
	}
	return nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// validScope is the grammar of RFC 6749 §3.3.
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func (s *Clients) record(ctx context.Context, action string, caller *Caller, org string, c Client, err error) {
	s.Audit.Record(ctx, about(Outcome(action, caller.Ref(), err), org, "client", c.ID))
}
