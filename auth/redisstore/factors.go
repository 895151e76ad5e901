package redisstore

import (
	"context"
	"strconv"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
)

var _ factor.Store = (*Store)(nil)

var putFactorsScript = script("put_factors")

// factorsObject is the second factors of a user, which stand in fields of his hash.
func (s *Store) factorsObject(user string) object { return object{"factors", user, s.space.User(user)} }

// Factors implements factor.Store.
func (s *Store) Factors(ctx context.Context, user string) (factor.Factors, error) {
	o := s.factorsObject(user)
	row, err := s.rdb.HMGet(ctx, o.key, "st", "fv", "fac").Result()
	if err != nil {
		return factor.Factors{}, unavailable("read "+o.kind, err)
	}
	if row[0] != statusActive && row[0] != statusDisabled {
		return factor.Factors{}, notFound("user")
	}
	var f factor.Factors
	version, found, err := decode(o, row[1], row[2], &f)
	if err != nil {
		return factor.Factors{}, unavailable("read "+o.kind, err)
	}
	if found {
		f.Version = version
	}
	return f, nil
}

// PutFactors implements factor.Store.
func (s *Store) PutFactors(ctx context.Context, user string, f factor.Factors, op string) (uint64, error) {
	o := s.factorsObject(user)
	doing := "put " + o.String()
	rec, err := encode(o, &f)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	reply, err := s.runner.Run(ctx, putFactorsScript, []string{o.key}, op, strconv.FormatUint(f.Version, 10), rec)
	if err != nil {
		return 0, refused(doing, err, map[string]*auth.Error{"NOTFOUND": notFound("user"), "STALE": errStale})
	}
	version, err := number(reply)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	return version, nil
}
