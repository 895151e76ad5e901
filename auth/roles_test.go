package auth_test

import (
	"testing"

	"github.com/claimsmith/claimsmith/auth"
)

// What a person may in the console is what his role says, in his home organisation alone, and never as himself.
func TestOperator(t *testing.T) {
	user := func(role auth.Role, change ...func(*auth.User)) auth.User {
		u := auth.User{ID: "u1", Orgs: []string{"acme", "globex"}, Role: role}
		for _, c := range change {
			c(&u)
		}
		return u
	}
	disabled := func(u *auth.User) { u.Disabled = true }
	deleting := func(u *auth.User) { u.Deleting = true }
	type rights struct{ ok, admin, read, write, configure bool }
	for _, c := range []struct {
		user auth.User
		org  string
		want rights
	}{
		{user(""), "acme", rights{}},
		{user("system"), "acme", rights{}},
		{user(auth.RoleReader), "acme", rights{ok: true, read: true}},
		{user(auth.RoleReader), "globex", rights{}},
		{user(auth.RoleReader), "", rights{}},
		{user(auth.RoleOperator), "acme", rights{ok: true, read: true, write: true, configure: true}},
		{user(auth.RoleOperator), "globex", rights{}},
		{user(auth.RoleOperator), "default", rights{}},
		{user(auth.RoleOperator), "", rights{}},
		{user(auth.RoleAdmin), "acme", rights{true, true, true, true, true}},
		{user(auth.RoleAdmin), "default", rights{true, true, true, true, true}},
		{user(auth.RoleAdmin, disabled), "acme", rights{}},
		{user(auth.RoleOperator, deleting), "acme", rights{}},
		{auth.User{ID: "u1", Role: auth.RoleAdmin}, "acme", rights{}},
	} {
		caller, ok := auth.Operator(&c.user, c.org)
		got := rights{ok: ok}
		if !ok && caller != nil {
			t.Errorf("%+v in %q is refused and yet somebody", c.user, c.org)
		}
		if ok {
			got = rights{true, caller.IsAdmin(), caller.MayRead(c.org), caller.MayWrite(c.org), caller.MayConfigure(c.org)}
			if self, is := caller.Self(c.org); is || self != "" {
				t.Errorf("%+v acts as himself, %q", c.user, self)
			}
			if caller.Ref() != "user:u1" {
				t.Errorf("%+v is called %s", c.user, caller.Ref())
			}
			if !caller.IsAdmin() && (caller.MayRead("globex") || caller.MayRead("")) {
				t.Errorf("%+v reads elsewhere", c.user)
			}
		}
		if got != c.want {
			t.Errorf("%+v in %q: %+v, want %+v", c.user, c.org, got, c.want)
		}
	}
}
