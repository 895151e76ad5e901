package auth

import (
	"context"
	"time"

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

// Get returns a client of an organisation the caller may see.
func (s *Clients) Get(ctx context.Context, caller *Caller, orgName, id string) (Client, error) {
	org := caller.OrgOf(orgName)
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
	org := caller.OrgOf(orgName)
	if !caller.MayRead(org) {
		return nil, "", errNotFound("organisation")
	}
	return s.Store.Clients(ctx, org, p)
}

// Create adds a client and returns its secret, which is not kept and cannot be shown again ("" for a public client).
func (s *Clients) Create(ctx context.Context, caller *Caller, orgName string, n NewClient) (Client, string, error) {
	org := caller.OrgOf(orgName)
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
	if c.ID == ConsoleClient && *caller != *System() {
		return "", &Error{Code: Conflict, Field: "client_id", Detail: "this id is that of the operator console"}
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
	change, err := n.change()
	if err != nil {
		return "", err
	}
	secret := ""
	switch {
	case change.AuthMethod != nil && (*change.AuthMethod == AuthNone || *change.AuthMethod == AuthPrivateKeyJWT):
	case n.Secret != "":
		secret = n.Secret
	default:
		secret = newSecret(clientSecretPrefix)
	}
	if secret != "" {
		c.SecretHash = hashSecret(secret)
	}
	return secret, s.put(ctx, caller, c, change)
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
	s.record(ctx, "client.update", caller, caller.OrgOf(orgName), c, err)
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
		if c.AuthMethod == AuthPrivateKeyJWT {
			return &Error{Code: InvalidRequest, Detail: "a client that authenticates with private_key_jwt has no secret; change its jwks"}
		}
		c.SecretHash, c.UpdatedAt = hashSecret(secret), s.Now()
		return s.put(ctx, caller, &c, ClientChange{})
	})
	s.record(ctx, "client.secret", caller, caller.OrgOf(orgName), c, err)
	return c, secret, err
}

// Delete removes a client; what was issued to it ends within Recency. want, if not nil, is the only version to delete.
func (s *Clients) Delete(ctx context.Context, caller *Caller, orgName, id string, want *uint64) error {
	var c Client
	err := unlessChanged(want, func() (err error) {
		if c, err = s.Get(ctx, caller, orgName, id); err != nil {
			return err
		}
		if err := caller.refuse(caller.mayChange(&c), c.Org, "client"); err != nil {
			return err
		}
		if c.ID == ConsoleClient {
			return &Error{Code: AccessDenied, Detail: "this is the client of the operator console, which a server makes and needs"}
		}
		if err := checkVersion(c.Version, want); err != nil {
			return err
		}
		return s.Store.DeleteClient(ctx, c)
	})
	s.changed()
	s.record(ctx, "client.delete", caller, caller.OrgOf(orgName), c, err)
	return err
}

func (s *Clients) put(ctx context.Context, caller *Caller, c *Client, change ClientChange) error {
	if err := s.apply(caller, c, change); err != nil {
		return err
	}
	if err := s.namesNoOtherClient(ctx, c); err != nil {
		return err
	}
	if c.Number == 0 && !builtIn(c.ID) { // new, or from before clients had numbers
		number, err := s.Store.NumberClient(ctx, c.ID)
		if err != nil {
			return err
		}
		c.Number = number
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

// builtIn reports whether a client is one an installation makes for itself: no application, and without a number.
func builtIn(id string) bool { return id == LoginClient || id == ConsoleClient }

func (s *Clients) changed() {
	s.Registry.Forget()
	s.Callers.Forget()
}

// An audience that is another client's id would make access tokens that pass for that client's ID tokens where typ is not looked at.
func (s *Clients) namesNoOtherClient(ctx context.Context, c *Client) error {
	for _, list := range c.audiences() {
		for _, a := range list.values {
			if a == c.ID || !ValidClientID(a) {
				continue
			}
			_, err := s.Store.Client(ctx, a)
			if err == nil {
				return &Error{Code: InvalidRequest, Field: list.field, Detail: "an audience must not be another client's id"}
			}
			if CodeOf(err) != NotFound {
				return err
			}
		}
	}
	return nil
}

func (s *Clients) record(ctx context.Context, action string, caller *Caller, org string, c Client, err error) {
	s.Audit.Record(ctx, About(Outcome(action, caller.Ref(), err), org, "client", c.ID))
}
