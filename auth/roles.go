package auth

import "context"

// Operator is a user who is logged in to the console: what he may there follows from the role he has in an organisation. ok is false
// where he has none. An administrator operates every organisation.
func Operator(u *User, org string) (caller *Caller, ok bool) {
	if u.Disabled || u.Deleting || len(u.Orgs) == 0 {
		return nil, false
	}
	switch u.Role {
	case RoleAdmin:
		return &Caller{ref: "user:" + u.ID, role: RoleAdmin}, true
	case RoleOperator, RoleReader:
		if org == u.Orgs[0] {
			return &Caller{ref: "user:" + u.ID, role: u.Role, org: org}, true
		}
	}
	return nil, false
}

// mayManage is the one rule about who may change a person, in whatever way: he must write in the user's home organisation, and be
// able to give the role the user has, or he could make it his own (row A-04).
func (c *Caller) mayManage(u *User) bool {
	return c.MayWrite(u.Orgs[0]) && (u.Role == "" || c.mayGrantTo(u, u.Role))
}

// mayGrantTo reports whether the caller may give a user a role in his home organisation, or take it.
func (c *Caller) mayGrantTo(u *User, role Role) bool {
	if role == RoleAdmin {
		return c.mayGrant(role, "")
	}
	return c.mayGrant(role, u.Orgs[0])
}

// Managed is Find for a change to the person.
func (s *Users) Managed(ctx context.Context, caller *Caller, org, name string) (User, error) {
	user, err := s.Find(ctx, caller, org, name)
	if err != nil {
		return User{}, err
	}
	if !caller.mayManage(&user) {
		return user, errForbidden("change this user")
	}
	return user, nil
}

// RoleOf returns the role a user has, "" for none. The caller must be able to see the user; a role shows only to the user himself and to
// those who may read in his home organisation.
func (s *Users) RoleOf(ctx context.Context, caller *Caller, orgName, name string) (Role, error) {
	user, err := s.Find(ctx, caller, orgName, name)
	if err != nil {
		return "", err
	}
	if _, self := caller.Self(caller.HomeOrg()); !self && !caller.MayRead(user.Orgs[0]) {
		return "", nil
	}
	return user.Role, nil
}

// SetRole gives a user a role in his home organisation, RoleAdmin for the whole installation, or takes it with "". Nobody gives more than
// he has, nor changes, in any way, a user who has more (row A-04): whoever manages a user must be able to give the role he has.
func (s *Users) SetRole(ctx context.Context, caller *Caller, orgName, name string, role Role) error {
	id := ""
	err := unlessChanged(nil, func() error {
		user, err := s.Managed(ctx, caller, orgName, name)
		id = user.ID
		if err == nil {
			err = checkRole(caller, &user, role)
		}
		if err != nil || user.Role == role {
			return err
		}
		user.Role, user.UpdatedAt = role, s.Now()
		_, err = s.Store.PutUser(ctx, user, nil, nil, newOperation())
		return err
	})
	s.record(ctx, "user.role", caller, caller.OrgOf(orgName), id, err)
	return err
}

func checkRole(caller *Caller, u *User, role Role) error {
	switch role {
	case RoleAdmin, RoleOperator, RoleReader:
	case "":
		role = RoleReader // who may not even give that has no say in roles
	default:
		return &Error{Code: InvalidRequest, Field: "role", Detail: "one of admin, operator, reader"}
	}
	if !caller.mayGrantTo(u, role) {
		return errForbidden("give or take this role")
	}
	return nil
}
