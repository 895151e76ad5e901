package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
)

func (s *suite) testUsers(t *testing.T) {
	versioned(t,
		func(ctx context.Context, id, text string, version uint64, op string) (uint64, error) {
			return s.PutUser(ctx, auth.User{ID: id, Username: text, Orgs: []string{"o"}, Version: version}, nil, nil, op)
		},
		func(ctx context.Context, id string) (string, uint64, error) {
			u, _, err := s.User(ctx, id)
			return u.Username, u.Version, err
		})

	want := s.user(t, func(u *auth.User) {
		u.Email, u.EmailVerified, u.Disabled, u.Epoch = "jane@example.com", true, true, 7
		u.Orgs = []string{name(), name()}
		u.Profile = claims.Profile{Name: "Jané \u2028 \"Doe\"", Zoneinfo: "Europe/Vienna"}
	})
	got, password, err := s.User(t.Context(), want.ID)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" || password != "" {
		t.Errorf("stored user has password %q and differs:\n%s", password, diff)
	}

	// Many are read at once, in the order they are named in, nobody where there is nobody.
	other, gone := s.user(t), s.user(t)
	must(t, s.BeginDelete(t.Context(), gone))
	must(t, s.FinishDelete(t.Context(), gone.ID))
	many, err := s.UsersByID(t.Context(), []string{other.ID, name(), want.ID, gone.ID})
	must(t, err)
	if diff := cmp.Diff([]*auth.User{&other, nil, &want, nil}, many); diff != "" {
		t.Errorf("users read by their ids differ:\n%s", diff)
	}
	if none, err := s.UsersByID(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no ids are %v (%v)", none, err)
	}

	// Leaving an organisation ends what depends on it.
	u := s.user(t, func(u *auth.User) { u.Orgs = []string{name(), name()} })
	home, left := u.Orgs[0], u.Orgs[1]
	s.wantLive(t, auth.FamilyRef{User: u.ID, Org: left}, true)
	u.Orgs = []string{home}
	s.putUser(t, u, left)
	s.wantLive(t, auth.FamilyRef{User: u.ID, Org: left}, false)
	s.wantLive(t, auth.FamilyRef{User: u.ID, Org: home}, true)
	users, _, err := s.Users(t.Context(), left, auth.Page{Limit: 5})
	if err != nil || len(users) != 0 {
		t.Errorf("the organisation left still lists %d users (%v)", len(users), err)
	}
}

func (s *suite) testPasswords(t *testing.T) {
	ctx := t.Context()
	u := s.newUser()
	expect := func(want string) {
		t.Helper()
		if _, got, err := s.User(ctx, u.ID); err != nil || got != want {
			t.Fatalf("password is %q (%v), want %q", got, err, want)
		}
	}
	var err error
	put := func(password *string) {
		t.Helper()
		u.Version, err = s.PutUser(ctx, u, password, nil, name())
		must(t, err)
	}
	first, none := "first", ""
	put(&first)
	expect("first")
	put(nil)
	expect("first")

	must(t, s.UpgradePassword(ctx, u.ID, "other", "stolen"))
	expect("first")
	must(t, s.UpgradePassword(ctx, u.ID, "first", "better"))
	expect("better")
	must(t, s.UpgradePassword(ctx, u.ID, "first", "worse"))
	expect("better")
	if got, _, err := s.User(ctx, u.ID); err != nil || got.Version != u.Version {
		t.Errorf("an upgrade changed the version to %d (%v), want %d", got.Version, err, u.Version)
	}
	put(&none)
	expect("")
	must(t, s.UpgradePassword(ctx, name(), "", "x")) // nobody's
}

