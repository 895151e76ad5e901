package auth_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const registrationPassword = "staple battery correct"

// registration is a proper one, from an address of its own.
func registration(username string) auth.Registration {
	return auth.Registration{
		Username: username, Email: username + "@example.com", GivenName: "Given", FamilyName: "Family", Password: registrationPassword,
		Address: "address of " + username,
	}
}

// open makes the client app of acme, through which people may register.
func (s *services) open() *auth.Client {
	s.t.Helper()
	yes := true
	c := s.client("acme", "app", func(n *auth.NewClient) { n.SelfRegistration = &yes })
	return &c
}

// everybody are the users of acme.
func (s *services) everybody() []auth.User {
	s.t.Helper()
	users, _, err := s.store.Users(s.t.Context(), "acme", auth.Page{Limit: 1000})
	s.must(err)
	return users
}

// login has a user log in at another instance.
func (s *services) login(name, password string) error {
	a := auth.Authenticator{
		Users: s.store, Hasher: s.users.Hasher, Limiter: s.store, Limits: auth.DefaultLoginLimits, Registry: s.registry, Now: s.clock.Now,
	}
	_, err := a.Authenticate(s.t.Context(), auth.Login{
		Username: name, Password: password, Org: "acme", Client: &auth.Client{Org: "acme"}, Address: "elsewhere",
	})
	return err
}

func TestRegister(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		app := s.open()
		r := registration("JANE")
		user, err := s.users.Register(t.Context(), app, r)
		s.must(err)
		want := auth.User{
			ID: user.ID, Username: "jane", Email: "jane@example.com", Orgs: []string{"acme"}, Version: 1,
			Profile: claims.Profile{GivenName: "Given", FamilyName: "Family"}, CreatedAt: s.clock.Now(), UpdatedAt: s.clock.Now(),
		}
		if diff := cmp.Diff(want, user); diff != "" {
			t.Errorf("the user differs:\n%s", diff)
		}
		stored, hash, err := s.store.User(t.Context(), user.ID)
		s.must(err)
		if diff := cmp.Diff(want, stored); diff != "" {
			t.Errorf("the stored user differs:\n%s", diff)
		}
		if ok, upgrade := verify(t, s.users.Hasher, hash, registrationPassword); !ok || upgrade {
			t.Errorf("the stored password: match %t, upgrade %t", ok, upgrade)
		}
		e := audit.Event{Action: "user.register", Actor: "client:app", Org: "acme", Target: "user:" + user.ID, Outcome: audit.Success}
		if diff := cmp.Diff(e, s.log.Last()); diff != "" {
			t.Errorf("the event differs:\n%s", diff)
		}
		s.must(s.login("jane", registrationPassword))
		// The address names nobody until it is verified (row L-12).
		s.wantError("login by address", s.login("jane@example.com", registrationPassword), auth.InvalidCredentials, "")
		_, err = s.users.Find(t.Context(), auth.System(), "acme", "jane@example.com")
		s.wantError("the address", err, auth.NotFound, "")
	})
}

func TestRegistrationIsRefused(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	app := s.open()
	_, err := s.users.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewUser{
		ID: "taken-id", Username: "taken", Email: "taken@example.com", EmailVerified: true,
	}, "")
	s.must(err)
	_, err = s.users.Create(ctx, auth.System(), "acme", auth.NewUser{Username: "other", Email: "unverified@example.com"}, "")
	s.must(err)
	before := s.everybody()
	for what, tt := range map[string]struct {
		change func(*auth.Registration)
		code   auth.Code
		field  string
	}{
		"no name":              {func(r *auth.Registration) { r.Username = "" }, auth.InvalidRequest, "username"},
		"an address as a name": {func(r *auth.Registration) { r.Username = "a@b.example" }, auth.InvalidRequest, "username"},
		"a reserved name":      {func(r *auth.Registration) { r.Username = "me" }, auth.InvalidRequest, "username"},
		"no address":           {func(r *auth.Registration) { r.Email = "nothing" }, auth.InvalidRequest, "email"},
		"a given name":         {func(r *auth.Registration) { r.GivenName = "\x00" }, auth.InvalidRequest, "profile/given_name"},
		"no password":          {func(r *auth.Registration) { r.Password = "" }, auth.InvalidRequest, "password"},
		"a common password":    {func(r *auth.Registration) { r.Password = "password1" }, auth.InvalidRequest, "password"},
		"the name as password": {func(r *auth.Registration) { r.Password = r.Username + "1234" }, auth.InvalidRequest, "password"},
		"the org as password":  {func(r *auth.Registration) { r.Password = "acme1234" }, auth.InvalidRequest, "password"},
		"a taken name":         {func(r *auth.Registration) { r.Username = "TAKEN" }, auth.Conflict, "username"},
		"somebody's id":        {func(r *auth.Registration) { r.Username = "taken-id" }, auth.Conflict, "username"},
		"a taken address":      {func(r *auth.Registration) { r.Email = "Taken@example.com" }, auth.Conflict, "email"},
	} {
		r := registration("new")
		tt.change(&r)
		user, err := s.users.Register(ctx, app, r)
		s.wantError(what, err, tt.code, tt.field)
		if user.ID != "" || user.Username != "" {
			t.Errorf("%s: the user %+v beside an error", what, user)
		}
		if e := s.log.Last(); e.Action != "user.register" || e.Outcome != audit.Denied || e.Actor != "client:app" || e.Target != "" {
			t.Errorf("%s: event %+v", what, e)
		}
	}
	if diff := cmp.Diff(before, s.everybody()); diff != "" {
		t.Errorf("refusals changed the users:\n%s", diff)
	}
	// An address somebody only says is his keeps nobody out.
	r := registration("new")
	r.Email = "unverified@example.com"
	if _, err := s.users.Register(ctx, app, r); err != nil {
		t.Error(err)
	}
	// The address is not required.
	r = registration("plain")
	r.Email = ""
	if _, err := s.users.Register(ctx, app, r); err != nil {
		t.Error(err)
	}
}

