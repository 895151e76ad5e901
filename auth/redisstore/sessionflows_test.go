package redisstore_test

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
)

var (
	codeID        = []byte("twelve bytes")
	sessionSecret = []byte("session secret")
	codeSecret    = []byte("code secret")
)

func (w *world) session(id string) session.Session {
	return session.Session{
		User: "jane", ID: id, Epoch: 1, AuthTime: w.now, AMR: []string{"pwd"}, CreatedAt: w.now, SeenAt: w.now,
		ExpiresAt: w.now.Add(12 * time.Hour), Agent: "Browser", Address: "::1",
	}
}

func (w *world) startSession(ctx context.Context, s *redisstore.Store, id, replaces string, limit int) error {
	return s.CreateSession(ctx, w.session(id), sessionSecret, w.now.Add(time.Hour), replaces, limit)
}

// createCode keeps an approval given in session S1. A code's partition is its user's.
func (w *world) createCode(ctx context.Context, s *redisstore.Store) (ref string, err error) {
	return s.CreateCode(ctx, codeID, auth.Approval{
		Subject: auth.Subject{User: "jane", Org: "acme", AuthTime: w.now, AMR: []string{"pwd"}, Epoch: 1},
		Client:  "web", Scope: "openid", Session: "S1", ExpiresAt: w.now.Add(time.Minute),
	}, codeSecret)
}

func (w *world) redeem(ctx context.Context, s *redisstore.Store, family, head string, limit int) error {
	ref, err := w.createCode(ctx, w.store)
	if err != nil {
		return err
	}
	f := w.family
	f.ID, f.Session, f.ExpiresAt = family, "S1", w.now.Add(20*time.Hour)
	return s.Redeem(ctx, ref, f, []byte(head), w.now, w.now.Add(time.Hour), limit)
}

// withSession starts session S1, withLogin also redeems a code there: family L1, and withNotice ends it, so that a notice is due.
func withSession(ctx context.Context, s *redisstore.Store, w *world) error {
	return w.startSession(ctx, s, "S1", "", 10)
}

func withLogin(ctx context.Context, s *redisstore.Store, w *world) error {
	return errors.Join(withSession(ctx, s, w), w.redeem(ctx, s, "L1", "head", 10))
}

func withNotice(ctx context.Context, s *redisstore.Store, w *world) error {
	return errors.Join(withLogin(ctx, s, w), w.endSession(ctx, s))
}

func (w *world) login() auth.FamilyRef { return auth.FamilyRef{User: "jane", Org: "acme", ID: "L1"} }

func (w *world) notice() session.Notice {
	return session.Notice{User: "jane", Org: "acme", Family: "L1", Client: "web", Since: w.now}
}

func (w *world) endSession(ctx context.Context, s *redisstore.Store) error {
	return w.endNamed(ctx, s, "S1")
}

func (w *world) endNamed(ctx context.Context, s *redisstore.Store, id string) error {
	logins := []session.Login{l1}
	done, err := s.EndSession(ctx, "jane", id, logins, []session.Notice{w.notice()}, w.now)
	if err == nil && !done {
		return wrong("not done")
	}
	return err
}

func expectDue(ctx context.Context, s *redisstore.Store, now time.Time, want ...session.Notice) error {
	got, err := s.DueNotices(ctx, now, time.Hour, 10)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		return wrong("due notices (%v) differ:\n%s", err, diff)
	}
	return nil
}

func expectSession(ctx context.Context, s *redisstore.Store, id string, want auth.Code) error {
	_, _, err := s.Session(ctx, "jane", id)
	return expectCode(err, want)
}

func expectLogins(ctx context.Context, s *redisstore.Store, id string, want ...session.Login) error {
	got, err := s.Logins(ctx, "jane", id)
	if diff := cmp.Diff(append([]session.Login{}, want...), got); err != nil || diff != "" {
		return wrong("logins of %s (%v) differ:\n%s", id, err, diff)
	}
	return nil
}

var l1 = session.Login{Org: "acme", Family: "L1", Client: "web"}