func (s *suite) testHandles(t *testing.T) {
	ctx := t.Context()
	h := auth.Handle{Kind: auth.KindUsername, Canonical: name()}
	expect := func(want string) {
		t.Helper()
		if owner, err := s.HandleOwner(ctx, h); err != nil || owner != want {
			t.Fatalf("owner is %q (%v), want %q", owner, err, want)
		}
	}
	holder := func(text string) auth.Holder {
		user, operation, _ := strings.Cut(text, " ")
		return auth.Holder{User: user, Operation: operation}
	}
	claim := func(by, from, want string) {
		t.Helper()
		if got, err := s.ClaimHandle(ctx, h, holder(by), holder(from)); err != nil || got != holder(want) {
			t.Fatalf("claim by %s from %q answers %v (%v), want %q", by, from, got, err, want)
		}
		expect(holder(want).User)
	}
	release := func(by, owner string) {
		t.Helper()
		must(t, s.ReleaseHandle(ctx, h, holder(by)))
		expect(owner)
	}
	expect("")
	claim("a", "", "a")
	claim("a", "", "a")
	claim("b", "", "a")
	claim("b", "c", "a")
	claim("b", "a", "b") // taken over
	claim("b", "a", "b") // and the same again
	claim("a", "", "b")
	release("a", "b")
	release("b", "")
	release("b", "")
	claim("c", "b", "c")

	// An operation holds it for its user, until it has finished, and is not to be mixed up with another.
	claim("c one", "", "c one")
	claim("d", "c", "c one")
	claim("d", "c two", "c one")
	claim("c two", "", "c two")
	release("c one", "c")
	release("c two", "")
	claim("c two", "", "c two")
	release("c", "")
	claim("c", "", "c")
	release("c two", "c")
	settle := func(by string, want bool, owner string) {
		t.Helper()
		if settled, err := s.SettleHandle(ctx, h, holder(by)); err != nil || settled != want {
			t.Fatalf("settling for %s answers %v (%v), want %v", by, settled, err, want)
		}
		expect(owner)
	}
	settle("c one", true, "c") // it is his
	claim("c one", "", "c one")
	settle("c two", false, "c")
	settle("d one", false, "c")
	settle("c one", true, "c")
	settle("c one", true, "c")
	claim("d", "c one", "c") // no longer
	claim("d one", "c", "d one")
	claim("e", "d one", "e")
	release("e", "")
	settle("e one", false, "")

	other := auth.Handle{Kind: auth.KindEmail, Canonical: h.Canonical}
	if owner, err := s.HandleOwner(ctx, other); err != nil || owner != "" {
		t.Errorf("the address of the same text is %q's (%v)", owner, err)
	}
}

func (s *suite) testDeletion(t *testing.T) {
	ctx := t.Context()
	u := s.newUser()
	u.Orgs, u.Email, u.EmailVerified = []string{name(), name()}, name()+"@example.com", true
	password := "hash"
	create := name()
	var err error
	u.Version, err = s.PutUser(ctx, u, &password, nil, create)
	must(t, err)
	one, two := s.login(t, u), s.login(t, u)
	sess := s.session(t, u)
	opened := s.redeemed(t, u, sess.ID)

	wantCode(t, s.FinishDelete(ctx, u.ID), auth.PreconditionFailed)
	stale := u
	stale.Version++
	wantCode(t, s.BeginDelete(ctx, stale), auth.PreconditionFailed)
	s.wantLive(t, one.FamilyRef, true)
	s.wantSessions(t, u.ID, []session.Session{sess}, sess)

	for range 2 { // it can be resumed
		must(t, s.BeginDelete(ctx, u))
		got, password, err := s.User(ctx, u.ID)
		want := u
		want.Deleting = true
		if diff := cmp.Diff(want, got); err != nil || password != "" || diff != "" {
			t.Fatalf("a user being deleted has password %q (%v) and differs:\n%s", password, err, diff)
		}
	}
	for _, k := range []token{one, two, opened} {
		s.wantLive(t, k.FamilyRef, false)
		s.mustNotRefresh(t, k, 0, "")
	}
	for _, org := range u.Orgs {
		if users, _, err := s.Users(ctx, org, auth.Page{Limit: 5}); err != nil || len(users) != 0 {
			t.Errorf("a user being deleted is listed (%v)", err)
		}
	}
	s.noWrites(t, u)
	// What his browsers had opened is known still, so that clients can be told.
	_, _, err = s.Session(ctx, u.ID, sess.ID)
	wantCode(t, err, auth.NotFound)
	s.wantSessions(t, u.ID, nil, sess)
	s.wantLogins(t, sess, loginOf(opened))

	for range 2 {
		must(t, s.FinishDelete(ctx, u.ID))
		s.wantSessions(t, u.ID, nil)
		s.wantLogins(t, sess)
		_, _, err = s.User(ctx, u.ID)
		wantCode(t, err, auth.NotFound)
	}
	if used, err := s.UserIDUsed(ctx, u.ID); err != nil || !used {
		t.Errorf("the id of a deleted user counts as used: %v (%v)", used, err)
	}
	wantCode(t, s.BeginDelete(ctx, u), auth.NotFound)
	s.noWrites(t, u)
	u.Version = 0
	_, err = s.PutUser(ctx, u, &password, nil, create)
	wantCode(t, err, auth.Conflict)

	nobody := s.newUser()
	if used, err := s.UserIDUsed(ctx, nobody.ID); err != nil || used {
		t.Errorf("the id of nobody counts as used: %v (%v)", used, err)
	}
	wantCode(t, s.BeginDelete(ctx, nobody), auth.NotFound)
	wantCode(t, s.FinishDelete(ctx, nobody.ID), auth.NotFound)
	s.user(t, func(u *auth.User) { *u = nobody }) // asking for a deletion uses up no id
}

