package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
)

func (s *suite) testFamilies(t *testing.T) {
	ctx := t.Context()
	u := s.user(t, func(u *auth.User) { u.Epoch = 3 })
	f, secret := s.newFamily(u), newSecret()
	f.KeyThumbprint, f.Requested = name(), auth.RequestedClaims{UserInfo: []string{"name", "x\"y"}, IDToken: []string{"email"}}
	create := func(f auth.Family, secret []byte) error {
		return s.CreateFamily(ctx, f, hash(secret), s.now.Add(idle), 10)
	}
	for range 2 { // the same again is the same
		must(t, create(f, secret))
	}
	wantCode(t, create(f, newSecret()), auth.Conflict)
	k := token{f.FamilyRef, f.Client, 1, secret}
	successor := newSecret()
	r := s.rotation(k, successor, time.Minute)
	r.KeyThumbprint = f.KeyThumbprint
	got, err := s.Rotate(ctx, f.FamilyRef, r)
	must(t, err)
	want := auth.Rotated{Family: f, Wrapped: wrap(successor, secret)}
	want.Family.Generation = 2
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rotated family differs:\n%s", diff)
	}
	if live, requested, err := s.Live(ctx, f.FamilyRef, name()); err != nil || !live || !cmp.Equal(f.Requested, requested) {
		t.Errorf("live is %v (%v), requested claims differ:\n%s", live, err, cmp.Diff(f.Requested, requested))
	}

	bad := s.newFamily(u)
	bad.Epoch--
	wantCode(t, create(bad, secret), auth.InvalidGrant)
	bad = s.newFamily(u)
	bad.Org = name()
	wantCode(t, create(bad, secret), auth.InvalidGrant)
	wantCode(t, create(s.newFamily(s.newUser()), secret), auth.InvalidGrant)
	disabled := s.user(t, func(u *auth.User) { u.Disabled = true })
	wantCode(t, create(s.newFamily(disabled), secret), auth.InvalidGrant)

	// Revocation is the client's own, or anybody's who names none.
	k = s.login(t, u)
	must(t, s.Revoke(ctx, k.FamilyRef, name()))
	s.wantLive(t, k.FamilyRef, true)
	for range 2 {
		must(t, s.Revoke(ctx, k.FamilyRef, k.client))
		s.wantLive(t, k.FamilyRef, false)
		s.mustNotRefresh(t, k, 0, "")
	}
	k = s.login(t, u)
	must(t, s.Revoke(ctx, k.FamilyRef, ""))
	s.wantLive(t, k.FamilyRef, false)
	must(t, s.Revoke(ctx, auth.FamilyRef{User: name(), Org: name(), ID: name()}, ""))
}

