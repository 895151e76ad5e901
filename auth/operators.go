package auth

import (
	"context"
	"time"
)

// ConsoleClient is the public first-party client that the operator console logs its users in by. A server makes it when it starts.
const ConsoleClient = "claimsmith-console"

// Operators answers for the logins of the operator console.
type Operators struct {
	Registry *Registry
	Families FamilyStore
	Users    UserStore
}

// Resolve returns whom a login of the console, made at a time, belongs to, nil where it has ended, and who he is there. A user without a
// role is nobody: nil.
func (o *Operators) Resolve(ctx context.Context, login FamilyRef, made time.Time) (*User, *Caller, error) {
	_, err := o.Registry.Standing(ctx, ConsoleClient, login.Org, made)
	if CodeOf(err) == InvalidClient {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	live, _, err := o.Families.Live(ctx, login, "")
	if err != nil || !live {
		return nil, nil, err
	}
	user, _, err := o.Users.User(ctx, login.User)
	if CodeOf(err) == NotFound {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	caller, ok := Operator(&user, login.Org)
	if !ok {
		return &user, nil, nil
	}
	return &user, caller, nil
}

// End ends a login of the console.
func (o *Operators) End(ctx context.Context, login FamilyRef) error {
	return o.Families.Revoke(ctx, login, ConsoleClient)
}