// A client that lets nobody register says so before anything else, whatever exists.
func TestOnlyOpenClientsRegister(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	app := s.open()
	_, err := s.users.Register(t.Context(), app, registration("jane"))
	s.must(err)
	closed := s.client("acme", "closed", nil)
	for _, name := range []string{"jane", "john", "", "me"} {
		_, err := s.users.Register(t.Context(), &closed, registration(name))
		s.wantError(name, err, auth.AccessDenied, "")
	}
	yes := true
	_, err = s.orgs.Update(t.Context(), auth.System(), "acme", nil, auth.OrgChange{Disabled: &yes})
	s.must(err)
	_, err = s.users.Register(t.Context(), app, registration("john"))
	s.wantError("into a disabled organisation", err, auth.NotFound, "")
}

// Rows L-03, L-06: how fast names can be asked for is bounded, by address and by client, and a refused attempt tells nothing.
func TestRegistrationsAreThrottled(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	ctx := t.Context()
	app := s.open()
	_, err := s.users.Create(ctx, auth.System(), "acme", auth.NewUser{Username: "taken"}, "")
	s.must(err)
	from := func(address, username string) error {
		r := registration(username)
		r.Address = address
		_, err := s.users.Register(ctx, app, r)
		return err
	}
	for n := range auth.DefaultRegistrationLimits.PerAddress.Burst {
		s.wantError(fmt.Sprint("attempt ", n), from("192.0.2.1", "taken"), auth.Conflict, "username")
	}
	for _, name := range []string{"taken", "free"} {
		err := from("192.0.2.1", name)
		s.wantError("beyond the limit: "+name, err, auth.Throttled, "")
	}
	s.wantError("another address", from("192.0.2.2", "taken"), auth.Conflict, "username")
	// What could never be done costs nothing.
	for range 3 {
		s.wantError("no name", from("192.0.2.1", ""), auth.InvalidRequest, "username")
	}
	// All addresses together are bounded too, for each client.
	clients := auth.DefaultRegistrationLimits.PerClient
	clients.Subject = "app"
	for { // what a thousand addresses do
		wait, err := s.store.Take(ctx, []auth.Bucket{clients})
		s.must(err)
		if wait > 0 {
			break
		}
	}
	s.wantError("beyond the client's limit", from("192.0.2.3", "free"), auth.Throttled, "")
	yes := true
	other := s.client("acme", "other", func(n *auth.NewClient) { n.SelfRegistration = &yes })
	if _, err := s.users.Register(ctx, &other, registration("free")); err != nil {
		t.Errorf("through another client: %v", err)
	}
}

