package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
)

var (
	createScript = script("family", "create_family")
	rotateScript = script("rotate")
	revokeScript = script("revoke")
	endScript    = script("end_families")
	denyScript   = script("deny")
)

func (s *Store) family(ref auth.FamilyRef) string { return s.space.Grant(ref.User, ref.Org, ref.ID) }

// member names a family in the set of its user's.
func member(ref auth.FamilyRef) string { return ref.Org + ":" + ref.ID }

// families appends the keys of a user's families to keys and their members to args.
func (s *Store) families(user string, members []string, keys []string, args []any) ([]string, []any) {
	for _, m := range members {
		org, id, _ := strings.Cut(m, ":")
		keys = append(keys, s.space.Grant(user, org, id))
		args = append(args, m)
	}
	return keys, args
}

// errRefresh has one text for every cause.
func errRefresh(field string) *auth.Error {
	return &auth.Error{Code: auth.InvalidGrant, Field: field, Detail: "the refresh token is not valid"}
}

// familyFields are the fields of a family that none of its uses changes.
func familyFields(f *auth.Family) ([]any, error) {
	fields := []any{
		"user", f.User, "org", f.Org, "client", f.Client, "scope", f.Scope, "at", f.AuthTime.UnixMilli(), "amr", strings.Join(f.AMR, " "),
		"ep", f.Epoch, "gen", f.Generation, "ct", f.CreatedAt.UnixMilli(),
	}
	if f.KeyThumbprint != "" {
		fields = append(fields, "jkt", f.KeyThumbprint)
	}
	return appendRequested(fields, f.Requested)
}

func appendRequested(fields []any, r auth.RequestedClaims) ([]any, error) {
	if r.Empty() {
		return fields, nil
	}
	text, err := json.Marshal(r)
	return append(fields, "req", text), err
}

// readRequested reads a field req, which most do not have.
func readRequested(v any) (r auth.RequestedClaims, err error) {
	if text, _ := v.(string); text != "" {
		err = json.Unmarshal([]byte(text), &r)
	}
	return r, err
}

// CreateFamily implements auth.FamilyStore. It costs one round trip, or two where older families must end: then the script changes
// nothing and tells which, since it may only touch keys it was given. Where another login of the user has ended those in the
// meantime it tells again, so each further round means that another login has succeeded.
func (s *Store) CreateFamily(ctx context.Context, f auth.Family, head []byte, idleUntil time.Time, limit int) error {
	doing := "create a family of user:" + f.User
	fields, err := familyFields(&f)
	if err != nil {
		return unavailable(doing, err)
	}
	expires, ends := f.ExpiresAt.UnixMilli(), min(f.ExpiresAt.UnixMilli(), idleUntil.UnixMilli())
	var oldest []string
	for {
		keys := []string{s.space.User(f.User), s.family(f.FamilyRef), s.space.Grants(f.User)}
		args := []any{member(f.FamilyRef), f.Epoch, membership(f.Org), limit, f.AuthTime.UnixMilli(), ends, expires, head}
		keys, args = s.families(f.User, oldest, keys, args)
		reply, err := s.runner.Run(ctx, createScript, keys, append(args, fields...)...)
		if err != nil {
			return refused(doing, err, map[string]*auth.Error{
				"INVALID":  {Code: auth.InvalidGrant, Detail: "the user may not log in here"},
				"CONFLICT": {Code: auth.Conflict, Detail: "this family exists"},
			})
		}
		named, more := reply.([]any)
		if !more {
			return nil
		}
		oldest = texts(named)
	}
}

