package auth

import (
	"context"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// Registration is somebody who makes himself a user.
type Registration struct {
	// Username and Email as in NewUser; the address is not verified.
	Username, Email string
	GivenName       string
	FamilyName      string
	Password        string
	// Address is where the request comes from.
	Address string
}

// RegistrationLimits are the registrations tried before one has to wait.
type RegistrationLimits struct{ PerAddress, PerClient Bucket }

// DefaultRegistrationLimits let a class behind one address begin its term, and a program not fill the store. They also bound how fast
// anybody can find out which names there are.
var DefaultRegistrationLimits = RegistrationLimits{
	PerAddress: Bucket{Kind: "register", Burst: 60, Period: 10 * time.Second},
	PerClient:  Bucket{Kind: "register_client", Burst: 1000, Period: time.Second},
}

// registrationMemory is how long a registration may be repeated.
const registrationMemory = 10 * time.Minute

// Register adds a user to a client's organisation at his own request, as the client has authenticated itself: AccessDenied unless it has
// SelfRegistration, and then Throttled, by address and by client, before anything is told of what exists. The user has a username and a
// password and nothing an operator would give. The audit event is "user.register".
//
// A name or an address that is in use is a Conflict that says which. Who registers again within ten minutes with the same name, address
// and password gets the user he made then, so that an answer that was lost can be asked for again; it counts as a login.
func (s *Users) Register(ctx context.Context, client *Client, r Registration) (User, error) {
	user, err := s.register(ctx, client, r)
	s.Audit.Record(ctx, About(Outcome("user.register", "client:"+client.ID, err), client.Org, "user", user.ID))
	return user, err
}

func (s *Users) register(ctx context.Context, client *Client, r Registration) (User, error) {
	if !client.SelfRegistration {
		return User{}, &Error{Code: AccessDenied, Detail: "nobody can register through this client: self_registration is false"}
	}
	if r.Username == "" {
		return User{}, &Error{Code: InvalidRequest, Field: "username", Detail: "a username is required"}
	}
	user, err := s.newUser(NewUser{
		Username: r.Username, Email: r.Email, Password: r.Password, Profile: claims.Profile{GivenName: r.GivenName, FamilyName: r.FamilyName},
	}, client.Org)
	if err != nil {
		return User{}, err
	}
	if err := s.Hasher.Check(r.Password, namesOf(&user)...); err != nil {
		return User{}, err
	}
	address, all := DefaultRegistrationLimits.PerAddress, DefaultRegistrationLimits.PerClient
	address.Subject, all.Subject = r.Address, client.ID
	if err := Attempt(ctx, s.Limiter, address, all); err != nil {
		return User{}, err
	}
	if _, err := s.Registry.Org(ctx, client.Org); err != nil {
		return User{}, err
	}
	name := user.Handles()[0]
	err = s.isFree(ctx, &user, name)
	if err == nil {
		var hash string
		if hash, err = s.Hasher.Hash(ctx, r.Password, namesOf(&user)...); err != nil {
			return User{}, err
		}
		err = s.addRegistered(ctx, &user, name, hash)
	}
	if isTaken(err, name) {
		return s.registeredBefore(ctx, &user, name, r)
	}
	if err != nil {
		return User{}, err
	}
	return user, nil
}

// isFree is a Conflict where somebody has the username or, verified, the address.
func (s *Users) isFree(ctx context.Context, u *User, name Handle) error {
	if err := s.checkFree(ctx, name, u.ID); err != nil {
		return err
	}
	if err := s.noOneIsCalled(ctx, u); CodeOf(err) == Conflict { // the username is somebody's id
		return errTaken(name)
	} else if err != nil {
		return err
	}
	if u.Email == "" {
		return nil
	}
	return s.checkFree(ctx, Handle{Kind: KindEmail, Canonical: u.Email}, u.ID)
}

func (s *Users) addRegistered(ctx context.Context, u *User, name Handle, hash string) error {
	claim, handles := Holder{u.ID, newOperation()}, []Handle{name}
	if err := s.claimHandles(ctx, handles, claim); err != nil {
		return err
	}
	var err error
	if u.Version, err = s.Store.PutUser(ctx, *u, &hash, nil, claim.Operation); err != nil {
		if CodeOf(err) != Unavailable {
			s.abandonHandles(ctx, handles, claim)
		}
		return err
	}
	return s.settleNew(ctx, u, handles, claim)
}

func isTaken(err error, name Handle) bool {
	e, ok := err.(*Error) //nolint:errorlint // one that is joined with others says more than that
	return ok && e.Code == Conflict && e.Field == string(name.Kind)
}

// registeredBefore returns the user who has the name if he was made a moment ago and is who asks.
func (s *Users) registeredBefore(ctx context.Context, asked *User, name Handle, r Registration) (User, error) {
	id, err := s.Store.HandleOwner(ctx, name)
	if err != nil || id == "" {
		return User{}, orTaken(err, name)
	}
	user, hash, err := s.Store.User(ctx, id)
	age := s.Now().Sub(user.CreatedAt)
	if CodeOf(err) == NotFound || err == nil && (user.Deleting || user.Disabled || user.MustChangePassword || hash == "" ||
		user.Username != asked.Username || user.Email != asked.Email || user.Orgs[0] != asked.Orgs[0] || age < 0 || age >= registrationMemory) {
		return User{}, errTaken(name)
	}
	if err != nil {
		return User{}, err
	}
	buckets := DefaultLoginLimits.buckets("user:"+id, r.Address)
	if err := Attempt(ctx, s.Limiter, buckets...); err != nil {
		return User{}, err
	}
	same, _, err := s.Hasher.Verify(ctx, hash, r.Password)
	if err != nil || !same {
		return User{}, orTaken(err, name)
	}
	return user, s.Limiter.Reset(ctx, buckets[1:])
}

func orTaken(err error, name Handle) error {
	if err != nil {
		return err
	}
	return errTaken(name)
}

// Recent is Find from what was read at most Recency ago: for names to show. The caller must not change the user.
func (s *Users) Recent(ctx context.Context, caller *Caller, orgName, name string) (*User, error) {
	now := s.Now()
	return s.find(caller, orgName, name, func(name string) (*User, error) {
		if user, ok := s.recent.get(name, now); ok {
			return user, nil
		}
		user, err := s.lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		s.recent.put(name, &user, now)
		return &user, nil
	})
}
