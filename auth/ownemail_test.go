package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// ask has a user ask for an address, and returns the secret that was mailed there, if any was.
func (s *services) ask(u auth.User, address string) string {
	s.t.Helper()
	secret, err := s.users.AskEmail(s.t.Context(), auth.Person(u.ID, "acme"), address)
	s.must(err)
	return secret
}

// wantInvalid checks that a secret is of no use, and changes nothing.
func (s *services) wantInvalid(what, secret string) {
	s.t.Helper()
	if _, _, err := s.users.AskedEmail(s.t.Context(), secret); auth.CodeOf(err) != auth.InvalidGrant {
		s.t.Errorf("%s: asked for: %v", what, err)
	}
	if _, _, err := s.users.ConfirmEmail(s.t.Context(), secret); auth.CodeOf(err) != auth.InvalidGrant {
		s.t.Errorf("%s: confirmed: %v", what, err)
	}
}

// Row L-12: an address is a user's only once what was mailed to it came back; then it is verified and he logs in by it.
func TestEmailChange(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		ctx := t.Context()
		jane := s.person("jane")
		secret := s.ask(jane, "New@example.com")
		if !strings.HasPrefix(secret, "cs_em_") || strings.Contains(fmt.Sprint(s.stored(jane.ID)), secret) {
			t.Errorf("the secret is %q, and the record %+v", secret, s.stored(jane.ID))
		}
		if u := s.stored(jane.ID); u.Email != "jane@example.com" || !u.EmailVerified || u.UpdatedAt != jane.UpdatedAt {
			t.Errorf("having asked, he is %+v", u)
		}
		if e := s.log.Last(); e.Action != "user.email.ask" || e.Target != "user:"+jane.ID || strings.Contains(fmt.Sprint(e), secret) {
			t.Errorf("the event is %+v", e)
		}
		if u, address, err := s.users.AskedEmail(ctx, secret); err != nil || u.ID != jane.ID || address != "new@example.com" {
			t.Errorf("asked for is %q of %q (%v)", address, u.ID, err)
		}
		s.clock.Advance(23 * time.Hour)
		before, after, err := s.users.ConfirmEmail(ctx, secret)
		s.must(err)
		if before.Email != "jane@example.com" || after.Email != "new@example.com" || !after.EmailVerified || after.PendingEmail != nil {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if diff := cmp.Diff(after, s.stored(jane.ID)); diff != "" || after.UpdatedAt != s.clock.Now() {
			t.Errorf("what is stored differs:\n%s", diff)
		}
		if e := s.log.Last(); e.Action != "user.email" || e.Actor != "user:"+jane.ID || e.Target != "user:"+jane.ID || e.Outcome != "success" {
			t.Errorf("the event is %+v", e)
		}
		s.must(s.login("new@example.com", registrationPassword))
		if err := s.login("jane@example.com", registrationPassword); err == nil {
			t.Error("the address before still logs in")
		}

		// Again, also when it could not be confirmed any more.
		s.clock.Advance(48 * time.Hour)
		if _, address, err := s.users.AskedEmail(ctx, secret); err != nil || address != "new@example.com" {
			t.Errorf("after it was confirmed: %q (%v)", address, err)
		}
		again, still, err := s.users.ConfirmEmail(ctx, secret)
		if err != nil || again.Email != "new@example.com" || again.Version != still.Version || still.UpdatedAt != after.UpdatedAt {
			t.Errorf("repeated: %+v, %+v (%v)", again, still, err)
		}
		s.person("other") // and the address before is free
		_, err = s.users.Create(ctx, auth.System(), "acme", auth.NewUser{Email: "jane@example.com", EmailVerified: true}, "")
		s.must(err)
	})
}