// texts are the replies that are texts.
func texts(replies []any) []string {
	list := make([]string, 0, len(replies))
	for _, r := range replies {
		if text, ok := r.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

// Rotate implements auth.FamilyStore.
func (s *Store) Rotate(ctx context.Context, ref auth.FamilyRef, r auth.Rotation) (auth.Rotated, error) {
	doing := "rotate a family of user:" + ref.User
	keep := 0
	if r.Keep {
		keep, r.Successor, r.Wrapped = 1, nil, nil
	}
	keys := []string{s.space.User(ref.User), s.family(ref), s.space.Grants(ref.User)}
	reply, err := s.runner.Run(ctx, rotateScript, keys,
		member(ref), ref.User, ref.Org, r.Client, r.Now.UnixMilli(), r.Presented, r.Generation, r.Generation+1, r.Successor, r.Wrapped,
		r.IdleUntil.UnixMilli(), r.Grace.Milliseconds(), r.Scope, r.KeyThumbprint, keep)
	if err != nil {
		return auth.Rotated{}, refused(doing, err, map[string]*auth.Error{
			"INVALID": errRefresh(""),
			"SCOPE":   {Code: auth.InvalidScope, Field: "scope", Detail: "the scope is wider than what was granted"},
		})
	}
	values, _ := reply.([]any)
	answer := texts(values)
	switch {
	case len(answer) == 1 && answer[0] == "ended":
		return auth.Rotated{}, errRefresh("")
	case len(answer) == 1 && answer[0] == "replayed":
		return auth.Rotated{}, errRefresh("replay")
	case len(answer) == 11:
		rotated, err := readRotated(ref, r.Client, answer)
		if err != nil {
			return auth.Rotated{}, unavailable(doing, err)
		}
		return rotated, nil
	default:
		return auth.Rotated{}, unavailable(doing, fmt.Errorf("unexpected reply of %d values", len(values)))
	}
}

// readRotated reads what rotate.lua answers: verdict, generation, wrapped successor, scope, login time, methods, epoch, end, key
// thumbprint, requested claims, time of creation.
func readRotated(ref auth.FamilyRef, client string, answer []string) (auth.Rotated, error) {
	generation, badGeneration := number(answer[1])
	authTime, badTime := moment(answer[4])
	epoch, badEpoch := number(answer[6])
	expires, badEnd := moment(answer[7])
	requested, badRequest := readRequested(answer[9])
	created, badCreation := moment(answer[10])
	return auth.Rotated{
		Family: auth.Family{
			FamilyRef: ref, Client: client, Scope: answer[3], AMR: strings.Fields(answer[5]), Generation: generation, Epoch: epoch,
			AuthTime: authTime, ExpiresAt: expires, KeyThumbprint: answer[8], Requested: requested,
			CreatedAt: created,
		},
		Wrapped:  []byte(answer[2]),
		Repeated: answer[0] == "repeated",
	}, errors.Join(badGeneration, badTime, badEpoch, badEnd, badRequest, badCreation)
}

// moment reads a time as Redis keeps it, in Unix milliseconds.
func moment(v any) (time.Time, error) {
	text, _ := v.(string)
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms).UTC(), err
}

// Revoke implements auth.FamilyStore.
func (s *Store) Revoke(ctx context.Context, ref auth.FamilyRef, client string) error {
	keys := []string{s.family(ref), s.space.Grants(ref.User)}
	if _, err := s.runner.Run(ctx, revokeScript, keys, member(ref), client); err != nil {
		return unavailable("revoke a family of user:"+ref.User, err)
	}
	return nil
}

// EndLogins implements auth.FamilyStore. A family's client never changes, so what was read stays true.
func (s *Store) EndLogins(ctx context.Context, user, org, client string) error {
	doing := "end families of user:" + user
	all, err := s.rdb.ZRange(ctx, s.space.Grants(user), 0, -1).Result()
	if err != nil {
		return unavailable(doing, err)
	}
	pipe := s.rdb.Pipeline()
	clients := make(map[string]*redis.SliceCmd)
	for _, m := range all {
		if id, ok := strings.CutPrefix(m, org+":"); ok {
			clients[m] = pipe.HMGet(ctx, s.space.Grant(user, org, id), "client")
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(doing, err)
	}
	var theirs []string
	for m, cmd := range clients {
		if cmd.Val()[0] == client {
			theirs = append(theirs, m)
		}
	}
	if len(theirs) == 0 {
		return nil
	}
	if err := s.end(ctx, user, theirs); err != nil {
		return unavailable(doing, err)
	}
	return nil
}

// end ends families of a user, at least one.
func (s *Store) end(ctx context.Context, user string, members []string) error {
	keys, args := s.families(user, members, []string{s.space.Grants(user)}, nil)
	_, err := s.runner.Run(ctx, endScript, keys, args...)
	return err
}

// endFamilies ends all families of a user to whom none can be added.
func (s *Store) endFamilies(ctx context.Context, user string) error {
	for {
		members, err := s.rdb.ZRange(ctx, s.space.Grants(user), 0, 99).Result()
		if err != nil || len(members) == 0 {
			return err
		}
		if err := s.end(ctx, user, members); err != nil {
			return err
		}
	}
}

// Deny implements auth.FamilyStore.
func (s *Store) Deny(ctx context.Context, subject, jti string, until time.Time) error {
	if _, err := s.runner.Run(ctx, denyScript, []string{s.space.Denied(subject, jti)}, until.UnixMilli()); err != nil {
		return unavailable("deny a token of "+subject, err)
	}
	return nil
}

// Live implements auth.FamilyStore.
func (s *Store) Live(ctx context.Context, ref auth.FamilyRef, jti string) (bool, auth.RequestedClaims, error) {
	doing := "check a token of user:" + ref.User
	pipe := s.rdb.Pipeline()
	user := pipe.HMGet(ctx, s.space.User(ref.User), "st", membership(ref.Org), "ep")
	denied := pipe.Exists(ctx, s.space.Denied(ref.User, jti))
	family := new(redis.SliceCmd)
	if ref.ID != "" {
		family = pipe.HMGet(ctx, s.family(ref), "user", "org", "ep", "req")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return false, auth.RequestedClaims{}, unavailable(doing, err)
	}
	u, f := user.Val(), family.Val()
	live := denied.Val() == 0 && u[0] == statusActive && u[1] == "1"
	if ref.ID == "" || !live {
		return live, auth.RequestedClaims{}, nil
	}
	if f[0] != ref.User || f[1] != ref.Org || f[2] != u[2] {
		return false, auth.RequestedClaims{}, nil
	}
	requested, err := readRequested(f[3])
	if err != nil {
		return false, auth.RequestedClaims{}, unavailable(doing, err)
	}
	return true, requested, nil
}

// Denied implements auth.FamilyStore.
func (s *Store) Denied(ctx context.Context, subject, jti string) (bool, error) {
	denied, err := s.rdb.Exists(ctx, s.space.Denied(subject, jti)).Result()
	if err != nil {
		return false, unavailable("check a token of "+subject, err)
	}
	return denied != 0, nil
}