// Whoever registers again at once gets the user he made; nobody else does.
func TestRegistrationCanBeRepeated(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	app := s.open()
	made, err := s.users.Register(ctx, app, registration("jane"))
	s.must(err)
	again := func(change func(*auth.Registration)) (auth.User, error) {
		r := registration("jane")
		if change != nil {
			change(&r)
		}
		return s.users.Register(ctx, app, r)
	}
	user, err := again(nil)
	s.must(err)
	if diff := cmp.Diff(made, user); diff != "" || len(s.everybody()) != 1 {
		t.Errorf("the user differs, of %d:\n%s", len(s.everybody()), diff)
	}
	for what, change := range map[string]func(*auth.Registration){
		"another password": func(r *auth.Registration) { r.Password = "another good password" },
		"another address":  func(r *auth.Registration) { r.Email = "other@example.com" },
		"no address":       func(r *auth.Registration) { r.Email = "" },
	} {
		_, err := again(change)
		s.wantError(what, err, auth.Conflict, "username")
	}
	// It is no way around the limits of logins (row L-07).
	for n := 0; ; n++ {
		_, err := again(func(r *auth.Registration) { r.Password = fmt.Sprint("a guess of his password ", n) })
		if auth.CodeOf(err) == auth.Throttled {
			if n < 5 || n > auth.DefaultLoginLimits.PerAccount.Burst {
				t.Errorf("throttled after %d guesses", n)
			}
			break
		}
		s.wantError(fmt.Sprint("guess ", n), err, auth.Conflict, "username")
	}
	made, err = s.users.Register(ctx, app, registration("john"))
	s.must(err)
	s.clock.Advance(10*time.Minute - time.Second)
	user, err = s.users.Register(ctx, app, registration("john"))
	if err != nil || user.ID != made.ID {
		t.Errorf("just before the end: %v", err)
	}
	s.clock.Advance(time.Second)
	_, err = s.users.Register(ctx, app, registration("john"))
	s.wantError("ten minutes later", err, auth.Conflict, "username")

	// A user who is disabled, gone, called otherwise or of another organisation is not given away, and a name that is free is free.
	yes := true
	for what, change := range map[string]func(id string) error{
		"disabled": func(id string) error {
			_, err := s.users.Update(ctx, auth.System(), "acme", id, nil, auth.UserChange{Disabled: &yes})
			return err
		},
		"moved": func(id string) error {
			_, err := s.users.Update(ctx, auth.System(), "acme", id, nil, auth.UserChange{Orgs: &[]string{auth.DefaultOrg, "acme"}})
			return err
		},
	} {
		made, err := s.users.Register(ctx, app, registration(what))
		s.must(err)
		s.must(change(made.ID))
		_, err = s.users.Register(ctx, app, registration(what))
		s.wantError(what, err, auth.Conflict, "username")
	}
	for what, change := range map[string]func(id string) error{
		"gone": func(id string) error { return s.users.Delete(ctx, auth.System(), "acme", id, nil) },
		"renamed": func(id string) error {
			name := "called-otherwise"
			_, err := s.users.Update(ctx, auth.System(), "acme", id, nil, auth.UserChange{Username: &name})
			return err
		},
	} {
		made, err := s.users.Register(ctx, app, registration(what))
		s.must(err)
		s.must(change(made.ID))
		user, err := s.users.Register(ctx, app, registration(what))
		if err != nil || user.ID == made.ID {
			t.Errorf("%s: %s again as %s (%v)", what, made.ID, user.ID, err)
		}
	}
}

// Rows, F-01: whichever reply is lost, repeating the registration ends with one user who can log in.
func TestRegistrationSurvivesLostReplies(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		proxy, runner := lost(t, b)
		s := newServices(t, b)
		app := s.open()
		for _, all := range []bool{false, true} {
			for n := 1; ; n++ {
				name := fmt.Sprintf("user-%t-%d", all, n)
				faulty := instanceOver(t, runner, s.clock)
				proxy.Reset()
				if all {
					proxy.CutAllReplies(n)
				} else {
					proxy.CutReply(n)
				}
				first, err := faulty.users.Register(t.Context(), app, registration(name))
				cut := len(proxy.Calls()) >= n
				proxy.Heal()
				if err != nil && auth.CodeOf(err) != auth.Unavailable || err != nil && !all {
					t.Fatalf("with reply %d lost: %v", n, err)
				}
				user, err := s.users.Register(t.Context(), app, registration(name))
				if err != nil || first.ID != "" && first.ID != user.ID {
					t.Fatalf("after reply %d of %v was lost: %q, then %q (%v)", n, proxy.Calls(), first.ID, user.ID, err)
				}
				found := 0
				for _, u := range s.everybody() {
					if u.Username == name {
						found++
					}
				}
				if err := s.login(name, registrationPassword); found != 1 || err != nil {
					t.Fatalf("after reply %d of %v was lost there are %d users; login: %v", n, proxy.Calls(), found, err)
				}
				if !cut {
					if n < 5 {
						t.Error("hardly any reply was lost")
					}
					break
				}
			}
		}
	})
}

