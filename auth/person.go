package auth

import "context"

// Person is Find for what belongs to the person and not to his membership, such as his browser sessions: they are his own business and
// that of those who may read in his home organisation, or manage him to change it.
func (s *Users) Person(ctx context.Context, caller *Caller, orgName, name string, change bool) (User, error) {
	user, err := s.Find(ctx, caller, orgName, name)
	if err != nil {
		return User{}, err
	}
	home := user.Orgs[0]
	switch _, self := caller.Self(caller.HomeOrg()); {
	case self: // Find has shown him nobody else
		return user, nil
	case change:
		return user, caller.refuse(caller.mayManage(&user), home, "user")
	}
	return user, caller.refuse(caller.MayRead(home), home, "user")
}

// EndEverything ends all browser sessions and logins of a user, for himself or an operator of his home organisation.
func (s *Users) EndEverything(ctx context.Context, caller *Caller, orgName, name string) error {
	user, err := s.Person(ctx, caller, orgName, name, true)
	if err == nil {
		err = s.EndIssued(ctx, user.ID)
	}
	s.record(ctx, "user.logout", caller, caller.OrgOf(orgName), user.ID, err)
	return err
}

// EndIssued is EndEverything for a service whose own operation is the cause: it asks nobody and records nothing.
func (s *Users) EndIssued(ctx context.Context, id string) error {
	var user User
	err := unlessChanged(nil, func() (err error) {
		if user, _, err = s.Store.User(ctx, id); err != nil {
			return err
		}
		user.Epoch++
		user.UpdatedAt = s.Now()
		_, err = s.Store.PutUser(ctx, user, nil, nil, newOperation())
		return err
	})
	if err != nil {
		return err
	}
	s.Callers.Forget()
	return s.endSessions(ctx, id, user.Epoch)
}

// endSessions ends what a browser may still hold of a user, so that the clients there are told.
func (s *Users) endSessions(ctx context.Context, user string, epoch uint64) error {
	if s.Sessions == nil {
		return nil
	}
	return s.Sessions.EndAll(ctx, user, epoch)
}