func TestEmailSecretsEnd(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	update := func(c auth.UserChange) func(auth.User) {
		return func(u auth.User) {
			_, err := s.users.Update(ctx, auth.System(), "acme", u.ID, nil, c)
			s.must(err)
		}
	}
	yes, no, other := true, false, "operators@example.com"
	n := 0
	for what, end := range map[string]func(auth.User){
		"after a day":                 func(auth.User) { s.clock.Advance(24 * time.Hour) },
		"after asking for another":    func(u auth.User) { s.ask(u, u.Username+"-third@example.com") },
		"after asking for somebody's": func(u auth.User) { s.person(u.Username + "x"); s.ask(u, u.Username+"x@example.com") },
		"after an operator's change":  update(auth.UserChange{Email: &other}),
		"after an operator's doubt":   update(auth.UserChange{EmailVerified: &no}),
		"of a disabled user":          update(auth.UserChange{Disabled: &yes}),
		"after disabling and enabling": func(u auth.User) {
			update(auth.UserChange{Disabled: &yes})(u)
			update(auth.UserChange{Disabled: &no})(u)
		},
		"after the end of all logins":   func(u auth.User) { s.must(s.users.EndIssued(ctx, u.ID)) },
		"of a user who is gone":         func(u auth.User) { s.must(s.users.Delete(ctx, auth.System(), "acme", u.ID, nil)) },
		"of a user who is being erased": func(u auth.User) { s.must(s.store.BeginDelete(ctx, s.stored(u.ID))) },
		"after a new password": func(u auth.User) {
			s.must(s.users.SetPassword(ctx, auth.System(), "acme", u.ID, auth.NewPassword{Password: "another password " + u.ID}))
		},
	} {
		n++
		u := s.person(fmt.Sprint("user-", n))
		secret := s.ask(u, u.Username+"-new@example.com")
		if _, _, err := s.users.AskedEmail(ctx, secret); err != nil {
			t.Errorf("%s: before: %v", what, err)
		}
		end(u)
		s.wantInvalid(what, secret)
	}
	u := s.person("last")
	secret := s.ask(u, "last-new@example.com")
	for what, forged := range map[string]string{
		"nothing": "", "a word": "cs_em_", "another user's": strings.Replace(secret, u.ID, s.person("bob").ID, 1), "shortened": secret[:len(secret)-1],
		"changed": secret[:len(secret)-4] + "AAAA", "lengthened": secret + "A", "another kind": "cs_rt_" + strings.TrimPrefix(secret, "cs_em_"),
	} {
		s.wantInvalid(what, forged)
	}
	// What another server made, with another key, or this one for nobody.
	elsewhere := instanceOver(t, &durable.Runner{Client: redistest.Embedded(t).Client}, s.clock)
	_, err := elsewhere.orgs.Create(ctx, auth.System(), "acme", auth.OrgChange{})
	s.must(err)
	elsewhere.users.EmailKeys = [][]byte{[]byte("another key, also of 32 bytes !!")}
	stranger := elsewhere.person("last")
	s.wantInvalid("of another server", elsewhere.ask(stranger, "last-new@example.com"))
	elsewhere.users.EmailKeys = s.users.EmailKeys
	s.wantInvalid("of nobody", elsewhere.ask(stranger, "last-new@example.com"))

	// Keys are changed one after the other.
	s.users.EmailKeys = append([][]byte{[]byte("the next key, of 32 bytes, newly")}, s.users.EmailKeys...)
	if _, _, err := s.users.ConfirmEmail(ctx, secret); err != nil {
		t.Errorf("under the key before: %v", err)
	}
	// Of what was confirmed nothing is left when an operator changes the address.
	update(auth.UserChange{Email: &other})(u)
	s.wantInvalid("confirmed before", secret)
}

// Asking tells nobody whether an address is somebody's: neither the answer but for the secret, which is not shown, nor the record, nor
// what becomes of an older secret.
func TestAskingShowsNobody(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	s.person("bob")
	noted := func(u auth.User) auth.PendingEmail {
		p := *s.stored(u.ID).PendingEmail
		if len(p.Hash) != 43 {
			t.Errorf("the hash is %q", p.Hash)
		}
		p.Hash = ""
		return p
	}
	var records []auth.PendingEmail
	for n, address := range []string{"nobody@example.com", "bob@example.com"} {
		u := s.person(fmt.Sprint("user-", n))
		older := s.ask(u, fmt.Sprint("older", n, "@example.com"))
		if secret := s.ask(u, address); (secret == "") != (address == "bob@example.com") {
			t.Errorf("%s: the secret is %q", address, secret)
		}
		s.wantInvalid("the older one", older)
		p := noted(u)
		if p.Address != address {
			t.Errorf("noted is %q", p.Address)
		}
		p.Address = ""
		records = append(records, p)
	}
	if diff := cmp.Diff(records[0], records[1]); diff != "" {
		t.Errorf("the records differ:\n%s", diff)
	}

	// One's own is nothing to ask for, unless it is not verified yet.
	u := s.person("jane")
	if secret := s.ask(u, "JANE@example.com"); secret != "" || s.stored(u.ID).PendingEmail != nil {
		t.Errorf("for the own address there is %q", secret)
	}
	no := false
	_, err := s.users.Update(t.Context(), auth.System(), "acme", u.ID, nil, auth.UserChange{EmailVerified: &no})
	s.must(err)
	_, after, err := s.users.ConfirmEmail(t.Context(), s.ask(u, "jane@example.com"))
	if err != nil || !after.EmailVerified {
		t.Errorf("the own address is %+v (%v)", after, err)
	}
	s.must(s.login("jane@example.com", registrationPassword))
}