// Of many who register with one name at once one gets it, and whoever has the same password is the same person.
func TestRegistrationRaces(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		app := s.open()
		instances := []*services{s, instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)}
		const callers = 6
		for round := range 3 {
			name := fmt.Sprint("racer-", round)
			var mu sync.Mutex
			made := map[string]string{} // id → password
			var all sync.WaitGroup
			start := make(chan struct{})
			for n := range callers {
				all.Go(func() {
					r := registration(name)
					r.Password = fmt.Sprint("the password of caller ", n)
					<-start
					user, err := instances[n%2].users.Register(t.Context(), app, r)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						made[user.ID] = r.Password
					} else if auth.CodeOf(err) != auth.Conflict && auth.CodeOf(err) != auth.Throttled {
						t.Errorf("caller %d: %v", n, err)
					}
				})
			}
			close(start)
			all.Wait()
			if len(made) != 1 {
				t.Fatalf("%d callers have the name", len(made))
			}
			for id, password := range made {
				user, err := s.users.Find(t.Context(), auth.System(), "acme", name)
				if err != nil || user.ID != id {
					t.Errorf("the name leads to %s (%v), want %s", user.ID, err, id)
				}
				s.must(s.login(name, password))
			}
		}
		if users := s.everybody(); len(users) != 3 {
			t.Errorf("%d users were made", len(users))
		}
	})
}

// interrupted is a store over which something happens just before a user is written.
type interrupted struct {
	auth.UserStore
	before func()
}

func (i interrupted) PutUser(ctx context.Context, u auth.User, password *string, left []string, op string) (uint64, error) {
	i.before()
	return i.UserStore.PutUser(ctx, u, password, left, op)
}

// Whoever settles a name has it; who was overtaken leaves nobody behind.
func TestOvertakenRegistration(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	app := s.open()
	other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	quick := registration("jane")
	quick.Password = "the password of the quicker one"
	var winner auth.User
	s.users.Store = interrupted{s.store, func() {
		var err error
		winner, err = other.users.Register(t.Context(), app, quick)
		s.must(err)
	}}
	_, err := s.users.Register(t.Context(), app, registration("jane"))
	s.wantError("the slower one", err, auth.Conflict, "username")
	if users := s.everybody(); len(users) != 1 || users[0].ID != winner.ID {
		t.Errorf("the users are %+v, want %s alone", users, winner.ID)
	}
	s.must(s.login("jane", quick.Password))
}

func TestRecentUsers(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	ctx := t.Context()
	_, err := s.users.Create(ctx, auth.System(), "acme", auth.NewUser{
		ID: "jane-id", Username: "jane", Email: "jane@example.com", EmailVerified: true,
	}, "")
	s.must(err)
	_, err = s.users.Create(ctx, auth.System(), "acme", auth.NewUser{ID: "john-id", Username: "john"}, "")
	s.must(err)
	jane, other := auth.Person("jane-id", "acme"), instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	want := func(what string, of *services, caller *auth.Caller, org, name, username string) {
		t.Helper()
		u, err := of.users.Recent(ctx, caller, org, name)
		if username == "" {
			s.wantError(what, err, auth.NotFound, "")
		} else if err != nil || u.Username != username {
			t.Errorf("%s: %+v (%v), want %s", what, u, err, username)
		}
	}
	for range 2 { // read and remembered
		for _, name := range []string{"jane-id", "jane", "JANE@example.com", "me"} {
			want(name, s, jane, "", name, "jane")
		}
		want("an operator", s, auth.System(), "acme", "john", "john")
		// What is remembered is shown to nobody who could not see it.
		want("somebody else", s, jane, "", "john", "")
		want("somebody else in another organisation", s, jane, auth.DefaultOrg, "jane", "")
		want("in an organisation he is not in", s, auth.System(), auth.DefaultOrg, "john", "")
		want("a system without a self", s, auth.System(), "acme", "me", "")
		want("nobody", s, auth.System(), "acme", "nobody", "")
	}
	want("elsewhere", other, jane, "", "me", "jane")
	name := "joan"
	_, err = s.users.Update(ctx, auth.System(), "acme", "jane-id", nil, auth.UserChange{Username: &name})
	s.must(err)
	want("where it was changed", s, jane, "", "me", "joan")
	want("elsewhere at once", other, jane, "", "me", "jane")
	s.clock.Advance(auth.Recency)
	want("elsewhere in the end", other, jane, "", "me", "joan")
	s.must(s.users.Delete(ctx, auth.System(), "acme", "jane-id", nil))
	want("after the end", s, jane, "", "me", "")
}
