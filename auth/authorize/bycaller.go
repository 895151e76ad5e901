package authorize

import (
	"context"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
)

// ApplicationsOf is Applications for a caller: the user himself, or who may read in his home organisation. It shows those in
// organisations the caller may see.
func (s *Service) ApplicationsOf(ctx context.Context, caller *auth.Caller, org, name string) ([]Application, error) {
	user, err := s.Sessions.Users.Person(ctx, caller, org, name, false)
	if err != nil {
		return nil, err
	}
	all, err := s.Applications(ctx, user.ID)
	return slices.DeleteFunc(all, func(a Application) bool {
		_, self := caller.Self(a.Org)
		return !self && !caller.MayRead(a.Org)
	}), err
}

// WithdrawOf is Withdraw for a caller: the user himself, or who may write in his home organisation.
func (s *Service) WithdrawOf(ctx context.Context, caller *auth.Caller, org, name, client string) error {
	org = caller.OrgOf(org)
	user, err := s.Sessions.Users.Person(ctx, caller, org, name, true)
	if err == nil {
		err = s.withdraw(ctx, user.ID, org, client)
	}
	e := auth.About(auth.Outcome(actionWithdraw, caller.Ref(), err), org, "client", client)
	if user.ID != "" && e.Target != "" {
		e.Target = "consent:" + user.ID + "/" + client
	}
	s.Audit.Record(ctx, e)
	return err
}
