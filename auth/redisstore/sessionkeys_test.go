package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Row R-11: what belongs to a login in a browser ends when it should, and no use of it makes it stay.
func TestSessionsAndCodesEnd(t *testing.T) {
	const week = 7 * 24 * time.Hour
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		ctx := t.Context()
		session, logins := space.Session("jane", "S1"), space.SessionLogins("jane", "S1")
		logouts := space.Logouts(space.Partition("jane"))
		var code string
		lives := make(map[string]time.Duration) // 0: not there
		for _, step := range []struct {
			name    string
			run     func() error
			changes map[string]time.Duration
		}{
			{"start", func() error { return withSession(ctx, s, w) }, map[string]time.Duration{
				session: time.Hour, space.Sessions("jane"): 12 * time.Hour,
			}},
			{"use", func() error {
				return s.Touch(ctx, "jane", "S1", w.now.Add(time.Minute), w.now.Add(2*time.Hour), "::1")
			}, map[string]time.Duration{session: 2 * time.Hour}},
			{"late use", func() error {
				return s.Touch(ctx, "jane", "S1", w.now.Add(119*time.Minute), w.now.Add(24*time.Hour), "::1")
			}, map[string]time.Duration{session: 12 * time.Hour}},
			{"code", func() error {
				ref, err := w.createCode(ctx, s)
				_, id, _ := strings.Cut(ref, ".")
				code = space.Code(space.Partition("jane"), id)
				lives[code] = 11 * time.Minute
				return err
			}, nil},
			{"redemption", func() error { return w.redeem(ctx, s, "L1", "head", 10) }, map[string]time.Duration{
				logins: 12 * time.Hour, space.Grant("jane", "acme", "L1"): time.Hour,
			}},
			{"the same again", func() error { return w.redeem(ctx, s, "L1", "head", 10) }, nil},
			{"replay", func() error {
				return expectCode(w.redeem(ctx, s, "L2", "head", 10), auth.InvalidGrant)
			}, map[string]time.Duration{space.Grant("jane", "acme", "L1"): 0}},
			{"replacement", func() error {
				next := w.session("S2")
				next.ExpiresAt = w.now.Add(13 * time.Hour)
				return s.CreateSession(ctx, next, sessionSecret, w.now.Add(time.Hour), "S1", 10)
			}, map[string]time.Duration{
				session: 0, logins: 0, space.Session("jane", "S2"): time.Hour, space.SessionLogins("jane", "S2"): 13 * time.Hour,
				space.Sessions("jane"): 13 * time.Hour,
			}},
			{"one that ends earlier", func() error {
				brief := w.session("S3")
				brief.ExpiresAt = w.now.Add(30 * time.Minute)
				return s.CreateSession(ctx, brief, sessionSecret, w.now.Add(time.Hour), "", 10)
			}, map[string]time.Duration{space.Session("jane", "S3"): 30 * time.Minute}},
			{"end", func() error {
				return w.endNamed(ctx, s, "S2")
			}, map[string]time.Duration{
				space.Session("jane", "S2"): 0, space.SessionLogins("jane", "S2"): 0, logouts: week,
			}},
			{"notice", func() error { return expectDue(ctx, s, w.now, w.notice()) }, map[string]time.Duration{logouts: week + time.Hour}},
			{"another attempt", func() error {
				return s.RetryNotice(ctx, w.notice(), w.now.Add(2*time.Hour))
			}, map[string]time.Duration{logouts: week + 2*time.Hour}},
		} {
			if err := step.run(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			for key, life := range step.changes {
				lives[key] = life
			}
			ttls := b.TTLs(t)
			for key, life := range lives {
				if ttl := ttls[key]; ttl > life || ttl < life-time.Minute {
					t.Errorf("after %s: %q lasts %v, want %v", step.name, key, ttl, life)
				}
			}
			for key, ttl := range ttls {
				if ttl == -1 && !lasting.MatchString(key) {
					t.Errorf("after %s: %q does not end", step.name, key)
				}
				if taken := strings.Contains(key, ":lt:"); taken && ttl > time.Hour {
					t.Errorf("after %s: %q lasts %v, the notices are taken for an hour", step.name, key, ttl)
				}
			}
		}
		b.FastForward(week + 3*time.Hour)
		for key, ttl := range b.TTLs(t) {
			if ttl != -1 {
				t.Errorf("%q is still there", key)
			}
		}
	})
}

