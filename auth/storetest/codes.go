package storetest

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
)

const codeLifetime = time.Minute

// code is an authorization code as its client holds it, with what it stands for.
type code struct {
	auth.Approval
	ref    string
	secret []byte
}

func (s *suite) newApproval(u auth.User, sessionID string) auth.Approval {
	return auth.Approval{
		Subject: auth.Subject{
			User: u.ID, Org: u.Orgs[0], AuthTime: s.now.Add(-time.Minute), AMR: []string{"pwd", "otp"}, ACR: "2", Epoch: u.Epoch,
		},
		Client: name(), Scope: "openid profile", Session: sessionID, RedirectURI: "https://app.example/cb?a=b#\u2028",
		Challenge: name(), Nonce: "n-0S6 \"WzA2Mj", KeyThumbprint: name(),
		Requested: auth.RequestedClaims{UserInfo: []string{"email", "name"}, IDToken: []string{"auth_time"}},
		ExpiresAt: s.now.Add(codeLifetime),
	}
}

// code keeps an approval of a user in a session, "" for none.
func (s *suite) code(t *testing.T, u auth.User, sessionID string, change ...func(*auth.Approval)) code {
	t.Helper()
	c := code{Approval: s.newApproval(u, sessionID), secret: newSecret()}
	for _, f := range change {
		f(&c.Approval)
	}
	var err error
	c.ref, err = s.CreateCode(t.Context(), newCodeID(), c.Approval, hash(c.secret))
	must(t, err)
	return c
}

func newCodeID() []byte { return newSecret()[:12] }

// approvedFamily is the family a code is good for.
func (s *suite) approvedFamily(c code) auth.Family {
	return auth.Family{
		FamilyRef: auth.FamilyRef{User: c.User, Org: c.Org, ID: name()}, Client: c.Client, Scope: c.Scope, AuthTime: c.AuthTime,
		AMR: c.AMR, Epoch: c.Epoch, ExpiresAt: s.now.Add(absolute), Generation: 1, Session: c.Session, KeyThumbprint: c.KeyThumbprint,
		Requested: c.Requested,
	}
}

func (s *suite) redeem(ctx context.Context, store Store, c code, f auth.Family, secret []byte, after time.Duration) error {
	now := s.now.Add(after)
	return store.Redeem(ctx, c.ref, f, hash(secret), now, now.Add(idle), 1000)
}

// redeemed is a login in a session, redeemedOffline one that outlives it.
func (s *suite) redeemed(t *testing.T, u auth.User, sessionID string, change ...func(*auth.Approval)) token {
	t.Helper()
	c := s.code(t, u, sessionID, append(change, func(a *auth.Approval) { a.KeyThumbprint = "" })...)
	f, secret := s.approvedFamily(c), newSecret()
	must(t, s.redeem(t.Context(), s.Store, c, f, secret, 0))
	return token{f.FamilyRef, f.Client, 1, secret}
}

func (s *suite) redeemedOffline(t *testing.T, u auth.User, sessionID string) token {
	t.Helper()
	return s.redeemed(t, u, sessionID, func(a *auth.Approval) { a.Scope = "openid offline_access" })
}

func loginOf(k token) session.Login {
	return session.Login{Org: k.Org, Family: k.ID, Client: k.client}
}

var refPattern = regexp.MustCompile(`^[0-9]{1,5}\.[A-Za-z0-9_-]{16}$`)