func (s *suite) testRotation(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, u auth.User, first token)
	}{
		{"each token leads to the next", func(t *testing.T, _ auth.User, k token) {
			for i := range 5 {
				k = s.mustRefresh(t, k, time.Duration(i)*idle/2)
			}
			s.wantLive(t, k.FamilyRef, true)
		}},
		{"a lost answer is told again", func(t *testing.T, _ auth.User, k token) {
			next := s.mustRefresh(t, k, 0)
			for range 3 {
				again, rotated, err := s.refresh(t.Context(), s.Store, k, grace-time.Millisecond)
				must(t, err)
				if diff := cmp.Diff(next, again, cmp.AllowUnexported(token{})); diff != "" || !rotated.Repeated {
					t.Fatalf("repeated: %v, differs:\n%s", rotated.Repeated, diff)
				}
			}
			s.mustRefresh(t, next, grace)
		}},
		{"the grace counts from the rotation", func(t *testing.T, _ auth.User, k token) {
			next := s.mustRefresh(t, k, 0)
			s.mustRefresh(t, k, grace/2)
			s.mustNotRefresh(t, k, grace, "replay")
			s.mustNotRefresh(t, next, grace, "")
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"the predecessor is not accepted once its successor was used", func(t *testing.T, _ auth.User, k token) {
			last := s.mustRefresh(t, s.mustRefresh(t, k, 0), time.Millisecond)
			s.mustNotRefresh(t, k, 2*time.Millisecond, "replay")
			s.mustNotRefresh(t, last, 2*time.Millisecond, "")
		}},
		{"a secret of nobody ends the family", func(t *testing.T, _ auth.User, k token) {
			forged := k
			forged.secret = newSecret()
			s.mustNotRefresh(t, forged, 0, "replay")
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"a number that is not the secret's ends the family", func(t *testing.T, _ auth.User, k token) {
			k = s.mustRefresh(t, k, 0)
			k.generation++
			s.mustNotRefresh(t, k, 0, "replay")
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"nor is the predecessor accepted under another number", func(t *testing.T, _ auth.User, k token) {
			s.mustRefresh(t, k, 0)
			k.generation++
			s.mustNotRefresh(t, k, 0, "replay")
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"the very same rotation succeeds again even without grace", func(t *testing.T, _ auth.User, k token) {
			r := s.rotation(k, newSecret(), 0)
			r.Grace = 0
			for range 2 {
				rotated, err := s.Rotate(t.Context(), k.FamilyRef, r)
				must(t, err)
				if diff := cmp.Diff(r.Wrapped, rotated.Wrapped); diff != "" {
					t.Errorf("wrapped successor differs:\n%s", diff)
				}
			}
			s.wantLive(t, k.FamilyRef, true)
		}},
		{"without grace the predecessor ends the family", func(t *testing.T, _ auth.User, k token) {
			for i, want := range []auth.Code{"", auth.InvalidGrant} {
				r := s.rotation(k, newSecret(), 0)
				r.Grace = 0
				if _, err := s.Rotate(t.Context(), k.FamilyRef, r); auth.CodeOf(err) != want {
					t.Errorf("rotation %d answers %v, want %q", i, err, want)
				}
			}
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"another client's attempt changes nothing", func(t *testing.T, _ auth.User, k token) {
			foreign := k
			foreign.client = name()
			s.mustNotRefresh(t, foreign, 0, "")
			foreign.secret = newSecret()
			s.mustNotRefresh(t, foreign, 0, "")
			s.mustRefresh(t, k, 0)
		}},
		{"a scope only narrows", func(t *testing.T, _ auth.User, k token) {
			for scope, want := range map[string]auth.Code{
				"openid email": auth.InvalidScope, "open": auth.InvalidScope, "id profile": auth.InvalidScope, "profile": "",
			} {
				r := s.rotation(k, newSecret(), 0)
				r.Scope = scope
				rotated, err := s.Rotate(t.Context(), k.FamilyRef, r)
				if auth.CodeOf(err) != want {
					t.Errorf("scope %q answers %v, want %q", scope, err, want)
				}
				if err == nil && rotated.Family.Scope != "openid profile" {
					t.Errorf("the family's scope became %q", rotated.Family.Scope)
				}
			}
			s.wantLive(t, k.FamilyRef, true)
		}},
		{"a kept head stays, and its use is one", func(t *testing.T, _ auth.User, k token) {
			for i := range 5 {
				r := s.rotation(k, newSecret(), time.Duration(i)*idle/2)
				r.Keep = true
				rotated, err := s.Rotate(t.Context(), k.FamilyRef, r)
				if err != nil || rotated.Repeated || len(rotated.Wrapped) != 0 || rotated.Family.Generation != 1 || rotated.Family.ID != k.ID {
					t.Fatalf("kept: %+v, %v", rotated, err)
				}
			}
			next := s.mustRefresh(t, k, 5*idle/2)
			s.mustRefresh(t, k, 5*idle/2+time.Second) // until it is replaced after all
			r := s.rotation(k, newSecret(), 5*idle/2+2*time.Second)
			r.Keep = true
			rotated, err := s.Rotate(t.Context(), k.FamilyRef, r)
			if err != nil || !rotated.Repeated || string(wrap(rotated.Wrapped, k.secret)) != string(next.secret) {
				t.Errorf("kept after a rotation: %+v, %v", rotated, err)
			}
			r = s.rotation(k, newSecret(), 3*idle)
			r.Keep = true
			_, err = s.Rotate(t.Context(), k.FamilyRef, r)
			wantField(t, err, "replay")
		}},
		{"a kept head ends like any other", func(t *testing.T, u auth.User, k token) {
			keep := func(k token, after time.Duration) error {
				r := s.rotation(k, newSecret(), after)
				r.Keep = true
				_, err := s.Rotate(t.Context(), k.FamilyRef, r)
				return err
			}
			forged := s.login(t, u)
			real := forged
			forged.secret = newSecret()
			wantField(t, keep(forged, 0), "replay")
			wantField(t, keep(real, 0), "")
			must(t, keep(k, idle-time.Millisecond))
			wantField(t, keep(k, 2*idle-time.Millisecond), "")
			s.wantLive(t, k.FamilyRef, false)
			k = s.login(t, u)
			for after := idle / 2; after < absolute; after += idle / 2 {
				must(t, keep(k, after))
			}
			wantField(t, keep(k, absolute), "")
		}},
		{"a bound token is nothing without its key", func(t *testing.T, u auth.User, _ token) {
			f, secret := s.newFamily(u), newSecret()
			f.KeyThumbprint = name()
			must(t, s.CreateFamily(t.Context(), f, hash(secret), s.now.Add(idle), 1000))
			k := token{f.FamilyRef, f.Client, 1, secret}
			forged := k
			forged.secret = newSecret()
			for _, thumbprint := range []string{"", name(), f.KeyThumbprint[1:], f.KeyThumbprint + "x"} {
				for _, k := range []token{k, forged} {
					r := s.rotation(k, newSecret(), 0)
					r.KeyThumbprint = thumbprint
					_, err := s.Rotate(t.Context(), k.FamilyRef, r)
					wantField(t, err, "")
				}
			}
			s.wantLive(t, k.FamilyRef, true)
			r := s.rotation(k, newSecret(), 0)
			r.KeyThumbprint = f.KeyThumbprint
			_, err := s.Rotate(t.Context(), k.FamilyRef, r)
			must(t, err)
		}},
		{"a token that is not bound may come with any proof", func(t *testing.T, _ auth.User, k token) {
			r := s.rotation(k, newSecret(), 0)
			r.KeyThumbprint = name()
			_, err := s.Rotate(t.Context(), k.FamilyRef, r)
			must(t, err)
		}},
		{"an idle family ends", func(t *testing.T, _ auth.User, k token) {
			k = s.mustRefresh(t, k, idle-time.Millisecond)
			k = s.mustRefresh(t, k, 2*idle-2*time.Millisecond)
			s.mustNotRefresh(t, k, 3*idle-2*time.Millisecond, "")
		}},
		{"a family ends however often it is used", func(t *testing.T, _ auth.User, k token) {
			for after := idle / 2; after < absolute; after += idle / 2 {
				k = s.mustRefresh(t, k, after)
			}
			s.mustNotRefresh(t, k, absolute, "")
		}},
		{"a disabled user's families end for good", func(t *testing.T, u auth.User, k token) {
			u.Disabled = true
			u = s.putUser(t, u)
			s.wantLive(t, k.FamilyRef, false)
			s.mustNotRefresh(t, k, 0, "")
			u.Disabled = false
			s.putUser(t, u)
			s.wantLive(t, k.FamilyRef, false)
		}},
		{"another epoch ends the families", func(t *testing.T, u auth.User, k token) {
			u.Epoch++
			s.putUser(t, u)
			s.wantLive(t, k.FamilyRef, false)
			s.mustNotRefresh(t, k, 0, "")
		}},
		{"leaving the organisation ends its families", func(t *testing.T, u auth.User, k token) {
			left := u.Orgs[0]
			u.Orgs = []string{name()}
			s.putUser(t, u, left)
			s.wantLive(t, k.FamilyRef, false)
			s.mustNotRefresh(t, k, 0, "")
		}},
		{"a family is its user's and organisation's", func(t *testing.T, u auth.User, k token) {
			other := s.user(t, func(o *auth.User) { o.Orgs = append(o.Orgs, u.Orgs...) })
			for _, ref := range []auth.FamilyRef{
				{User: other.ID, Org: k.Org, ID: k.ID}, {User: k.User, Org: other.Orgs[0], ID: k.ID}, {User: k.User, Org: k.Org, ID: name()},
			} {
				stolen := k
				stolen.FamilyRef = ref
				s.mustNotRefresh(t, stolen, 0, "")
				s.wantLive(t, ref, false)
			}
			s.mustRefresh(t, k, 0)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := s.user(t)
			test.run(t, u, s.login(t, u))
		})
	}
}

func (s *suite) testFamilyCap(t *testing.T) {
	const limit = 3
	u := s.user(t)
	var made []token
	for i := range 6 {
		f, secret := s.newFamily(u), newSecret()
		f.ExpiresAt = f.ExpiresAt.Add(time.Duration(i) * time.Second)
		if i == 2 {
			f.ExpiresAt = s.now.Add(time.Second) // it would end before all others
		}
		must(t, s.CreateFamily(t.Context(), f, hash(secret), s.now.Add(idle+time.Duration(i)*time.Second), limit))
		made = append(made, token{f.FamilyRef, f.Client, 1, secret})
		if i == 3 {
			made[0] = s.mustRefresh(t, made[0], time.Minute) // using a family makes it no younger
		}
	}
	for i, want := range []bool{false, false, false, true, true, true} {
		s.wantLive(t, made[i].FamilyRef, want)
	}
	// A smaller limit ends more than one, and the new one always lives.
	f := s.newFamily(u)
	f.ExpiresAt = f.ExpiresAt.Add(time.Minute)
	must(t, s.CreateFamily(t.Context(), f, hash(newSecret()), s.now.Add(time.Minute), 1))
	s.wantLive(t, f.FamilyRef, true)
	for _, k := range made {
		s.wantLive(t, k.FamilyRef, false)
	}
}

// testEndLogins ends the families of one client in one organisation.
func (s *suite) testEndLogins(t *testing.T) {
	u := s.user(t, func(u *auth.User) { u.Orgs = append(u.Orgs, name()) })
	client := name()
	login := func(u auth.User, org, client string) auth.FamilyRef {
		f := s.newFamily(u)
		f.Org, f.Client = org, client
		must(t, s.CreateFamily(t.Context(), f, hash(newSecret()), s.now.Add(idle), 1000))
		return f.FamilyRef
	}
	var theirs []auth.FamilyRef
	for range 3 {
		theirs = append(theirs, login(u, u.Orgs[0], client))
	}
	sess := s.session(t, u)
	opened := s.redeemed(t, u, sess.ID, func(a *auth.Approval) { a.Client = client })
	other := s.user(t, func(o *auth.User) { o.Orgs = u.Orgs })
	others := []auth.FamilyRef{login(u, u.Orgs[0], name()), login(u, u.Orgs[1], client), login(other, u.Orgs[0], client)}
	must(t, s.EndLogins(t.Context(), u.ID, u.Orgs[0], name()))
	for _, ref := range append(theirs, opened.FamilyRef) {
		s.wantLive(t, ref, true)
	}
	for range 2 { // ending what has ended is no error
		must(t, s.EndLogins(t.Context(), u.ID, u.Orgs[0], client))
		for _, ref := range append(theirs, opened.FamilyRef) {
			s.wantLive(t, ref, false)
		}
		for _, ref := range others {
			s.wantLive(t, ref, true)
		}
	}
	s.wantLogins(t, sess, loginOf(opened)) // so that the client can be told
	must(t, s.EndLogins(t.Context(), name(), name(), client))
}

func (s *suite) testAccessTokens(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	k := s.login(t, u)
	jti := name()
	expect := func(ref auth.FamilyRef, want bool) {
		t.Helper()
		if live, _, err := s.Live(ctx, ref, jti); err != nil || live != want {
			t.Fatalf("live is %v (%v), want %v", live, err, want)
		}
	}
	loose := auth.FamilyRef{User: u.ID, Org: u.Orgs[0]} // a token without a family
	expect(k.FamilyRef, true)
	expect(loose, true)
	for range 2 {
		must(t, s.Deny(ctx, u.ID, jti, s.now.Add(idle)))
		expect(k.FamilyRef, false)
		expect(loose, false)
	}
	s.wantLive(t, k.FamilyRef, true) // other tokens of the family
	for id, want := range map[string]bool{jti: true, name(): false} {
		if denied, err := s.Denied(ctx, u.ID, id); err != nil || denied != want {
			t.Errorf("denied is %v (%v), want %v", denied, err, want)
		}
	}
	if denied, err := s.Denied(ctx, name(), jti); err != nil || denied {
		t.Errorf("another subject's token of the same id is denied: %v (%v)", denied, err)
	}
	s.wantLive(t, auth.FamilyRef{User: u.ID, Org: name()}, false)
	s.wantLive(t, auth.FamilyRef{User: name(), Org: u.Orgs[0]}, false)
}

func (s *suite) testLimits(t *testing.T) {
	ctx := t.Context()
	bucket := auth.Bucket{Kind: "login", Subject: name(), Burst: 3, Period: time.Hour}
	other := auth.Bucket{Kind: "other", Subject: bucket.Subject, Burst: 100, Period: time.Second}
	take := func(i int, want bool, buckets ...auth.Bucket) time.Duration {
		t.Helper()
		wait, err := s.instances[i%len(s.instances)].Take(ctx, buckets)
		must(t, err)
		if (wait == 0) != want {
			t.Fatalf("attempt %d must wait %v, allowed should be %v", i, wait, want)
		}
		return wait
	}
	for i := range bucket.Burst { // shared by the instances
		take(i, true, other, bucket)
	}
	if wait := take(0, false, bucket, other); wait > bucket.Period {
		t.Errorf("the wait is %v, more than the period of %v", wait, bucket.Period)
	}
	take(1, true, other)
	brief := auth.Bucket{Kind: "brief", Subject: bucket.Subject, Burst: 1, Period: time.Minute}
	take(0, true, brief)
	if wait := take(1, false, bucket, brief); wait <= brief.Period { // for all of them
		t.Errorf("the wait is %v, not the longest", wait)
	}
	must(t, s.Reset(ctx, []auth.Bucket{bucket}))
	take(1, true, bucket)
	take(0, true)

	// Having waited as told, one may try again, once. The clock is the store's, so this really waits.
	quick := auth.Bucket{Kind: "login", Subject: name(), Burst: 1, Period: 200 * time.Millisecond}
	take(0, true, quick)
	time.Sleep(take(0, false, quick) + time.Millisecond)
	take(0, true, quick)
}