var sessionFlows = []flow{
	{
		name: "Rotate keeps the head",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			r := w.rotation("first", "", 1, 0)
			r.Keep = true
			rotated, err := s.Rotate(ctx, w.family.FamilyRef, r)
			if err == nil && (rotated.Family.Generation != 1 || len(rotated.Wrapped) != 0) {
				return wrong("rotated %+v", rotated)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.Rotate(ctx, w.family.FamilyRef, w.rotation("first", "second", 1, time.Minute))
			return err
		},
	},
	{
		name: "EndLogins",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return s.EndLogins(ctx, "jane", "acme", "web")
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectLive(ctx, s, w.family.FamilyRef, "J", false)
		},
	},
	{
		name: "FinishDelete of a user with sessions",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return errors.Join(withLogin(ctx, s, w), s.BeginDelete(ctx, w.user))
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error { return s.FinishDelete(ctx, "jane") },
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			sessions, err := s.Sessions(ctx, "jane")
			if err == nil && len(sessions) != 0 {
				return wrong("%d sessions", len(sessions))
			}
			return errors.Join(err, expectLogins(ctx, s, "S1"))
		},
	},
	{
		name: "CreateSession",
		call: withSession,
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			sess, secret, err := s.Session(ctx, "jane", "S1")
			if diff := cmp.Diff(w.session("S1"), sess); err == nil && (diff != "" || string(secret) != string(sessionSecret)) {
				return wrong("session with secret %q differs:\n%s", secret, diff)
			}
			return err
		},
	},
	{
		name:    "CreateSession replaces one",
		prepare: withLogin,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return w.startSession(ctx, s, "S2", "S1", 10)
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return errors.Join(expectSession(ctx, s, "S1", auth.NotFound), expectSession(ctx, s, "S2", ""), expectLogins(ctx, s, "S2", l1))
		},
	},
	{
		name:    "CreateSession at the cap",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return w.startSession(ctx, s, "S2", "", 1)
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return errors.Join(expectSession(ctx, s, "S1", auth.NotFound), expectSession(ctx, s, "S2", ""))
		},
	},
	{
		name:    "Session",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, _, err := s.Session(ctx, "jane", "S1")
			return err
		},
	},
	{
		name:    "Touch",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.Touch(ctx, "jane", "S1", w.now.Add(time.Minute), w.now.Add(time.Hour), "::2")
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			sess, _, err := s.Session(ctx, "jane", "S1")
			if err == nil && (!sess.SeenAt.Equal(w.now.Add(time.Minute)) || sess.Address != "::2") {
				return wrong("seen at %v from %s", sess.SeenAt, sess.Address)
			}
			return err
		},
	},
	{
		name:    "Sessions",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			sessions, err := s.Sessions(ctx, "jane")
			if err == nil && len(sessions) != 1 {
				return wrong("%d sessions", len(sessions))
			}
			return err
		},
	},
	{
		name:    "Logins",
		prepare: withLogin,
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			logins, err := s.Logins(ctx, "jane", "S1")
			if err == nil && len(logins) != 1 {
				return wrong("%d logins", len(logins))
			}
			return err
		},
	},
	{
		name:    "EndSession",
		prepare: withLogin,
		call:    func(ctx context.Context, s *redisstore.Store, w *world) error { return w.endSession(ctx, s) },
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return errors.Join(expectSession(ctx, s, "S1", auth.NotFound), expectLive(ctx, s, w.login(), "J", false),
				expectDue(ctx, s, w.now, w.notice()))
		},
	},
	{
		name:    "DueNotices",
		prepare: withNotice,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			w.polls++ // each poll of this world is a lease after the last one
			notices, err := s.DueNotices(ctx, w.now.Add(time.Duration(w.polls)*time.Hour), time.Hour, 10)
			if err == nil && len(notices) != 1 {
				return wrong("%d notices", len(notices))
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			again := w.now.Add(time.Duration(w.polls+1) * time.Hour)
			return errors.Join(expectDue(ctx, s, again.Add(-time.Millisecond)), expectDue(ctx, s, again, w.notice()))
		},
	},
	{
		name:    "RetryNotice",
		prepare: withNotice,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.RetryNotice(ctx, w.notice(), w.now.Add(time.Minute))
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return errors.Join(expectDue(ctx, s, w.now), expectDue(ctx, s, w.now.Add(time.Minute), w.notice()))
		},
	},
	{
		name:    "DropNotice",
		prepare: withNotice,
		call:    func(ctx context.Context, s *redisstore.Store, w *world) error { return s.DropNotice(ctx, w.notice()) },
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectDue(ctx, s, w.now.Add(100*time.Hour))
		},
	},
	{
		name:    "CreateCode",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			ref, err := w.createCode(ctx, s)
			w.ref = ref
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.Code(ctx, w.ref, codeSecret)
			return err
		},
	},
	{
		name: "Code",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) (err error) {
			if err = withSession(ctx, s, w); err == nil {
				w.ref, err = w.createCode(ctx, s)
			}
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.Code(ctx, w.ref, codeSecret)
			return err
		},
	},
	{
		name:    "Redeem",
		prepare: withSession,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return w.redeem(ctx, s, "L1", "head", 1) // in place of F1
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return errors.Join(expectLive(ctx, s, w.login(), "J", true), expectLive(ctx, s, w.family.FamilyRef, "J", false),
				expectLogins(ctx, s, "S1", l1))
		},
	},
	{
		name:    "Redeem refuses a replay",
		prepare: withLogin,
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			if err := w.redeem(ctx, s, "L2", "other", 10); auth.CodeOf(err) != auth.InvalidGrant {
				return err
			}
			return nil
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectLive(ctx, s, w.login(), "J", false)
		},
	},
}
