package auth

import "strings"

// Caller is who asks the API for something, and what that lets it see and do. All dialects get their Caller from Callers and
// every service decides by these methods, so no door can disagree with another. A Caller never changes.
type Caller struct {
	ref  string
	role Role
	org  string
	user string
	// machine callers are clients with scope iam/: they manage users and their metadata, not what decides who may manage.
	machine bool
}

// System is who the command line and the first start act as: an administrator without a credential that could be stolen.
func System() *Caller { return &Caller{ref: "system", role: RoleAdmin} }

// Person is a user who is logged in here, in one of his organisations, without a token: the pages of his own account act as him.
func Person(user, org string) *Caller { return &Caller{ref: "user:" + user, org: org, user: user} }

// Ref names the caller for audit and changedBy: "token:<id>", "client:<id>", "user:<id>" or "system".
func (c *Caller) Ref() string { return c.ref }

// HomeOrg is the organisation meant where a request names none.
func (c *Caller) HomeOrg() string {
	if c.org == "" {
		return DefaultOrg
	}
	return c.org
}

// IsAdmin reports whether the caller may administer the whole installation.
func (c *Caller) IsAdmin() bool { return c.role == RoleAdmin }

// MayRead reports whether the caller may see everything of an organisation.
func (c *Caller) MayRead(org string) bool {
	return c.role == RoleAdmin || c.org == org && (c.role == RoleOperator || c.role == RoleReader)
}

// MayWrite reports whether the caller may change everything of an organisation.
func (c *Caller) MayWrite(org string) bool {
	return c.role == RoleAdmin || c.org == org && c.role == RoleOperator
}

// MayConfigure reports whether the caller may change an organisation's clients and API tokens.
func (c *Caller) MayConfigure(org string) bool { return c.MayWrite(org) && !c.machine }

// mayChange reports whether the caller may change a client. One that serves all organisations is above those who operate the one
// it belongs to (row A-04).
func (c *Caller) mayChange(client *Client) bool {
	return c.MayConfigure(client.Org) && (c.IsAdmin() || !client.AllOrgs)
}

// Self returns the user the caller is when it acts in org.
func (c *Caller) Self(org string) (userID string, ok bool) {
	return c.user, c.user != "" && c.org == org
}

// OrgOf is the organisation of a request: the one named, else the caller's own.
func (c *Caller) OrgOf(named string) string {
	if named == "" {
		return c.HomeOrg()
	}
	return named
}

// mayGrant reports whether the caller may hand out a role in an organisation: never more than its own (row A-04).
func (c *Caller) mayGrant(role Role, org string) bool {
	if role == RoleAdmin {
		return c.IsAdmin() && org == ""
	}
	return org != "" && c.MayConfigure(org)
}

// The refusals. A caller that may not even see an object hears what it would hear of one that does not exist.

func errNotFound(what string) *Error { return &Error{Code: NotFound, Detail: "no such " + what} }

func errForbidden(what string) *Error {
	return &Error{Code: AccessDenied, Detail: "this credential may not " + what}
}

// refuse is the one refusal of all management operations that a caller lacks the right to: NotFound where it may not even see the
// organisation, AccessDenied where it may see but not change.
func (c *Caller) refuse(allowed bool, org, what string) error {
	switch {
	case allowed:
		return nil
	case c.MayRead(org):
		return errForbidden("change a " + what)
	}
	return errNotFound(what)
}

func isSlugList(orgs []string) bool {
	for _, o := range orgs {
		if !ValidSlug(o) {
			return false
		}
	}
	return len(orgs) > 0
}

func describe(values []string) string { return strings.Join(values, ", ") }