func (s *suite) testCodes(t *testing.T) {
	ctx := t.Context()
	u := s.user(t, func(u *auth.User) { u.Epoch = 3 })
	sess := s.session(t, u)
	id, secret, a := newCodeID(), hash(newSecret()), s.newApproval(u, sess.ID)
	ref, err := s.CreateCode(ctx, id, a, secret)
	must(t, err)
	if !refPattern.MatchString(ref) || strings.Contains(ref, u.ID) {
		t.Errorf("the reference is %q", ref)
	}
	if again, err := s.CreateCode(ctx, id, a, secret); err != nil || again != ref {
		t.Errorf("the same again is %q (%v), want %q", again, err, ref)
	}
	_, err = s.CreateCode(ctx, id, a, hash(newSecret()))
	wantCode(t, err, auth.Conflict)
	for range 2 {
		got, err := s.Code(ctx, ref, secret)
		if diff := cmp.Diff(a, got); err != nil || diff != "" {
			t.Errorf("stored approval (%v) differs:\n%s", err, diff)
		}
	}
	bare := auth.Approval{Subject: auth.Subject{User: u.ID, Org: u.Orgs[0], AuthTime: s.now, Epoch: 3}, ExpiresAt: s.now.Add(time.Minute)}
	bare.AMR = []string{}
	bareRef, err := s.CreateCode(ctx, newCodeID(), bare, secret)
	must(t, err)
	if got, err := s.Code(ctx, bareRef, secret); err != nil || !cmp.Equal(bare, got) {
		t.Errorf("stored approval (%v) differs:\n%s", err, cmp.Diff(bare, got))
	}

	partition, record, _ := strings.Cut(ref, ".")
	for _, other := range []string{
		"", ".", partition, partition + ".", "." + record, ref + "x", " " + ref, "+" + ref, "0" + ref, "-" + ref, "99999." + record,
		"x." + record, partition + "." + record[:15] + "!", ref + ":", partition + "." + strings.Repeat("A", 16), bareRef + "\n",
	} {
		_, err := s.Code(ctx, other, secret)
		wantCode(t, err, auth.InvalidGrant)
		wantCode(t, s.Redeem(ctx, other, s.newFamily(u), secret, s.now, s.now.Add(idle), 10), auth.InvalidGrant)
	}
	for _, other := range [][]byte{nil, {}, secret[:31], hash(newSecret()), []byte(u.ID)} {
		_, err := s.Code(ctx, ref, other)
		wantCode(t, err, auth.InvalidGrant)
	}

	// Who may not log in approves nothing.
	for what, change := range map[string]func(u auth.User, sess session.Session, a *auth.Approval){
		"another epoch":          func(_ auth.User, _ session.Session, a *auth.Approval) { a.Epoch--; a.Session = "" },
		"another organisation":   func(_ auth.User, _ session.Session, a *auth.Approval) { a.Org = name() },
		"nobody":                 func(_ auth.User, _ session.Session, a *auth.Approval) { a.User, a.Session = name(), "" },
		"an unknown session":     func(_ auth.User, _ session.Session, a *auth.Approval) { a.Session = name() },
		"an ended session":       func(_ auth.User, sess session.Session, _ *auth.Approval) { s.endSession(t, s.Store, sess) },
		"another user's session": func(_ auth.User, _ session.Session, a *auth.Approval) { a.Session = s.session(t, s.user(t)).ID },
		"a session of before": func(u auth.User, _ session.Session, a *auth.Approval) {
			u.Epoch++
			a.Epoch = s.putUser(t, u).Epoch
		},
		"a disabled user": func(u auth.User, _ session.Session, _ *auth.Approval) {
			u.Disabled = true
			s.putUser(t, u)
		},
	} {
		u := s.user(t, func(u *auth.User) { u.Epoch = 3 })
		sess := s.session(t, u)
		a := s.newApproval(u, sess.ID)
		change(u, sess, &a)
		if _, err := s.CreateCode(ctx, newCodeID(), a, secret); auth.CodeOf(err) != auth.InvalidGrant {
			t.Errorf("%s: %v, want invalid_grant", what, err)
		}
	}
}

