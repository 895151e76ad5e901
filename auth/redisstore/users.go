package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
)

// The values of a user's field st.
const (
	statusActive   = "active"
	statusDisabled = "disabled"
	statusDeleting = "deleting" // the record is still there
	statusGone     = "gone"     // nothing is
)

var (
	upgradeScript  = script("upgrade_password")
	beginScript    = script("begin_delete")
	finishScript   = script("finish_delete")
	claimScript    = script("claim_handle")
	settleScript   = script("settle_handle")
	releaseScript  = script("release_handle")
	userFields     = []string{"v", "rec", "st", "ep"}
	passwordFields = append(userFields[:len(userFields):len(userFields)], "pw")
)

func (s *Store) userObject(id string) object { return object{"user", id, s.space.User(id)} }

func (s *Store) userIndexes(id string, orgs []string) []string {
	return s.indexes(id, orgs, s.space.UsersOf)
}

// handleIndexes are what searches find users in by the beginnings of their handles.
func (s *Store) handleIndexes(id string, orgs []string) []string {
	return s.indexes(id, orgs, s.space.HandlesOf)
}

func (s *Store) indexes(id string, orgs []string, index func(partition int, org string) string) []string {
	keys := make([]string, len(orgs))
	for i, org := range orgs {
		keys[i] = index(s.space.Partition(id), org)
	}
	return keys
}

// membership is the field of a user's hash that stands for an organisation.
func membership(org string) string { return "o:" + org }

// User implements auth.UserStore.
func (s *Store) User(ctx context.Context, id string) (auth.User, string, error) {
	o := s.userObject(id)
	row, err := s.rdb.HMGet(ctx, o.key, passwordFields...).Result()
	if err != nil {
		return auth.User{}, "", unavailable("read "+o.kind, err)
	}
	user, found, err := readUser(o, row)
	switch {
	case err != nil:
		return auth.User{}, "", unavailable("read "+o.kind, err)
	case !found:
		return auth.User{}, "", notFound(o.kind)
	}
	password, _ := row[4].(string)
	return user, password, nil
}

// UsersByID implements auth.UserStore.
func (s *Store) UsersByID(ctx context.Context, ids []string) ([]*auth.User, error) {
	const doing = "read users"
	pipe := s.rdb.Pipeline()
	rows := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		rows[i] = pipe.HMGet(ctx, s.space.User(id), userFields...)
	}
	if _, err := pipe.Exec(ctx); err != nil && len(ids) > 0 {
		return nil, unavailable(doing, err)
	}
	users := make([]*auth.User, len(ids))
	for i, id := range ids {
		user, found, err := readUser(s.userObject(id), rows[i].Val())
		if err != nil {
			return nil, unavailable(doing, err)
		}
		if found {
			users[i] = &user
		}
	}
	return users, nil
}

// readUser reads the values of userFields.
func readUser(o object, row []any) (user auth.User, found bool, err error) {
	user.ID = o.id
	if user.Version, found, err = decode(o, row[0], row[1], &user); !found {
		return user, false, err
	}
	switch row[2] {
	case statusActive, statusDisabled:
	case statusDeleting:
		user.Deleting = true
	default:
		return user, false, fmt.Errorf("status %q", row[2])
	}
	user.Epoch, err = number(row[3])
	return user, err == nil, err
}

// UserIDUsed implements auth.UserStore.
func (s *Store) UserIDUsed(ctx context.Context, id string) (bool, error) {
	o := s.userObject(id)
	used, err := s.rdb.HExists(ctx, o.key, "st").Result()
	if err != nil {
		return false, unavailable("look for "+o.kind, err)
	}
	return used, nil
}

// PutUser implements auth.UserStore.
func (s *Store) PutUser(ctx context.Context, u auth.User, password *string, leftOrgs []string, op string) (uint64, error) {
	w := write{
		op: op, expected: u.Version, in: s.userIndexes(u.ID, u.Orgs), out: s.userIndexes(u.ID, leftOrgs),
		handlesIn: s.handleIndexes(u.ID, u.Orgs), handlesOut: s.handleIndexes(u.ID, leftOrgs),
	}
	status, email := statusActive, ""
	if u.Disabled {
		status = statusDisabled
	}
	if u.EmailVerified {
		email = u.Email
	}
	w.fields = append(w.fields, "st", status, "un", u.Username, "em", email, "ep", u.Epoch)
	for _, org := range u.Orgs {
		w.fields = append(w.fields, membership(org), "1")
	}
	if password != nil {
		w.fields = append(w.fields, "pw", *password)
	}
	for _, org := range leftOrgs {
		w.drop = append(w.drop, membership(org))
	}
	return put(ctx, s, s.userObject(u.ID), &u, w)
}