// noWrites checks that nothing of a user can be written any more.
func (s *suite) noWrites(t *testing.T, u auth.User) {
	t.Helper()
	ctx, password := t.Context(), "new"
	_, err := s.PutUser(ctx, u, &password, nil, name())
	wantCode(t, err, auth.NotFound)
	u.Version = 0
	_, err = s.PutUser(ctx, u, &password, nil, name())
	wantCode(t, err, auth.Conflict)
	must(t, s.UpgradePassword(ctx, u.ID, "", "x"))
	must(t, s.UpgradePassword(ctx, u.ID, "hash", "x"))
	if _, got, _ := s.User(ctx, u.ID); got != "" {
		t.Error("a deleted user has a password again")
	}
	wantCode(t, s.CreateFamily(ctx, s.newFamily(u), hash(newSecret()), s.now.Add(idle), 10), auth.InvalidGrant)
	wantCode(t, s.CreateSession(ctx, s.newSession(u), hash(newSecret()), s.now.Add(idle), "", 10), auth.InvalidGrant)
	_, err = s.CreateCode(ctx, newCodeID(), s.newApproval(u, ""), hash(newSecret()))
	wantCode(t, err, auth.InvalidGrant)
}

// Names no grammar lets through, yet no store may fall for.
var hostile = []string{
	"", "*", "a:b", "a}x", "{victim}", "}{", "\r\nFLUSHALL\r\n", "\x00", "a\x00b", "]] redis.call('FLUSHALL')", "%s", "__proto__",
	"../../x", "\xff\xfe", "é", "e\u0301", string(make([]byte, 512<<10)),
}

func (s *suite) testHostileNames(t *testing.T) {
	ctx := t.Context()
	for i, text := range hostile {
		h := auth.Handle{Kind: auth.KindUsername, Canonical: text}
		by := auth.Holder{User: name()}
		if holder, err := s.ClaimHandle(ctx, h, by, auth.Holder{}); err != nil || holder != by {
			t.Errorf("handle %.20q: %v, %v", text, holder, err)
		}
		defer func() { must(t, s.ReleaseHandle(ctx, h, by)) }()
		for _, other := range hostile[i+1:] {
			if owner, err := s.HandleOwner(ctx, auth.Handle{Kind: auth.KindUsername, Canonical: other}); err != nil || owner != "" {
				t.Errorf("handles %.20q and %.20q are one (%v)", text, other, err)
			}
		}
		bucket := []auth.Bucket{{Kind: name(), Subject: text, Burst: 1, Period: absolute}}
		if wait, err := s.Take(ctx, bucket); err != nil || wait != 0 {
			t.Errorf("limit on %.20q: %v, %v", text, wait, err)
		}
		jti := name()
		must(t, s.Deny(ctx, text, jti, s.now.Add(idle)))
		for _, other := range slices.Concat(hostile[:i], hostile[i+1:]) {
			if denied, err := s.Denied(ctx, other, jti); err != nil || denied {
				t.Errorf("denying a token of %.20q denied one of %.20q (%v)", text, other, err)
			}
		}
	}

	// Objects whose parts run together are not the same object.
	u := s.user(t, func(u *auth.User) { u.Orgs = []string{"b:c", "b"} })
	k := s.login(t, u)
	s.wantLive(t, k.FamilyRef, true)
	split := auth.FamilyRef{User: u.ID, Org: "b", ID: "c:" + k.ID}
	s.wantLive(t, split, false)
	_, err := s.Rotate(ctx, split, s.rotation(k, newSecret(), 0))
	wantCode(t, err, auth.InvalidGrant)
	s.wantLive(t, k.FamilyRef, true)
}