func (s *suite) testRedemption(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, u auth.User, sess session.Session, c code)
	}{
		{"a code is good for one family", func(t *testing.T, _ auth.User, sess session.Session, c code) {
			f, secret := s.approvedFamily(c), newSecret()
			for range 2 { // the very same again is the same
				must(t, s.redeem(t.Context(), s.Store, c, f, secret, codeLifetime-time.Millisecond))
				s.wantLive(t, f.FamilyRef, true)
				s.wantLogins(t, sess, session.Login{Org: f.Org, Family: f.ID, Client: f.Client})
			}
			must(t, s.redeem(t.Context(), s.Store, c, f, secret, codeLifetime)) // even later
			if _, requested, err := s.Live(t.Context(), f.FamilyRef, name()); err != nil || !cmp.Equal(requested, c.Requested) {
				t.Errorf("requested claims (%v) differ:\n%s", err, cmp.Diff(c.Requested, requested))
			}
			r := s.rotation(token{f.FamilyRef, f.Client, 1, secret}, newSecret(), time.Minute)
			r.KeyThumbprint = c.KeyThumbprint
			rotated, err := s.Rotate(t.Context(), f.FamilyRef, r)
			must(t, err)
			f.Session, f.Generation = "", 2
			if diff := cmp.Diff(f, rotated.Family); diff != "" {
				t.Errorf("family differs:\n%s", diff)
			}
			if got, err := s.Code(t.Context(), c.ref, hash(c.secret)); err != nil || !cmp.Equal(got, c.Approval) {
				t.Errorf("the redeemed approval (%v) differs:\n%s", err, cmp.Diff(c.Approval, got))
			}
		}},
		{"without a session it is among no logins", func(t *testing.T, u auth.User, sess session.Session, _ code) {
			s.wantLive(t, s.redeemed(t, u, "").FamilyRef, true)
			s.wantLogins(t, sess)
		}},
		{"an idle family ends", func(t *testing.T, u auth.User, sess session.Session, _ code) {
			s.mustNotRefresh(t, s.redeemed(t, u, sess.ID), idle, "")
		}},
		{"a replay ends what the first made", func(t *testing.T, _ auth.User, sess session.Session, c code) {
			f, secret := s.approvedFamily(c), newSecret()
			must(t, s.redeem(t.Context(), s.Store, c, f, secret, 0))
			k := token{f.FamilyRef, f.Client, 1, secret}
			r := s.rotation(k, newSecret(), 0)
			r.KeyThumbprint = c.KeyThumbprint
			_, err := s.Rotate(t.Context(), f.FamilyRef, r)
			must(t, err)
			for _, after := range []time.Duration{0, codeLifetime + 9*time.Minute} {
				again := s.approvedFamily(c)
				wantField(t, s.redeem(t.Context(), s.Store, c, again, newSecret(), after), "replay")
				s.wantLive(t, f.FamilyRef, false)
				s.wantLive(t, again.FamilyRef, false)
			}
			s.wantLogins(t, sess, loginOf(k)) // its client is told of the logout still
			must(t, s.redeem(t.Context(), s.Store, c, f, secret, 0))
			s.wantLive(t, f.FamilyRef, false) // what was answered once is answered again, and no more than that
		}},
		{"another secret of the same family is a replay", func(t *testing.T, _ auth.User, _ session.Session, c code) {
			f := s.approvedFamily(c)
			must(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0))
			wantField(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0), "replay")
			s.wantLive(t, f.FamilyRef, false)
		}},
		{"an expired code", func(t *testing.T, _ auth.User, _ session.Session, c code) {
			f := s.approvedFamily(c)
			wantField(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), codeLifetime), "")
			s.wantLive(t, f.FamilyRef, false)
		}},
		{"what the code is not for", func(t *testing.T, u auth.User, sess session.Session, c code) {
			other := s.user(t, func(o *auth.User) { o.Orgs = u.Orgs })
			second := s.session(t, u)
			for what, change := range map[string]func(f *auth.Family){
				"another user":         func(f *auth.Family) { f.User = other.ID },
				"another organisation": func(f *auth.Family) { f.Org = u.Orgs[1] },
				"another client":       func(f *auth.Family) { f.Client = name() },
				"another session":      func(f *auth.Family) { f.Session = second.ID },
				"no session":           func(f *auth.Family) { f.Session = "" },
				"another epoch":        func(f *auth.Family) { f.Epoch++ },
			} {
				f := s.approvedFamily(c)
				change(&f)
				err := s.redeem(t.Context(), s.Store, c, f, newSecret(), 0)
				if e, ok := err.(*auth.Error); !ok || e.Code != auth.InvalidGrant || e.Field != "" { //nolint:errorlint // the contract is the error itself
					t.Errorf("%s: %v, want invalid_grant", what, err)
				}
				s.wantLive(t, f.FamilyRef, false)
			}
			s.wantLogins(t, sess)
			f := s.approvedFamily(c) // none of it has used up the code
			must(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0))
			wrong := s.approvedFamily(c) // nor does it end what the code has made (row O-05)
			wrong.Client = name()
			wantField(t, s.redeem(t.Context(), s.Store, c, wrong, newSecret(), 0), "")
			s.wantLive(t, f.FamilyRef, true)
		}},
		{"a disabled user", func(t *testing.T, u auth.User, _ session.Session, c code) {
			u.Disabled = true
			u = s.putUser(t, u)
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), 0), "")
		}},
		{"a new epoch", func(t *testing.T, u auth.User, _ session.Session, c code) {
			loose := s.code(t, u, "")
			u.Epoch++
			s.putUser(t, u)
			for _, c := range []code{c, loose} {
				f := s.approvedFamily(c)
				wantField(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0), "")
				f.Epoch = u.Epoch
				wantField(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0), "")
			}
		}},
		{"an organisation left", func(t *testing.T, u auth.User, _ session.Session, c code) {
			left := u.Orgs[0]
			u.Orgs = u.Orgs[1:]
			s.putUser(t, u, left)
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), 0), "")
		}},
		{"an ended session", func(t *testing.T, _ auth.User, sess session.Session, c code) {
			s.endSession(t, s.Store, sess)
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), 0), "")
			s.wantLogins(t, sess)
		}},
		{"a session that was not used", func(t *testing.T, u auth.User, sess session.Session, _ code) {
			c := s.code(t, u, sess.ID, func(a *auth.Approval) { a.ExpiresAt = s.now.Add(2 * idle) })
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), idle), "")
			must(t, s.Touch(t.Context(), u.ID, sess.ID, s.now.Add(time.Minute), s.now.Add(idle+time.Minute), ""))
			must(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), idle))
		}},
		{"an id that is taken", func(t *testing.T, u auth.User, _ session.Session, c code) {
			f := s.approvedFamily(c)
			k := s.login(t, u)
			f.FamilyRef = k.FamilyRef
			wantCode(t, s.redeem(t.Context(), s.Store, c, f, newSecret(), 0), auth.Conflict)
			s.mustRefresh(t, k, 0)
		}},
		{"a deleted user", func(t *testing.T, u auth.User, _ session.Session, c code) {
			must(t, s.BeginDelete(t.Context(), u))
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), 0), "")
			must(t, s.FinishDelete(t.Context(), u.ID))
			wantField(t, s.redeem(t.Context(), s.Store, c, s.approvedFamily(c), newSecret(), 0), "")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := s.user(t, func(u *auth.User) { u.Orgs = append(u.Orgs, name()) })
			sess := s.session(t, u)
			test.run(t, u, sess, s.code(t, u, sess.ID))
		})
	}
}