// UpgradePassword implements auth.UserStore.
func (s *Store) UpgradePassword(ctx context.Context, id, from, to string) error {
	if _, err := s.runner.Run(ctx, upgradeScript, []string{s.space.User(id)}, from, to); err != nil {
		return unavailable("upgrade the password of user:"+id, err)
	}
	return nil
}

// BeginDelete implements auth.UserStore. From its first step on the user is not active, so no family of his lives and none can be
// added; the second removes what is left of them, which may take several scripts, as a script's keys must be known to its caller.
func (s *Store) BeginDelete(ctx context.Context, u auth.User) error {
	o := s.userObject(u.ID)
	doing := "begin the deletion of " + o.String()
	keys := slices.Concat([]string{o.key}, s.userIndexes(u.ID, u.Orgs), s.handleIndexes(u.ID, u.Orgs))
	if _, err := s.runner.Run(ctx, beginScript, keys, o.id, u.Version, len(u.Orgs)); err != nil {
		return refused(doing, err, map[string]*auth.Error{"NOTFOUND": notFound(o.kind), "STALE": errStale})
	}
	if err := s.endFamilies(ctx, u.ID); err != nil {
		return unavailable(doing, err)
	}
	return nil
}

// FinishDelete implements auth.UserStore. The sessions are there until then, so that whoever must be told of their end can be: nothing
// can come of them. Codes end by themselves within minutes, and lead to nobody.
func (s *Store) FinishDelete(ctx context.Context, id string) error {
	o := s.userObject(id)
	err := s.forgetSessions(ctx, id)
	if err == nil {
		_, err = s.runner.Run(ctx, finishScript, []string{o.key, s.space.Grants(id), s.space.Consents(id), s.userNumbers(id)})
	}
	if err != nil {
		return refused("finish the deletion of "+o.String(), err, map[string]*auth.Error{
			"NOTFOUND": notFound(o.kind),
			"STALE":    {Code: auth.PreconditionFailed, Detail: "the deletion of this user has not begun"},
		})
	}
	return nil
}

// ClaimHandle implements auth.UserStore.
func (s *Store) ClaimHandle(ctx context.Context, h auth.Handle, by, from auth.Holder) (auth.Holder, error) {
	reply, err := s.runner.Run(ctx, claimScript, []string{s.handle(h)}, holderText(by), holderText(from))
	if err != nil {
		return auth.Holder{}, unavailable("claim a handle", err)
	}
	text, ok := reply.(string)
	if !ok {
		return auth.Holder{}, unavailable("claim a handle", fmt.Errorf("unexpected reply %T", reply))
	}
	return parseHolder(text), nil
}

// SettleHandle implements auth.UserStore.
func (s *Store) SettleHandle(ctx context.Context, h auth.Handle, by auth.Holder) (bool, error) {
	reply, err := s.runner.Run(ctx, settleScript, []string{s.handle(h)}, holderText(by), by.User)
	if err != nil {
		return false, unavailable("settle a handle", err)
	}
	return reply == int64(1), nil
}

// ReleaseHandle implements auth.UserStore.
func (s *Store) ReleaseHandle(ctx context.Context, h auth.Handle, by auth.Holder) error {
	if _, err := s.runner.Run(ctx, releaseScript, []string{s.handle(h)}, holderText(by)); err != nil {
		return unavailable("release a handle", err)
	}
	return nil
}

// HandleOwner implements auth.UserStore.
func (s *Store) HandleOwner(ctx context.Context, h auth.Handle) (string, error) {
	text, err := s.rdb.Get(ctx, s.handle(h)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", unavailable("look up a handle", err)
	}
	return parseHolder(text).User, nil
}

// holderText is how a holder stands in Redis; ids and operations have no space.
func holderText(h auth.Holder) string {
	if h.Operation == "" {
		return h.User
	}
	return h.User + " " + h.Operation
}

func parseHolder(text string) auth.Holder {
	user, operation, _ := strings.Cut(text, " ")
	return auth.Holder{User: user, Operation: operation}
}

func (s *Store) handle(h auth.Handle) string { return s.space.Handle(string(h.Kind), h.Canonical) }

// Users implements auth.UserStore.
func (s *Store) Users(ctx context.Context, org string, p auth.Page) (users []auth.User, next string, err error) {
	index := func(partition int) string { return s.space.UsersOf(partition, org) }
	return list(ctx, s, index, p, s.userObject, userFields, func(o object, row []any) (auth.User, bool, error) {
		user, found, err := readUser(o, row)
		return user, found && !user.Deleting && user.MemberOf(org), err
	})
}
