package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
)

// flow is one call of the store and how to tell that it took effect exactly once.
type flow struct {
	name    string
	prepare func(ctx context.Context, s *redisstore.Store, w *world) error // may be nil
	call    func(ctx context.Context, s *redisstore.Store, w *world) error
	check   func(ctx context.Context, s *redisstore.Store, w *world) error // may be nil
}

func wrong(format string, args ...any) error { return fmt.Errorf(format, args...) }

// expectCode is for reads of what must be in some state.
func expectCode(err error, want auth.Code) error {
	if auth.CodeOf(err) != want || err != nil && want == "" {
		return wrong("error is %v, want %q", err, want)
	}
	return nil
}

func expectLive(ctx context.Context, s *redisstore.Store, ref auth.FamilyRef, jti string, want bool) error {
	live, _, err := s.Live(ctx, ref, jti)
	if err != nil || live != want {
		return wrong("live is %v (%v), want %v", live, err, want)
	}
	return nil
}

var limit = []auth.Bucket{
	{Kind: "login", Subject: "jane", Burst: 100, Period: time.Hour}, {Kind: "address", Subject: "::1", Burst: 100, Period: time.Hour},
}

// flows has every method of the store.
var flows = slices.Concat(recordFlows, sessionFlows, smallFlows, numberFlows, numberedFlows)

