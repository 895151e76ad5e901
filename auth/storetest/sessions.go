package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
)

const manySessions = 1000

func (s *suite) newSession(u auth.User) session.Session {
	return session.Session{
		User: u.ID, ID: name(), Epoch: u.Epoch, AuthTime: s.now.Add(-time.Minute), AMR: []string{"pwd", "otp"}, CreatedAt: s.now.Add(-idle),
		SeenAt: s.now, ExpiresAt: s.now.Add(absolute), Agent: "Mozilla/5.0 (\u2028 \"quoted\")", Address: "2001:db8::1",
	}
}

// session starts a session of a user.
func (s *suite) session(t *testing.T, u auth.User) session.Session {
	t.Helper()
	sess := s.newSession(u)
	must(t, s.CreateSession(t.Context(), sess, hash(newSecret()), s.now.Add(idle), "", manySessions))
	return sess
}

// wantSessions checks which sessions of a user are listed, and that exactly those can be read.
func (s *suite) wantSessions(t *testing.T, user string, among []session.Session, want ...session.Session) {
	t.Helper()
	listed, err := s.Sessions(t.Context(), user)
	must(t, err)
	var ids, wanted []string
	for _, sess := range listed {
		ids = append(ids, sess.ID)
	}
	for _, sess := range want {
		wanted = append(wanted, sess.ID)
	}
	slices.Sort(ids)
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, ids); diff != "" {
		t.Errorf("listed sessions differ:\n%s", diff)
	}
	for _, sess := range among {
		code := auth.NotFound
		if slices.Contains(wanted, sess.ID) {
			code = ""
		}
		if _, _, err := s.Session(t.Context(), sess.User, sess.ID); auth.CodeOf(err) != code {
			t.Errorf("session %s answers %v, want %q", sess.ID, err, code)
		}
	}
}

func (s *suite) wantLogins(t *testing.T, sess session.Session, want ...session.Login) {
	t.Helper()
	got, err := s.Logins(t.Context(), sess.User, sess.ID)
	must(t, err)
	byFamily := func(a, b session.Login) int { return strings.Compare(a.Family, b.Family) }
	slices.SortFunc(got, byFamily)
	want = append([]session.Login{}, want...)
	slices.SortFunc(want, byFamily)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logins differ:\n%s", diff)
	}
}

// endSession ends a session as a service would, with a notice for every login.
func (s *suite) endSession(t *testing.T, store Store, sess session.Session) []session.Login {
	t.Helper()
	for {
		logins, err := store.Logins(t.Context(), sess.User, sess.ID)
		if err != nil {
			t.Errorf("logins: %v", err)
			return nil
		}
		done, err := store.EndSession(t.Context(), sess.User, sess.ID, logins, s.notices(sess, logins), s.now)
		if err != nil {
			t.Errorf("end a session: %v", err)
		}
		if err != nil || done {
			return logins
		}
	}
}

func (s *suite) notices(sess session.Session, logins []session.Login) []session.Notice {
	var notices []session.Notice
	for _, l := range logins {
		notices = append(notices, session.Notice{User: sess.User, Org: l.Org, Family: l.Family, Client: l.Client, Since: s.now})
	}
	return notices
}