// Row A-04: whoever has the clients of a further organisation does not get at what a person logs in by everywhere.
func TestAddressesAreOfTheHomeOrganisation(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	jane := s.person("jane")
	before := s.stored(jane.ID)
	orgs := []string{before.Orgs[0], "further"}
	_, err := s.orgs.Create(t.Context(), auth.System(), "further", auth.OrgChange{})
	s.must(err)
	_, err = s.users.Update(t.Context(), auth.System(), orgs[0], jane.ID, nil, auth.UserChange{Orgs: &orgs})
	s.must(err)
	_, err = s.users.AskEmail(t.Context(), auth.Person(jane.ID, "further"), "mallory@example.com")
	if auth.CodeOf(err) != auth.AccessDenied || s.stored(jane.ID).PendingEmail != before.PendingEmail {
		t.Errorf("asked: %v, %+v", err, s.stored(jane.ID).PendingEmail)
	}
	if _, err := s.users.AskEmail(t.Context(), auth.Person(jane.ID, orgs[0]), "new@example.com"); err != nil {
		t.Error(err)
	}
}

func TestAskingIsBounded(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	jane, bob := s.person("jane"), s.person("bob")
	asJane := auth.Person(jane.ID, "acme")
	for range 10 { // which cost nothing
		_, err := s.users.AskEmail(t.Context(), asJane, "not an address")
		s.wantError("what is none", err, auth.InvalidRequest, "email")
		s.ask(jane, "jane@example.com")
	}
	for n := range 5 {
		s.ask(jane, fmt.Sprint("new", n, "@example.com"))
	}
	last := s.stored(jane.ID)
	_, err := s.users.AskEmail(t.Context(), asJane, "sixth@example.com")
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.Throttled || e.RetryAfter <= 0 || e.RetryAfter > 12*time.Minute {
		t.Errorf("the sixth: %v", err)
	}
	if diff := cmp.Diff(last, s.stored(jane.ID)); diff != "" {
		t.Errorf("refused, and yet:\n%s", diff)
	}
	s.ask(bob, "bob-new@example.com")
	for name, caller := range map[string]*auth.Caller{"an administrator": auth.System(), "an operator": operatorOf(t, s, "acme"), "nobody": auth.Person("nobody", "acme")} {
		if _, err := s.users.AskEmail(t.Context(), caller, "x@example.com"); auth.CodeOf(err) != auth.NotFound {
			t.Errorf("%s asks: %v", name, err)
		}
	}
}

