package redisstore

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

func (s *Store) orgObject(slug string) object  { return object{"organisation", slug, s.space.Org(slug)} }
func (s *Store) clientObject(id string) object { return object{"client", id, s.space.Client(id)} }
func (s *Store) tokenObject(id string) object  { return object{"token", id, s.space.APIToken(id)} }

// Org implements auth.OrgStore.
func (s *Store) Org(ctx context.Context, slug string) (o auth.Org, err error) {
	o.Slug = slug
	o.Version, err = get(ctx, s, s.orgObject(slug), &o)
	return o, err
}

// PutOrg implements auth.OrgStore.
func (s *Store) PutOrg(ctx context.Context, o auth.Org, op string) (version uint64, err error) {
	index := s.space.Orgs(s.space.Partition(o.Slug))
	return put(ctx, s, s.orgObject(o.Slug), &o, write{op: op, expected: o.Version, in: []string{index}})
}

// Orgs implements auth.OrgStore.
func (s *Store) Orgs(ctx context.Context, p auth.Page) (orgs []auth.Org, next string, err error) {
	return listRecords(ctx, s, s.space.Orgs, p, s.orgObject, func(o *auth.Org, slug string, version uint64) bool {
		o.Slug, o.Version = slug, version
		return true
	})
}

// Client implements auth.ClientStore.
func (s *Store) Client(ctx context.Context, id string) (c auth.Client, err error) {
	c.ID = id
	c.Version, err = get(ctx, s, s.clientObject(id), &c)
	return c, err
}

// PutClient implements auth.ClientStore. A client stays in its organisation. It stands under its origins before it has them.
func (s *Store) PutClient(ctx context.Context, c auth.Client, op string) (version uint64, err error) {
	if err := s.addOrigins(ctx, &c); err != nil {
		return 0, err
	}
	return put(ctx, s, s.clientObject(c.ID), &c, write{op: op, expected: c.Version, in: []string{s.clientIndex(&c)}})
}

// DeleteClient implements auth.ClientStore.
func (s *Store) DeleteClient(ctx context.Context, c auth.Client) error {
	return s.remove(ctx, s.clientObject(c.ID), c.Version, s.clientIndex(&c))
}

func (s *Store) clientIndex(c *auth.Client) string {
	return s.space.ClientsOf(s.space.Partition(c.ID), c.Org)
}

// Clients implements auth.ClientStore.
func (s *Store) Clients(ctx context.Context, org string, p auth.Page) (clients []auth.Client, next string, err error) {
	index := func(partition int) string { return s.space.ClientsOf(partition, org) }
	return listRecords(ctx, s, index, p, s.clientObject, func(c *auth.Client, id string, version uint64) bool {
		c.ID, c.Version = id, version
		return c.Org == org
	})
}

// APIToken implements auth.APITokenStore.
func (s *Store) APIToken(ctx context.Context, id string) (t auth.APIToken, err error) {
	t.ID = id
	t.Version, err = get(ctx, s, s.tokenObject(id), &t)
	return t, err
}

// PutAPIToken implements auth.APITokenStore. A token stays in its organisation.
func (s *Store) PutAPIToken(ctx context.Context, t auth.APIToken, op string) (version uint64, err error) {
	return put(ctx, s, s.tokenObject(t.ID), &t, write{op: op, expected: t.Version, in: []string{s.tokenIndex(&t)}})
}

// DeleteAPIToken implements auth.APITokenStore.
func (s *Store) DeleteAPIToken(ctx context.Context, t auth.APIToken) error {
	return s.remove(ctx, s.tokenObject(t.ID), t.Version, s.tokenIndex(&t))
}

func (s *Store) tokenIndex(t *auth.APIToken) string {
	return s.space.APITokensOf(s.space.Partition(t.ID), t.Org)
}

// APITokens implements auth.APITokenStore.
func (s *Store) APITokens(ctx context.Context, org string, p auth.Page) (tokens []auth.APIToken, next string, err error) {
	index := func(partition int) string { return s.space.APITokensOf(partition, org) }
	return listRecords(ctx, s, index, p, s.tokenObject, func(t *auth.APIToken, id string, version uint64) bool {
		t.ID, t.Version = id, version
		return t.Org == org
	})
}