func (s *suite) testSessions(t *testing.T) {
	ctx := t.Context()
	u := s.user(t, func(u *auth.User) { u.Epoch = 3 })
	sess, secret := s.newSession(u), hash(newSecret())
	create := func(sess session.Session, secret []byte) error {
		return s.CreateSession(ctx, sess, secret, s.now.Add(idle), "", 10)
	}
	for range 2 { // the same again is the same
		must(t, create(sess, secret))
		got, gotSecret, err := s.Session(ctx, u.ID, sess.ID)
		must(t, err)
		if diff := cmp.Diff(sess, got); diff != "" || !slices.Equal(secret, gotSecret) {
			t.Errorf("stored session (secret kept: %v) differs:\n%s", slices.Equal(secret, gotSecret), diff)
		}
	}
	wantCode(t, create(sess, hash(newSecret())), auth.Conflict)
	s.wantLogins(t, sess)

	bad := s.newSession(u)
	bad.Epoch--
	wantCode(t, create(bad, secret), auth.InvalidGrant)
	wantCode(t, create(s.newSession(s.newUser()), secret), auth.InvalidGrant)
	disabled := s.user(t, func(u *auth.User) { u.Disabled = true })
	wantCode(t, create(s.newSession(disabled), secret), auth.InvalidGrant)

	other := s.user(t)
	for _, ids := range [][2]string{{u.ID, name()}, {other.ID, sess.ID}, {name(), sess.ID}, {u.ID, ""}} {
		_, _, err := s.Session(ctx, ids[0], ids[1])
		wantCode(t, err, auth.NotFound)
	}
	second := s.session(t, u)
	both := []session.Session{sess, second}
	s.wantSessions(t, u.ID, both, both...)
	s.wantSessions(t, other.ID, nil)

	// Use is noted, however late the note of an earlier one comes, and brings nothing back.
	at := s.now.Add(20 * time.Minute)
	touch := func(id string, seen time.Time, address string) {
		t.Helper()
		must(t, s.Touch(ctx, u.ID, id, seen, seen.Add(idle), address))
	}
	for range 2 {
		touch(sess.ID, at, "198.51.100.7")
		touch(sess.ID, at.Add(-time.Minute), "192.0.2.1")
		got, _, err := s.Session(ctx, u.ID, sess.ID)
		must(t, err)
		want := sess
		want.SeenAt, want.Address = at, "198.51.100.7"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("used session differs:\n%s", diff)
		}
	}
	touch(sess.ID, s.now.Add(10*idle), "192.0.2.2") // it had ended
	if got, _, err := s.Session(ctx, u.ID, sess.ID); err != nil || !got.SeenAt.Equal(at) {
		t.Errorf("a use after the end was noted: %v (%v)", got.SeenAt, err)
	}
	s.endSession(t, s.Store, second)
	for _, id := range []string{second.ID, name()} {
		touch(id, at, "::1")
	}
	s.wantSessions(t, u.ID, both, sess)

	// The user's epoch and state decide, yet what is dead is listed still.
	u.Disabled = true
	u = s.putUser(t, u)
	_, _, err := s.Session(ctx, u.ID, sess.ID)
	wantCode(t, err, auth.NotFound)
	u.Disabled = false
	u.Epoch++
	u = s.putUser(t, u)
	_, _, err = s.Session(ctx, u.ID, sess.ID)
	wantCode(t, err, auth.NotFound)
	s.wantSessions(t, u.ID, nil, sess)
	s.endSession(t, s.Store, sess)
	s.wantSessions(t, u.ID, nil)
}

func (s *suite) testSessionReplacement(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	old := s.session(t, u)
	pending := s.code(t, u, old.ID)
	one, two := s.redeemed(t, u, old.ID), s.redeemed(t, u, old.ID)
	next, secret := s.newSession(u), hash(newSecret())
	next.ExpiresAt = next.ExpiresAt.Add(time.Hour)
	create := func() { must(t, s.CreateSession(ctx, next, secret, s.now.Add(idle), old.ID, 1)) } // its place is not counted
	create()
	s.wantSessions(t, u.ID, []session.Session{old, next}, next)
	s.wantLogins(t, old)
	s.wantLogins(t, next, loginOf(one), loginOf(two))
	wantCode(t, s.redeem(ctx, s.Store, pending, s.approvedFamily(pending), newSecret(), 0), auth.InvalidGrant)

	third := s.redeemed(t, u, next.ID)
	create() // a late repetition takes nothing away
	s.wantLogins(t, next, loginOf(one), loginOf(two), loginOf(third))
	s.endSession(t, s.Store, old) // has ended
	s.wantLive(t, one.FamilyRef, true)
	s.endSession(t, s.Store, next)
	for _, k := range []token{one, two, third} {
		s.wantLive(t, k.FamilyRef, false)
	}

	// Nobody's session and another user's are nothing to replace.
	other := s.user(t)
	theirs := s.session(t, other)
	k := s.redeemed(t, other, theirs.ID)
	for _, replaces := range []string{name(), theirs.ID} {
		sess := s.newSession(u)
		must(t, s.CreateSession(ctx, sess, secret, s.now.Add(idle), replaces, 10))
		s.wantLogins(t, sess)
	}
	s.wantSessions(t, other.ID, nil, theirs)
	s.wantLogins(t, theirs, loginOf(k))
}

func (s *suite) testSessionCap(t *testing.T) {
	const limit = 3
	u := s.user(t)
	var made []session.Session
	var opened []token
	add := func(expires time.Duration, replaces string, limit int) {
		t.Helper()
		sess := s.newSession(u)
		sess.ExpiresAt = s.now.Add(expires)
		must(t, s.CreateSession(t.Context(), sess, hash(newSecret()), s.now.Add(idle), replaces, limit))
		made, opened = append(made, sess), append(opened, s.redeemed(t, u, sess.ID))
	}
	add(5*time.Hour, "", limit)
	add(2*time.Hour, "", limit)
	add(4*time.Hour, "", limit)
	s.wantSessions(t, u.ID, made, made...)
	add(3*time.Hour, "", limit) // in place of the one of two hours
	s.wantSessions(t, u.ID, made, made[0], made[2], made[3])
	s.wantLogins(t, made[1])
	add(time.Hour, made[0].ID, limit)
	s.wantSessions(t, u.ID, made, made[2], made[3], made[4])
	add(time.Hour, made[4].ID, 2) // the one that is replaced ends anyway, so another one must
	s.wantSessions(t, u.ID, made, made[2], made[5])
	s.wantLogins(t, made[5], loginOf(opened[0]), loginOf(opened[4]), loginOf(opened[5]))
	// A smaller limit ends more than one, and the new one always lives.
	add(time.Hour, "", 1)
	s.wantSessions(t, u.ID, made, made[6])
	for _, k := range opened {
		s.wantLive(t, k.FamilyRef, true) // what was opened stays open
	}
}

