package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
)

var _ auth.ConsentStore = (*Store)(nil)

var (
	putConsentScript    = script("put_consent")
	deleteConsentScript = script("delete_consent")
)

// consent is one as it stands in the hash of its user's. Object tells whose it is, and of what.
type consent struct {
	Object       string    `json:"object"`
	Scopes       []string  `json:"scopes"`
	RedirectURIs []string  `json:"redirect_uris,omitempty"`
	GrantedAt    time.Time `json:"granted_at"`
}

// consentField names a consent among its user's.
func consentField(org, client string) string { return org + ":" + client }

func consentObject(user, field string) string { return "consent:" + user + ":" + field }

func readConsent(user, field, text string) (auth.Consent, error) {
	var c consent
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return auth.Consent{}, err
	}
	if c.Object != consentObject(user, field) {
		return auth.Consent{}, fmt.Errorf("%w: %q", errForeign, c.Object)
	}
	org, client, _ := strings.Cut(field, ":")
	return auth.Consent{Org: org, Client: client, Scopes: c.Scopes, RedirectURIs: c.RedirectURIs, GrantedAt: c.GrantedAt}, nil
}

// Consent implements auth.ConsentStore.
func (s *Store) Consent(ctx context.Context, user, org, client string) (auth.Consent, error) {
	const doing = "read a consent"
	field := consentField(org, client)
	text, err := s.rdb.HGet(ctx, s.space.Consents(user), field).Result()
	if errors.Is(err, redis.Nil) {
		return auth.Consent{}, notFound("consent")
	}
	if err != nil {
		return auth.Consent{}, unavailable(doing, err)
	}
	c, err := readConsent(user, field, text)
	if err != nil {
		return auth.Consent{}, unavailable(doing, err)
	}
	return c, nil
}

// PutConsent implements auth.ConsentStore. It reads what is there, adds to it and writes it if nobody else did since, so each round but
// the last means that another consent to the same client has been given.
func (s *Store) PutConsent(ctx context.Context, user string, c auth.Consent) error {
	doing := "put a consent of user:" + user
	field := consentField(c.Org, c.Client)
	present, err := s.rdb.HGet(ctx, s.space.Consents(user), field).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(doing, err)
	}
	for {
		sum, err := addConsent(user, field, present, c)
		if err != nil {
			return unavailable(doing, err)
		}
		reply, err := s.runner.Run(ctx, putConsentScript, []string{s.space.User(user), s.space.Consents(user)}, field, present, sum)
		if err != nil {
			return refused(doing, err, map[string]*auth.Error{
				"INVALID": {Code: auth.InvalidGrant, Detail: "the user may not log in here"},
			})
		}
		stands, ok := reply.(string)
		if !ok {
			return unavailable(doing, fmt.Errorf("unexpected reply %T", reply))
		}
		if stands == sum {
			return nil
		}
		present = stands
	}
}

// addConsent returns the text of a consent with what c has besides.
func addConsent(user, field, present string, c auth.Consent) (string, error) {
	sum := consent{Object: consentObject(user, field), GrantedAt: c.GrantedAt}
	if present != "" {
		before, err := readConsent(user, field, present)
		if err != nil {
			return "", err
		}
		sum.Scopes, sum.RedirectURIs = before.Scopes, before.RedirectURIs
	}
	sum.Scopes, sum.RedirectURIs = union(sum.Scopes, c.Scopes), union(sum.RedirectURIs, c.RedirectURIs)
	text, err := json.Marshal(sum)
	return string(text), err
}

func union(have, more []string) []string {
	for _, v := range more {
		if !slices.Contains(have, v) {
			have = append(have, v)
		}
	}
	return have
}

// DeleteConsent implements auth.ConsentStore.
func (s *Store) DeleteConsent(ctx context.Context, user, org, client string) error {
	_, err := s.runner.Run(ctx, deleteConsentScript, []string{s.space.Consents(user)}, consentField(org, client))
	if err != nil {
		return unavailable("delete a consent of user:"+user, err)
	}
	return nil
}

// Consents implements auth.ConsentStore. They come in the order of organisation and client.
func (s *Store) Consents(ctx context.Context, user string) ([]auth.Consent, error) {
	const doing = "read consents"
	stored, err := s.rdb.HGetAll(ctx, s.space.Consents(user)).Result()
	if err != nil {
		return nil, unavailable(doing, err)
	}
	consents := make([]auth.Consent, 0, len(stored))
	for _, field := range slices.Sorted(maps.Keys(stored)) {
		c, err := readConsent(user, field, stored[field])
		if err != nil {
			return nil, unavailable(doing, err)
		}
		consents = append(consents, c)
	}
	return consents, nil
}