// Of many who confirm one address at once, one gets it, and the others are what they were.
func TestConfirmationRaces(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		const people = 4
		for round := range 3 {
			address := fmt.Sprint("wanted-", round, "@example.com")
			users, secrets := make([]auth.User, people), make([]string, people)
			for n := range people {
				users[n] = s.person(fmt.Sprint("user-", round, "-", n))
				secrets[n] = s.ask(users[n], address)
			}
			var mu sync.Mutex
			winners := map[string]bool{}
			var all sync.WaitGroup
			start := make(chan struct{})
			for n := range 2 * people { // each of them twice
				one := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
				all.Go(func() {
					<-start
					_, after, err := one.users.ConfirmEmail(t.Context(), secrets[n%people])
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						winners[after.ID] = true
					} else if auth.CodeOf(err) != auth.Conflict && auth.CodeOf(err) != auth.Busy {
						t.Errorf("confirming: %v", err)
					}
				})
			}
			close(start)
			all.Wait()
			owner, err := s.users.Find(t.Context(), auth.System(), "acme", address)
			s.must(err)
			for n, u := range users {
				got := s.stored(u.ID)
				if mine := got.Email == address && got.EmailVerified; mine != (got.ID == owner.ID) {
					t.Errorf("%s has %s, verified %t; the address leads to %s", u.ID, got.Email, got.EmailVerified, owner.ID)
				}
				if winners[u.ID] && u.ID != owner.ID {
					t.Errorf("%s was told that he has it", u.ID)
				}
				if u.ID == owner.ID {
					continue
				}
				s.must(s.login(u.Username+"@example.com", registrationPassword))
				if _, _, err := s.users.ConfirmEmail(t.Context(), secrets[n]); auth.CodeOf(err) != auth.Conflict || fieldOf(err) != "email" {
					t.Errorf("afterwards: %v", err)
				}
			}
		}
	})
}

// Somebody who was quicker keeps the address, whenever he came.
func TestOvertakenConfirmation(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	jane, bob := s.person("jane"), s.person("bob")
	ofJane, ofBob := s.ask(jane, "wanted@example.com"), s.ask(bob, "wanted@example.com")
	once := sync.OnceFunc(func() {
		_, _, err := other.users.ConfirmEmail(t.Context(), ofBob)
		s.must(err)
	})
	s.users.Store = interrupted{s.store, once}
	_, after, err := s.users.ConfirmEmail(t.Context(), ofJane)
	s.wantError("the slower one", err, auth.Conflict, "email")
	if got := s.stored(jane.ID); got.Email != "jane@example.com" || !got.EmailVerified || after.Email != got.Email {
		t.Errorf("the slower one is %+v", got)
	}
	s.must(s.login("jane@example.com", registrationPassword))
	found, err := s.users.Find(t.Context(), auth.System(), "acme", "wanted@example.com")
	if err != nil || found.ID != bob.ID {
		t.Errorf("the address leads to %q (%v)", found.ID, err)
	}
}

// Rows, F-01: whichever reply is lost, asking and confirming can be repeated and end as if none had been.
func TestEmailChangeSurvivesLostReplies(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		proxy, runner := lost(t, b)
		s := newServices(t, b)
		flow := func(name string, all bool, prepare func(auth.User), call func(*services, auth.User) error, check func(auth.User)) {
			for n := 1; ; n++ {
				u := s.person(fmt.Sprintf("%s-%t-%d", name, all, n))
				prepare(u)
				faulty := instanceOver(t, runner, s.clock)
				proxy.Reset()
				if all {
					proxy.CutAllReplies(n)
				} else {
					proxy.CutReply(n)
				}
				err := call(faulty, u)
				cut := len(proxy.Calls()) >= n
				proxy.Heal()
				if err != nil && auth.CodeOf(err) != auth.Unavailable || err != nil && !all {
					t.Fatalf("%s with reply %d lost: %v", name, n, err)
				}
				if err := call(s, u); err != nil {
					t.Fatalf("%s repeated after reply %d of %v was lost: %v", name, n, proxy.Calls(), err)
				}
				check(u)
				if t.Failed() {
					t.Fatalf("%s after reply %d of %v was lost", name, n, proxy.Calls())
				}
				if !cut {
					if n < 3 {
						t.Errorf("%s: hardly any reply was lost", name)
					}
					return
				}
			}
		}
		var mu sync.Mutex
		secrets := map[string]string{}
		for _, all := range []bool{false, true} {
			flow("ask", all, func(auth.User) {}, func(s *services, u auth.User) error {
				secret, err := s.users.AskEmail(context.Background(), auth.Person(u.ID, "acme"), u.Username+"@new.example")
				mu.Lock()
				defer mu.Unlock()
				secrets[u.ID] = secret
				return err
			}, func(u auth.User) {
				if _, address, err := s.users.AskedEmail(t.Context(), secrets[u.ID]); err != nil || address != u.Username+"@new.example" {
					t.Errorf("asked for is %q (%v)", address, err)
				}
			})
			flow("confirm", all, func(u auth.User) { secrets[u.ID] = s.ask(u, u.Username+"@new.example") }, func(s *services, u auth.User) error {
				_, _, err := s.users.ConfirmEmail(context.Background(), secrets[u.ID])
				return err
			}, func(u auth.User) {
				s.must(s.login(u.Username+"@new.example", registrationPassword))
				if err := s.login(u.Username+"@example.com", registrationPassword); err == nil {
					t.Error("the address before still logs in")
				}
			})
		}
	})
}

