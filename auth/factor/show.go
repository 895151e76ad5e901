package factor

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

// Show returns what a user has, for himself or who may read in his home organisation.
func (s *Service) Show(ctx context.Context, caller *auth.Caller, org, name string) (Factors, error) {
	user, err := s.Users.Person(ctx, caller, org, name, false)
	if err != nil {
		return Factors{}, err
	}
	return s.Of(ctx, user.ID)
}
