package session

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// List returns the live sessions of a user, the last used first: for himself, or for who may read in his home organisation.
func (s *Service) List(ctx context.Context, caller *auth.Caller, org, user string) ([]Session, error) {
	u, err := s.Users.Person(ctx, caller, org, user, false)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Sessions(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	live := slices.DeleteFunc(all, func(sess Session) bool { return sess.Epoch != u.Epoch || !s.alive(&sess, now) })
	slices.SortFunc(live, func(a, b Session) int {
		return cmp.Or(b.SeenAt.Compare(a.SeenAt), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return live, nil
}

// End ends one session of a user, like List about who may, but writing for an operator.
func (s *Service) End(ctx context.Context, caller *auth.Caller, org, user, id string) error {
	org = caller.OrgOf(org)
	u, err := s.Users.Person(ctx, caller, org, user, true)
	if err == nil {
		err = s.endOne(ctx, u.ID, id)
	}
	s.record(ctx, "session.end", caller.Ref(), org, u.ID, id, err)
	return err
}

func (s *Service) endOne(ctx context.Context, user, id string) error {
	all, err := s.Store.Sessions(ctx, user)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(sess Session) bool { return sess.ID == id }) {
		return &auth.Error{Code: auth.NotFound, Detail: "no such session"}
	}
	return s.end(ctx, user, id)
}

// Logout ends the session of a browser.
func (s *Service) Logout(ctx context.Context, sess *Session) error {
	err := s.end(ctx, sess.User, sess.ID)
	s.record(ctx, "session.end", "user:"+sess.User, "", sess.User, sess.ID, err)
	return err
}

// EndAll ends the sessions of a user that began before an epoch, after a change that ended them anyway, so that clients are told. That
// change is what the audit log has of it. It implements auth.SessionEnder.
func (s *Service) EndAll(ctx context.Context, user string, epoch uint64) error {
	all, err := s.Store.Sessions(ctx, user)
	if err != nil {
		return err
	}
	for _, sess := range all {
		if sess.Epoch >= epoch {
			continue
		}
		if err := s.end(ctx, user, sess.ID); err != nil {
			return err
		}
	}
	return nil
}

// end ends a session with what was opened from it. What is opened in the meantime makes it look again.
func (s *Service) end(ctx context.Context, user, id string) error {
	const attempts = 16
	now := s.Now()
	for range attempts {
		logins, err := s.Store.Logins(ctx, user, id)
		if err != nil {
			return err
		}
		notices, err := s.notices(ctx, user, logins, now)
		if err != nil {
			return err
		}
		done, err := s.Store.EndSession(ctx, user, id, logins, notices, now)
		if err != nil {
			return err
		}
		if done {
			if len(notices) > 0 && s.Ended != nil {
				s.Ended()
			}
			return nil
		}
	}
	return &auth.Error{Code: auth.Unavailable, Detail: "the session is in use, try again"}
}

// notices are for the clients that want to be told and still stand (OpenID Connect Back-Channel Logout §2.4).
func (s *Service) notices(ctx context.Context, user string, logins []Login, now time.Time) ([]Notice, error) {
	var notices []Notice
	for _, login := range logins {
		client, err := s.Registry.Standing(ctx, login.Client, login.Org, now)
		if auth.CodeOf(err) == auth.InvalidClient {
			continue
		}
		if err != nil {
			return nil, err
		}
		if client.BackchannelLogoutURI != "" {
			notices = append(notices, Notice{User: user, Org: login.Org, Family: login.Family, Client: login.Client, Since: now})
		}
	}
	return notices, nil
}
