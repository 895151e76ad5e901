package redisstore

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

var (
	createCodeScript = script("create_code")
	redeemScript     = script("family", "redeem")
)

const (
	codeIDLen = 12
	// codeKept is how long a code is remembered after its end.
	codeKept = 10 * time.Minute
)

// errCode has one text for every cause.
func errCode(field string) *auth.Error {
	return &auth.Error{Code: auth.InvalidGrant, Field: field, Detail: "the code is not valid"}
}

// codeKey is where a reference leads: it names a partition and an id in it.
func (s *Store) codeKey(ref string) (key, id string, ok bool) {
	number, id, _ := strings.Cut(ref, ".")
	partition, err := strconv.Atoi(number)
	if err != nil || strconv.Itoa(partition) != number || partition < 0 || partition >= s.space.Partitions() ||
		len(id) != base64.RawURLEncoding.EncodedLen(codeIDLen) {
		return "", "", false
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(id); err != nil {
		return "", "", false
	}
	return s.space.Code(partition, id), id, true
}

// CreateCode implements auth.CodeStore.
func (s *Store) CreateCode(ctx context.Context, id []byte, a auth.Approval, secret []byte) (string, error) {
	doing := "create a code of user:" + a.User
	if len(id) != codeIDLen {
		return "", unavailable(doing, fmt.Errorf("an id of %d bytes", len(id)))
	}
	partition, name := s.space.Partition(a.User), base64.RawURLEncoding.EncodeToString(id)
	keys := []string{s.space.User(a.User), s.space.Code(partition, name), s.space.Session(a.User, a.Session)}
	args := []any{
		a.Epoch, membership(a.Org), a.User, a.Session, secret, a.ExpiresAt.Add(codeKept).UnixMilli(),
		"code", name, "user", a.User, "org", a.Org, "client", a.Client, "scope", a.Scope, "sess", a.Session, "uri", a.RedirectURI,
		"chal", a.Challenge, "nonce", a.Nonce, "jkt", a.KeyThumbprint, "at", a.AuthTime.UnixMilli(), "amr", strings.Join(a.AMR, " "),
		"acr", a.ACR, "ep", a.Epoch, "exp", a.ExpiresAt.UnixMilli(), "ct", a.CreatedAt.UnixMilli(),
	}
	args, err := appendRequested(args, a.Requested)
	if err != nil {
		return "", unavailable(doing, err)
	}
	if _, err := s.runner.Run(ctx, createCodeScript, keys, args...); err != nil {
		return "", refused(doing, err, map[string]*auth.Error{
			"INVALID":  {Code: auth.InvalidGrant, Detail: "the user may not log in here"},
			"CONFLICT": {Code: auth.Conflict, Detail: "this code exists"},
		})
	}
	return strconv.Itoa(partition) + "." + name, nil
}

// Code implements auth.CodeStore.
func (s *Store) Code(ctx context.Context, ref string, secret []byte) (auth.Approval, error) {
	key, id, ok := s.codeKey(ref)
	if !ok {
		return auth.Approval{}, errCode("")
	}
	row, err := s.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		return auth.Approval{}, unavailable("read a code", err)
	}
	if row["code"] != id || subtle.ConstantTimeCompare([]byte(row["sec"]), secret) != 1 {
		return auth.Approval{}, errCode("")
	}
	authTime, badTime := moment(row["at"])
	epoch, badEpoch := number(row["ep"])
	created, badCreation := moment(row["ct"])
	expires, badEnd := moment(row["exp"])
	requested, badRequest := readRequested(row["req"])
	if err := errors.Join(badTime, badEpoch, badCreation, badEnd, badRequest); err != nil {
		return auth.Approval{}, unavailable("read a code", err)
	}
	return auth.Approval{
		Subject: auth.Subject{
			User: row["user"], Org: row["org"], AuthTime: authTime, AMR: strings.Fields(row["amr"]), ACR: row["acr"], Epoch: epoch,
		},
		Client: row["client"], Scope: row["scope"], Session: row["sess"], RedirectURI: row["uri"], Challenge: row["chal"],
		Nonce: row["nonce"], Requested: requested, KeyThumbprint: row["jkt"], CreatedAt: created, ExpiresAt: expires,
	}, nil
}

// Redeem implements auth.CodeStore. It costs one round trip, or two where families must end, either older ones or, if the approval
// was redeemed before, the one that made: see CreateFamily.
func (s *Store) Redeem(
	ctx context.Context, ref string, f auth.Family, head []byte, now, idleUntil time.Time, limit int,
) error {
	doing := "redeem a code of user:" + f.User
	code, _, ok := s.codeKey(ref)
	if !ok || !strings.HasPrefix(ref, strconv.Itoa(s.space.Partition(f.User))+".") { // its keys would lie in two slots
		return errCode("")
	}
	fields, err := familyFields(&f)
	if err != nil {
		return unavailable(doing, err)
	}
	expires, ends := f.ExpiresAt.UnixMilli(), min(f.ExpiresAt.UnixMilli(), idleUntil.UnixMilli())
	var ending []string
	for {
		keys := []string{
			s.space.User(f.User), code, s.family(f.FamilyRef), s.space.Grants(f.User), s.space.Session(f.User, f.Session),
			s.space.SessionLogins(f.User, f.Session),
		}
		args := []any{
			member(f.FamilyRef), f.Epoch, membership(f.Org), limit, now.UnixMilli(), ends, expires, head, f.User, f.Org, f.Client,
			f.Session, loginText(f.Client, auth.HasScope(f.Scope, auth.ScopeOffline)),
		}
		keys, args = s.families(f.User, ending, keys, args)
		reply, err := s.runner.Run(ctx, redeemScript, keys, append(args, fields...)...)
		if err != nil {
			return refused(doing, err, map[string]*auth.Error{
				"INVALID":  errCode(""),
				"CONFLICT": {Code: auth.Conflict, Detail: "this family exists"},
			})
		}
		switch reply := reply.(type) {
		case int64:
			if reply == 0 {
				return errCode("replay")
			}
			return nil
		case []any:
			ending = texts(reply)
		default:
			return unavailable(doing, fmt.Errorf("unexpected reply %T", reply))
		}
	}
}
