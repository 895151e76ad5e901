package auth

import "context"

// Named returns the users of an organisation among these ids, in their order.
func (s *Users) Named(ctx context.Context, caller *Caller, orgName string, ids []string) ([]User, error) {
	org := caller.OrgOf(orgName)
	if !caller.MayRead(org) {
		return nil, errNotFound("organisation")
	}
	found, err := s.Store.UsersByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(found))
	for _, u := range found {
		if u != nil && !u.Deleting && u.MemberOf(org) {
			users = append(users, *u)
		}
	}
	return users, nil
}

// PasswordHash returns the hash of a user's password for taking it to another system, "" for none and for a user whom the caller may not
// manage: whoever can guess it could be him.
func (s *Users) PasswordHash(ctx context.Context, caller *Caller, id string) (string, error) {
	user, hash, err := s.Store.User(ctx, id)
	switch {
	case CodeOf(err) == NotFound:
		return "", nil
	case err != nil:
		return "", err
	case user.Deleting || !caller.mayManage(&user) || !caller.MayConfigure(user.Orgs[0]):
		return "", nil
	}
	return hash, nil
}