// A session that ended for want of use takes no living one's place.
func TestDeadSessionsDoNotCount(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		ctx := t.Context()
		first, second := w.session("S1"), w.session("S2")
		first.ExpiresAt = second.ExpiresAt.Add(time.Hour)
		if err := errors.Join(
			s.CreateSession(ctx, first, sessionSecret, w.now.Add(time.Minute), "", 2),
			s.CreateSession(ctx, second, sessionSecret, w.now.Add(time.Hour), "", 2),
		); err != nil {
			t.Fatal(err)
		}
		b.FastForward(2 * time.Minute)
		if err := w.startSession(ctx, s, "S3", "", 2); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(expectSession(ctx, s, "S2", ""), expectSession(ctx, s, "S3", "")); err != nil {
			t.Error(err)
		}

		// A login forgets the sessions that are over in any case.
		late := w.session("S4")
		late.SeenAt, late.ExpiresAt = w.now.Add(13*time.Hour), w.now.Add(26*time.Hour)
		if err := s.CreateSession(ctx, late, sessionSecret, late.ExpiresAt, "", 10); err != nil {
			t.Fatal(err)
		}
		if ids, err := b.Client.ZRange(ctx, space.Sessions("jane"), 0, -1).Result(); err != nil || !slices.Equal(ids, []string{"S4"}) {
			t.Errorf("sessions %q are known (%v), want S4", ids, err)
		}
	})
}

func TestEndedSessionsStandInNoIndex(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	if err := withNotice(t.Context(), s, w); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]string{space.Sessions("jane"): {}, space.Grants("jane"): {"acme:F1"}} {
		if got, err := c.ZRange(t.Context(), key, 0, -1).Result(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q has %q (%v), want %q", key, got, err, want)
		}
	}
}

// Row R-02: what stands under another's name is not taken for his.
func TestSessionsAndCodesAreNotConfused(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		ctx := t.Context()
		eve := sharing("jane")
		if _, err := s.PutUser(ctx, auth.User{ID: eve, Orgs: []string{"acme"}, Epoch: 1}, nil, nil, "eve"); err != nil {
			t.Fatal(err)
		}
		if err := withSession(ctx, s, w); err != nil {
			t.Fatal(err)
		}
		ref, err := w.createCode(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		partition, id, _ := strings.Cut(ref, ".")
		other := strings.Repeat("A", len(id))
		code := func(id string) string { return space.Code(space.Partition("jane"), id) }
		place := func(from, to string) {
			t.Helper()
			fields, err := b.Client.HGetAll(ctx, from).Result()
			if err == nil && len(fields) > 0 {
				b.Client.Del(ctx, to)
				err = b.Client.HSet(ctx, to, fields).Err()
			}
			if err != nil || len(fields) == 0 {
				t.Fatalf("place %q as %q: %v", from, to, err)
			}
		}
		expect := func(what string, err error, want auth.Code) {
			t.Helper()
			if auth.CodeOf(err) != want {
				t.Errorf("%s: %v, want %q", what, err, want)
			}
		}

		place(code(id), code(other))
		_, err = s.Code(ctx, partition+"."+other, codeSecret)
		expect("a code read as another", err, auth.InvalidGrant)
		place(space.Session("jane", "S1"), code(other))
		_, err = s.Code(ctx, partition+"."+other, sessionSecret)
		expect("a session read as a code", err, auth.InvalidGrant)
		stolen := w.family
		stolen.FamilyRef, stolen.Session = auth.FamilyRef{User: eve, Org: "acme", ID: "F9"}, "S1"
		expect("a code redeemed by another user", s.Redeem(ctx, ref, stolen, []byte("h"), w.now, w.now.Add(time.Hour), 10), auth.InvalidGrant)
		loose, err := s.CreateCode(ctx, []byte("of a device!"), auth.Approval{
			Subject: auth.Subject{User: "jane", Org: "acme", Epoch: 1}, Client: "web", ExpiresAt: w.now.Add(time.Minute),
		}, codeSecret)
		if err != nil {
			t.Fatal(err)
		}
		stolen.Session = ""
		expect("a device's code redeemed by another user", s.Redeem(ctx, loose, stolen, []byte("h"), w.now, w.now.Add(time.Hour), 10),
			auth.InvalidGrant)

		for from, to := range map[string]string{
			space.Session("jane", "S1"): space.Session(eve, "S1"), code(id): space.Session(eve, "S1"),
		} {
			place(from, to)
			_, _, err = s.Session(ctx, eve, "S1")
			expect("a session that is not his", err, auth.NotFound)
			a := auth.Approval{
				Subject: auth.Subject{User: eve, Org: "acme", Epoch: 1}, Session: "S1", ExpiresAt: w.now.Add(time.Minute),
			}
			_, err = s.CreateCode(ctx, []byte("another code"), a, codeSecret)
			expect("a code of a session that is not his", err, auth.InvalidGrant)
		}
		place(space.Session("jane", "S1"), space.Session("jane", "S9"))
		_, _, err = s.Session(ctx, "jane", "S9")
		expect("a session read as another", err, auth.NotFound)
		_, err = s.CreateCode(ctx, []byte("another code"), auth.Approval{
			Subject: auth.Subject{User: "jane", Org: "acme", Epoch: 1}, Session: "S9", ExpiresAt: w.now.Add(time.Minute),
		}, codeSecret)
		expect("a code of it", err, auth.InvalidGrant)

		// The session a code was made in became another's in the meantime.
		if err := s.CreateSession(ctx, w.session("S1"), []byte("x"), w.now.Add(time.Hour), "", 10); auth.CodeOf(err) != auth.Conflict {
			t.Errorf("a session of the same id: %v, want conflict", err)
		}
		f := w.family
		f.ID, f.Session = "F9", "S1"
		for _, change := range [][2]string{{"user", eve}, {"user", "jane"}, {"id", "S9"}, {"id", "S1"}, {"ep", "2"}} {
			b.Client.HSet(ctx, space.Session("jane", "S1"), change[0], change[1])
			if change[1] == "jane" || change[1] == "S1" { // as it was
				continue
			}
			err := s.Redeem(ctx, ref, f, []byte("h"), w.now, w.now.Add(time.Hour), 10)
			expect("a login in a session that is another's", err, auth.InvalidGrant)
		}
	})
}