func (s *suite) testEndSession(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	sess, bystander := s.session(t, u), s.session(t, u)
	plain, offline, apart := s.redeemed(t, u, sess.ID), s.redeemedOffline(t, u, sess.ID), s.redeemed(t, u, bystander.ID)
	loose := s.login(t, u)
	all := []session.Login{loginOf(plain), {Org: offline.Org, Family: offline.ID, Client: offline.client, Offline: true}}
	s.wantLogins(t, sess, all...)
	end := func(logins []session.Login, want bool) {
		t.Helper()
		done, err := s.EndSession(ctx, u.ID, sess.ID, logins, s.notices(sess, logins), s.now)
		if err != nil || done != want {
			t.Fatalf("ending answers %v (%v), want %v", done, err, want)
		}
	}
	for _, some := range [][]session.Login{nil, all[:1], all[1:], {all[0], loginOf(apart)}} {
		end(some, false)
		s.wantSessions(t, u.ID, nil, sess, bystander)
		s.wantLogins(t, sess, all...)
		s.wantLive(t, plain.FamilyRef, true)
		s.wantDue(t, u)
	}
	// The store knows better which login outlives the session, and whose it is.
	claimed := []session.Login{all[0], all[1], loginOf(apart)}
	claimed[0].Offline, claimed[1].Offline = true, false
	for range 2 {
		done, err := s.EndSession(ctx, u.ID, sess.ID, claimed, s.notices(sess, all), s.now)
		if err != nil || !done {
			t.Fatalf("ending answers %v (%v)", done, err)
		}
		s.wantSessions(t, u.ID, []session.Session{sess, bystander}, bystander)
		s.wantLogins(t, sess)
		s.wantLive(t, plain.FamilyRef, false)
		s.mustNotRefresh(t, plain, 0, "")
		for _, k := range []token{offline, apart, loose} {
			s.wantLive(t, k.FamilyRef, true)
		}
	}
	for _, n := range s.wantDue(t, u, s.notices(sess, all)...) {
		must(t, s.DropNotice(ctx, n))
	}
	end(all, true) // ending what has ended is announced to nobody
	s.wantDueAt(t, u, s.now.Add(absolute))
	done, err := s.EndSession(ctx, name(), name(), all, s.notices(sess, all), s.now)
	if err != nil || !done {
		t.Errorf("ending nobody's session answers %v (%v)", done, err)
	}
	s.wantDueAt(t, u, s.now.Add(2*absolute))
	must(t, s.CreateSession(ctx, s.newSession(u), hash(newSecret()), s.now.Add(idle), sess.ID, 10)) // it has ended
}

// lease is for how long notices are taken.
const lease = time.Minute

// wantDue takes all notices that are due, checks which of them are about a user, and returns those.
func (s *suite) wantDue(t *testing.T, u auth.User, want ...session.Notice) []session.Notice {
	t.Helper()
	return s.wantDueAt(t, u, s.now, want...)
}

func (s *suite) wantDueAt(t *testing.T, u auth.User, now time.Time, want ...session.Notice) []session.Notice {
	t.Helper()
	all, err := s.DueNotices(t.Context(), now, lease, 1<<20)
	must(t, err)
	var got []session.Notice
	for _, n := range all {
		if n.User == u.ID {
			got = append(got, n)
		}
	}
	byFamily := func(a, b session.Notice) int { return strings.Compare(a.Family, b.Family) }
	slices.SortFunc(got, byFamily)
	slices.SortFunc(want, byFamily)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("due notices differ:\n%s", diff)
	}
	return got
}

// announce makes n notices about a new user due.
func (s *suite) announce(t *testing.T, n int) (auth.User, []session.Notice) {
	t.Helper()
	u := s.user(t)
	sess := s.session(t, u)
	var notices []session.Notice
	for range n {
		notices = append(notices, session.Notice{User: u.ID, Org: u.Orgs[0], Family: name(), Client: name(), Since: s.now})
	}
	done, err := s.EndSession(t.Context(), u.ID, sess.ID, nil, notices, s.now)
	if err != nil || !done {
		t.Fatalf("ending answers %v (%v)", done, err)
	}
	return u, notices
}