// testRedemptionCap redeems more than a user may have families.
func (s *suite) testRedemptionCap(t *testing.T) {
	const limit = 3
	ctx := t.Context()
	u := s.user(t)
	sess := s.session(t, u)
	made := 0
	redeem := func(client string) token {
		t.Helper()
		made++
		c := s.code(t, u, sess.ID, func(a *auth.Approval) { a.Client = client })
		f, secret := s.approvedFamily(c), newSecret()
		f.ExpiresAt = f.ExpiresAt.Add(time.Duration(made) * time.Second)
		must(t, s.Redeem(ctx, c.ref, f, hash(secret), s.now, s.now.Add(idle), limit))
		return token{f.FamilyRef, f.Client, 1, secret}
	}
	// Another client's login has ended and is not forgotten, for the client must be told of the logout.
	first := redeem(name())
	client := name()
	var theirs []token
	for range 20 {
		theirs = append(theirs, redeem(client))
		logins, err := s.Logins(ctx, u.ID, sess.ID)
		if err != nil || len(logins) > 2*limit {
			t.Fatalf("%d logins are known (%v), want no more than %d", len(logins), err, 2*limit)
		}
	}
	for i, k := range theirs {
		s.wantLive(t, k.FamilyRef, i >= len(theirs)-limit)
	}
	s.wantLive(t, first.FamilyRef, false)
	known := make(map[string]bool)
	logins, err := s.Logins(ctx, u.ID, sess.ID)
	must(t, err)
	for _, l := range logins {
		known[l.Family] = true
	}
	for _, k := range append(theirs[len(theirs)-limit:], first) {
		if !known[k.ID] {
			t.Errorf("login %s of client %s is forgotten", k.ID, k.client)
		}
	}
	// Of many clients, too, there are never more, and those that live are known.
	for range 3 * limit {
		k := redeem(name())
		logins, err := s.Logins(ctx, u.ID, sess.ID)
		if err != nil || len(logins) > 2*limit {
			t.Fatalf("%d logins are known (%v), want no more than %d", len(logins), err, 2*limit)
		}
		s.wantLive(t, k.FamilyRef, true)
	}
	s.endSession(t, s.Store, sess)
	if families, err := s.Logins(ctx, u.ID, sess.ID); err != nil || len(families) != 0 {
		t.Errorf("%d logins are left (%v)", len(families), err)
	}
}