// Damage is an unknown outcome, not an answer.
func TestDamagedSessionsAreUnavailable(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	ctx := t.Context()
	if err := withNotice(ctx, s, w); err != nil {
		t.Fatal(err)
	}
	unavailable := func(what string, err error) {
		t.Helper()
		if auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	if err := w.startSession(ctx, s, "S4", "", 10); err != nil {
		t.Fatal(err)
	}
	c.HSet(ctx, space.Session("jane", "S4"), "seen", "yesterday")
	_, _, err := s.Session(ctx, "jane", "S4")
	unavailable("a session seen at no time", err)
	_, err = s.Sessions(ctx, "jane")
	unavailable("listing it", err)
	c.HSet(ctx, space.SessionLogins("jane", "S4"), "acme:L9", "")
	_, err = s.Logins(ctx, "jane", "S4")
	unavailable("a login of no client", err)
	f := w.family
	c.HSet(ctx, space.Grant("jane", "acme", f.ID), "req", "{")
	_, _, err = s.Live(ctx, f.FamilyRef, "J")
	unavailable("a family that asked for something illegible", err)
	_, err = s.Rotate(ctx, f.FamilyRef, w.rotation("first", "second", 1, 0))
	unavailable("its rotation", err)

	// A notice nobody can read does not hold up the others.
	c.ZAdd(ctx, space.Logouts(0), redis.Z{Score: 0, Member: "illegible"})
	if err := expectDue(ctx, s, w.now, w.notice()); err != nil {
		t.Error(err)
	}
	if err := s.DropNotice(ctx, w.notice()); err != nil {
		t.Fatal(err)
	}
	_, err = s.DueNotices(ctx, w.now.Add(24*time.Hour), time.Hour, 10)
	unavailable("only a notice nobody can read", err)
	if err := errors.Join(w.startSession(ctx, s, "S5", "", 10), w.endNamed(ctx, s, "S5")); err != nil {
		t.Fatal(err)
	}
	c.Del(ctx, space.Logouts(0))
	c.Set(ctx, space.Logouts(1), "a text", 0)
	if err := expectDue(ctx, s, w.now, w.notice()); err != nil {
		t.Errorf("beside a partition that cannot answer: %v", err)
	}
}

// sharing is an id whose user lies in the partition of another.
func sharing(user string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("eve%d", i); space.Partition(id) == space.Partition(user) {
			return id
		}
	}
}