var recordFlows = []flow{
	{
		name: "User",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			u, password, err := s.User(ctx, "jane")
			if err == nil && (u.Username != "jane.doe" || password != "hash") {
				return wrong("read %+v with password %q", u, password)
			}
			return err
		},
	},
	{
		name: "PutUser creates",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			version, err := s.PutUser(ctx, auth.User{ID: "bob", Orgs: []string{"acme"}}, nil, nil, "create bob")
			if err == nil && version != 1 {
				return wrong("version %d", version)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			u, _, err := s.User(ctx, "bob")
			if err == nil && u.Version != 1 {
				return wrong("version %d", u.Version)
			}
			return err
		},
	},
	{
		name: "PutUser updates",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			u, password := w.user, "new"
			u.Orgs = []string{"acme"}
			version, err := s.PutUser(ctx, u, &password, []string{"other"}, "update jane")
			if err == nil && version != 2 {
				return wrong("version %d", version)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			u, password, err := s.User(ctx, "jane")
			if err == nil && (u.Version != 2 || password != "new" || u.MemberOf("other")) {
				return wrong("read %+v with password %q", u, password)
			}
			return err
		},
	},
	{
		name: "UpgradePassword",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return s.UpgradePassword(ctx, "jane", "hash", "better")
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, password, err := s.User(ctx, "jane")
			if err == nil && password != "better" {
				return wrong("password %q", password)
			}
			return err
		},
	},
	{
		name: "BeginDelete",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error { return s.BeginDelete(ctx, w.user) },
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			u, password, err := s.User(ctx, "jane")
			if err == nil && (!u.Deleting || password != "") {
				return wrong("read %+v with password %q", u, password)
			}
			return errors.Join(err, expectLive(ctx, s, w.family.FamilyRef, "J", false))
		},
	},
	{
		name:    "FinishDelete",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return s.BeginDelete(ctx, w.user) },
		call:    func(ctx context.Context, s *redisstore.Store, _ *world) error { return s.FinishDelete(ctx, "jane") },
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, _, err := s.User(ctx, "jane")
			return expectCode(err, auth.NotFound)
		},
	},
	{
		name: "ClaimHandle",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			jane := auth.Holder{User: "jane"}
			holder, err := s.ClaimHandle(ctx, auth.Handle{Kind: auth.KindEmail, Canonical: "new@example.com"}, jane, auth.Holder{})
			if err == nil && holder != jane {
				return wrong("holder %v", holder)
			}
			return err
		},
	},
	{
		name: "ClaimHandle takes over",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			bob := auth.Holder{User: "bob", Operation: "rename"}
			holder, err := s.ClaimHandle(ctx, w.handle, bob, auth.Holder{User: "jane"})
			if err == nil && holder != bob {
				return wrong("holder %v", holder)
			}
			return err
		},
	},
	{
		name: "SettleHandle",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.ClaimHandle(ctx, w.handle, auth.Holder{User: "jane", Operation: "rename"}, auth.Holder{})
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			settled, err := s.SettleHandle(ctx, w.handle, auth.Holder{User: "jane", Operation: "rename"})
			if err == nil && !settled {
				return wrong("not settled")
			}
			return err
		},
	},
	{
		name: "ReleaseHandle",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.ReleaseHandle(ctx, w.handle, auth.Holder{User: "jane"})
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			owner, err := s.HandleOwner(ctx, w.handle)
			if err == nil && owner != "" {
				return wrong("owner %q", owner)
			}
			return err
		},
	},
	{
		name: "HandleOwner",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			owner, err := s.HandleOwner(ctx, w.handle)
			if err == nil && owner != "jane" {
				return wrong("owner %q", owner)
			}
			return err
		},
	},
	{
		name: "Users",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			users, _, err := s.Users(ctx, "acme", auth.Page{Limit: 5})
			if err == nil && len(users) != 1 {
				return wrong("%d users", len(users))
			}
			return err
		},
	},
	{
		name: "Org",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Org(ctx, "acme")
			return err
		},
	},
	{
		name: "PutOrg",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			version, err := s.PutOrg(ctx, w.org, "update org")
			if err == nil && version != 2 {
				return wrong("version %d", version)
			}
			return err
		},
	},
	{
		name: "Orgs",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			orgs, _, err := s.Orgs(ctx, auth.Page{Limit: 5})
			if err == nil && len(orgs) != 1 {
				return wrong("%d organisations", len(orgs))
			}
			return err
		},
	},
	{
		name: "Client",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Client(ctx, "web")
			return err
		},
	},
	{
		name: "PutClient",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			version, err := s.PutClient(ctx, w.client, "update client")
			if err == nil && version != 2 {
				return wrong("version %d", version)
			}
			return err
		},
	},
	{
		name: "Clients",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			clients, _, err := s.Clients(ctx, "acme", auth.Page{Limit: 5})
			if err == nil && len(clients) != 1 {
				return wrong("%d clients", len(clients))
			}
			return err
		},
	},
	{
		name: "DeleteClient",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error { return s.DeleteClient(ctx, w.client) },
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Client(ctx, "web")
			return expectCode(err, auth.NotFound)
		},
	},
	{
		name: "APIToken",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.APIToken(ctx, "t1")
			return err
		},
	},
	{
		name: "PutAPIToken",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			version, err := s.PutAPIToken(ctx, w.token, "update token")
			if err == nil && version != 2 {
				return wrong("version %d", version)
			}
			return err
		},
	},
	{
		name: "APITokens",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			tokens, _, err := s.APITokens(ctx, "acme", auth.Page{Limit: 5})
			if err == nil && len(tokens) != 1 {
				return wrong("%d tokens", len(tokens))
			}
			return err
		},
	},
	{
		name: "DeleteAPIToken",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error { return s.DeleteAPIToken(ctx, w.token) },
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.APIToken(ctx, "t1")
			return expectCode(err, auth.NotFound)
		},
	},
	{
		name: "CreateFamily",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			f := w.family
			f.ID = "F2"
			return s.CreateFamily(ctx, f, []byte("x"), w.now.Add(2*time.Hour), 1) // in place of F1
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			created := auth.FamilyRef{User: "jane", Org: "acme", ID: "F2"}
			return errors.Join(expectLive(ctx, s, created, "J", true), expectLive(ctx, s, w.family.FamilyRef, "J", false))
		},
	},
	{
		name: "Rotate",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			rotated, err := s.Rotate(ctx, w.family.FamilyRef, w.rotation("first", "second", 1, 0))
			if err == nil && (rotated.Family.Generation != 2 || string(rotated.Wrapped) != "to second") {
				return wrong("rotated %+v", rotated)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.Rotate(ctx, w.family.FamilyRef, w.rotation("second", "third", 2, time.Minute))
			return err
		},
	},
	{
		name: "Rotate refuses a replay",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.Rotate(ctx, w.family.FamilyRef, w.rotation("forged", "x", 1, 0))
			if auth.CodeOf(err) == auth.InvalidGrant {
				return nil
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectLive(ctx, s, w.family.FamilyRef, "J", false)
		},
	},
	{
		name: "Revoke",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.Revoke(ctx, w.family.FamilyRef, "web")
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectLive(ctx, s, w.family.FamilyRef, "J", false)
		},
	},
	{
		name: "Deny",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.Deny(ctx, "jane", "J", w.now.Add(time.Hour))
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectLive(ctx, s, w.family.FamilyRef, "J", false)
		},
	},
	{
		name: "Live",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			live, _, err := s.Live(ctx, w.family.FamilyRef, "J")
			if err == nil && !live {
				return wrong("not live")
			}
			return err
		},
	},
	{
		name: "Denied",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			denied, err := s.Denied(ctx, "jane", "J")
			if err == nil && denied {
				return wrong("denied")
			}
			return err
		},
	},
	{
		name: "Take",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Take(ctx, limit)
			return err
		},
	},
	{
		name: "Reset",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error { return s.Reset(ctx, limit) },
	},
}