func (s *suite) testRedemptionRaces(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	sess := s.session(t, u)
	t.Run("one code", func(t *testing.T) {
		for range 50 {
			c := s.code(t, u, sess.ID)
			families := make([]auth.Family, crowd)
			var o outcomes
			s.together(crowd, func(i int, store Store) {
				families[i] = s.approvedFamily(c)
				o.add(s.redeem(ctx, store, c, families[i], newSecret(), 0))
			})
			o.want(t, map[auth.Code]int{"": 1, auth.InvalidGrant: crowd - 1})
			for _, f := range families { // the first replay ends it
				s.wantLive(t, f.FamilyRef, false)
			}
			if t.Failed() {
				return
			}
		}
	})
	t.Run("one redemption sent many times", func(t *testing.T) {
		c := s.code(t, u, sess.ID)
		f, secret := s.approvedFamily(c), newSecret()
		var o outcomes
		s.together(crowd, func(_ int, store Store) { o.add(s.redeem(ctx, store, c, f, secret, 0)) })
		o.want(t, map[auth.Code]int{"": crowd})
		s.wantLive(t, f.FamilyRef, true)
	})
	// Whatever ends what was opened, and a redemption: once both have returned, nothing that was opened stands.
	for _, race := range []struct {
		name   string
		spares bool // logins that are to outlive the session
		end    func(t *testing.T, store Store, u auth.User, sess session.Session)
	}{
		{"end of the session", true, func(t *testing.T, store Store, _ auth.User, sess session.Session) { s.endSession(t, store, sess) }},
		{"disabling", false, func(t *testing.T, store Store, u auth.User, _ session.Session) {
			u.Disabled = true
			u.Epoch++
			if _, err := store.PutUser(ctx, u, nil, nil, name()); err != nil {
				t.Errorf("disable: %v", err)
			}
		}},
		{"deletion", false, func(t *testing.T, store Store, u auth.User, _ session.Session) {
			if err := store.BeginDelete(ctx, u); err != nil {
				t.Errorf("begin: %v", err)
			}
			if err := store.FinishDelete(ctx, u.ID); err != nil {
				t.Errorf("finish: %v", err)
			}
		}},
	} {
		t.Run(race.name, func(t *testing.T) {
			for range 100 {
				u := s.user(t)
				sess := s.session(t, u)
				plain := s.code(t, u, sess.ID)
				offline := s.code(t, u, sess.ID, func(a *auth.Approval) { a.Scope = "offline_access" })
				codes, families, errs := []code{plain, offline}, make([]auth.Family, 2), make([]error, 2)
				s.together(3, func(i int, store Store) {
					if i == 2 {
						race.end(t, store, u, sess)
						return
					}
					families[i] = s.approvedFamily(codes[i])
					errs[i] = s.redeem(ctx, store, codes[i], families[i], newSecret(), 0)
				})
				for _, err := range errs {
					if err != nil {
						wantField(t, err, "")
					}
				}
				s.wantLive(t, families[0].FamilyRef, false)
				s.wantLive(t, families[1].FamilyRef, race.spares && errs[1] == nil)
				if race.spares { // and whoever may have something of it is told
					var told []session.Notice
					for i, f := range families {
						if errs[i] == nil {
							told = append(told, s.notices(sess, []session.Login{{Org: f.Org, Family: f.ID, Client: f.Client}})...)
						}
					}
					s.wantDue(t, u, told...)
					s.wantLogins(t, sess)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}