// Whatever people and operators do in whichever order, an address is that of one user at most, a secret is of use exactly until something
// ends it, and names lead to who has them.
func TestEmailChangesByRule(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	type asked struct {
		user            int
		secret, address string
	}
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		const people = 3
		var users [people]auth.User
		var emails [people]string      // verified
		var pending, proof [people]int // of all, -1 for none
		var until [people]time.Time
		var all []asked
		address := func(n int) string { return fmt.Sprintf("address-%d-%d@example.com", run, n) }
		for n := range people {
			emails[n], pending[n], proof[n] = address(n), -1, -1
			var err error
			users[n], err = s.users.Create(ctx, auth.System(), "acme", auth.NewUser{Email: emails[n], EmailVerified: true}, "")
			must(err)
		}
		someone, somewhere := rapid.IntRange(0, people-1), rapid.IntRange(0, people+1)
		owner := func(address string) int {
			for n := range people {
				if emails[n] == address {
					return n
				}
			}
			return -1
		}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				n, a := someone.Draw(t, "user"), address(somewhere.Draw(t, "address"))
				must(s.store.Reset(ctx, []auth.Bucket{{Kind: "email", Subject: "user:" + users[n].ID, Burst: 5, Period: 12 * time.Minute}}))
				secret, err := s.users.AskEmail(ctx, auth.Person(users[n].ID, "acme"), a)
				if err != nil || (secret != "") != (owner(a) < 0) {
					t.Fatalf("%s, which is that of %d: %q (%v)", a, owner(a), secret, err)
				}
				if owner(a) == n {
					return
				}
				pending[n] = -1
				if secret != "" {
					all = append(all, asked{n, secret, a})
					pending[n], until[n] = len(all)-1, s.clock.Now().Add(24*time.Hour)
				}
			},
			"confirm": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(all)-1).Draw(t, "secret")
				n := all[i].user
				var want auth.Code
				switch {
				case proof[n] == i:
				case pending[n] != i || !s.clock.Now().Before(until[n]):
					want = auth.InvalidGrant
				case owner(all[i].address) >= 0:
					want = auth.Conflict
				default:
					emails[n], pending[n], proof[n] = all[i].address, -1, i
				}
				if _, _, err := s.users.ConfirmEmail(ctx, all[i].secret); auth.CodeOf(err) != want || (err == nil) != (want == "") {
					t.Fatalf("%+v: %v, want %q", all[i], err, want)
				}
			},
			"operator": func(t *rapid.T) {
				n, a := someone.Draw(t, "user"), address(somewhere.Draw(t, "address"))
				verified := true
				_, err := s.users.Update(ctx, auth.System(), "acme", users[n].ID, nil, auth.UserChange{Email: &a, EmailVerified: &verified})
				if taken := owner(a) >= 0 && owner(a) != n; taken != (auth.CodeOf(err) == auth.Conflict) || !taken && err != nil {
					t.Fatalf("%s, which is that of %d: %v", a, owner(a), err)
				} else if !taken && emails[n] != a {
					emails[n], pending[n], proof[n] = a, -1, -1
				}
			},
			"end": func(t *rapid.T) {
				n := someone.Draw(t, "user")
				must(s.users.EndIssued(ctx, users[n].ID))
				pending[n] = -1
			},
			"wait": func(*rapid.T) { s.clock.Advance(13 * time.Hour) },
			"": func(t *rapid.T) {
				for n, u := range users {
					got := s.stored(u.ID)
					found, err := s.users.Find(ctx, auth.System(), "acme", emails[n])
					if got.Email != emails[n] || !got.EmailVerified || err != nil || found.ID != u.ID {
						t.Fatalf("%d has %s, want %s, which leads to %s (%v)", n, got.Email, emails[n], found.ID, err)
					}
				}
			},
		})
	})
}