func (s *suite) testNotices(t *testing.T) {
	ctx := t.Context()
	u, notices := s.announce(t, 3)
	s.wantDueAt(t, u, s.now.Add(-time.Millisecond))
	s.wantDue(t, u, notices...)
	s.wantDueAt(t, u, s.now.Add(lease-time.Millisecond)) // taken
	s.wantDueAt(t, u, s.now.Add(lease), notices...)

	must(t, s.DropNotice(ctx, notices[0]))
	for range 2 {
		must(t, s.RetryNotice(ctx, notices[1], s.now.Add(time.Hour)))
		must(t, s.DropNotice(ctx, notices[0]))
		must(t, s.RetryNotice(ctx, notices[0], s.now.Add(time.Second))) // forgotten, and stays so
	}
	s.wantDueAt(t, u, s.now.Add(30*time.Minute), notices[2])
	must(t, s.RetryNotice(ctx, notices[2], s.now.Add(31*time.Minute)))
	s.wantDueAt(t, u, s.now.Add(31*time.Minute), notices[2])
	must(t, s.DropNotice(ctx, notices[2]))
	s.wantDueAt(t, u, s.now.Add(time.Hour-time.Millisecond))
	s.wantDueAt(t, u, s.now.Add(time.Hour), notices[1])
	must(t, s.DropNotice(ctx, notices[1]))
	s.wantDueAt(t, u, s.now.Add(absolute))

	// No more than asked for, and the rest is there for the next.
	later := s.now.Add(2 * absolute)
	s.wantDueAt(t, u, later) // whatever others have left
	var got []session.Notice
	first, _ := s.announce(t, 5)
	second, _ := s.announce(t, 5)
	for _, want := range []int{4, 4, 2, 0} {
		some, err := s.DueNotices(ctx, s.now, lease, 4)
		if err != nil || len(some) != want {
			t.Fatalf("took %d notices (%v), want %d", len(some), err, want)
		}
		got = append(got, some...)
	}
	for _, n := range got {
		if n.User != first.ID && n.User != second.ID {
			t.Errorf("took %+v", n)
		}
		must(t, s.DropNotice(ctx, n))
	}
}

// testNoticeRaces lets many take notices at the same instant: each goes to exactly one of them.
func (s *suite) testNoticeRaces(t *testing.T) {
	const users, each = 20, 5
	s.wantDueAt(t, auth.User{ID: name()}, s.now.Add(absolute)) // whatever others have left
	want := make(map[session.Notice]int)
	for range users {
		_, notices := s.announce(t, each)
		for _, n := range notices {
			want[n] = 1
		}
	}
	var mu sync.Mutex
	got := make(map[session.Notice]int)
	s.together(crowd, func(_ int, store Store) {
		notices, err := store.DueNotices(t.Context(), s.now, lease, each)
		if err != nil {
			t.Errorf("take: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, n := range notices {
			got[n]++
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("how often each was taken differs:\n%s", diff)
	}
	for n := range got {
		must(t, s.DropNotice(t.Context(), n))
	}
}

func (s *suite) testSessionRaces(t *testing.T) {
	ctx := t.Context()
	t.Run("many sessions of one user", func(t *testing.T) {
		const limit = 5
		u := s.user(t)
		s.together(crowd, func(_ int, store Store) {
			if err := store.CreateSession(ctx, s.newSession(u), hash(newSecret()), s.now.Add(idle), "", limit); err != nil {
				t.Errorf("create: %v", err)
			}
		})
		if sessions, err := s.Sessions(ctx, u.ID); err != nil || len(sessions) != limit {
			t.Errorf("%d sessions (%v), want %d", len(sessions), err, limit)
		}
	})
	t.Run("session and deletion", func(t *testing.T) {
		for range 50 {
			u := s.user(t)
			s.together(5, func(i int, store Store) {
				if i == 0 {
					if err := store.BeginDelete(ctx, u); err != nil {
						t.Errorf("begin: %v", err)
					}
					if err := store.FinishDelete(ctx, u.ID); err != nil {
						t.Errorf("finish: %v", err)
					}
					return
				}
				err := store.CreateSession(ctx, s.newSession(u), hash(newSecret()), s.now.Add(idle), "", 3)
				if err != nil && auth.CodeOf(err) != auth.InvalidGrant {
					t.Errorf("create: %v", err)
				}
			})
			s.wantSessions(t, u.ID, nil)
		}
	})
}
