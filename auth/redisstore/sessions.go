package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
)

var (
	createSessionScript  = script("create_session")
	touchSessionScript   = script("touch_session")
	endSessionScript     = script("end_session")
	forgetSessionsScript = script("forget_sessions")
	takeNoticesScript    = script("take_notices")
	settleNoticeScript   = script("settle_notice")

	sessionFields = []string{"user", "id", "ep", "at", "amr", "made", "seen", "exp", "agent", "addr", "sec"}
)

// noticeKept is how long a notice is kept after the time it was to be tried last, for want of anybody who does.
const noticeKept = 7 * 24 * time.Hour

// CreateSession implements session.Store. Like CreateFamily it takes further rounds where other sessions must end.
func (s *Store) CreateSession(
	ctx context.Context, sess session.Session, secret []byte, idleUntil time.Time, replaces string, limit int,
) error {
	expires := sess.ExpiresAt.UnixMilli()
	var others []string
	for {
		keys := []string{
			s.space.User(sess.User), s.space.Session(sess.User, sess.ID), s.space.SessionLogins(sess.User, sess.ID),
			s.space.Sessions(sess.User), s.space.Session(sess.User, replaces), s.space.SessionLogins(sess.User, replaces),
		}
		args := []any{
			sess.ID, sess.Epoch, limit, sess.SeenAt.UnixMilli(), min(expires, idleUntil.UnixMilli()), expires, secret, replaces,
		}
		keys, args = s.sessions(sess.User, others, keys, args)
		reply, err := s.runner.Run(ctx, createSessionScript, keys, append(args,
			"user", sess.User, "at", sess.AuthTime.UnixMilli(), "amr", strings.Join(sess.AMR, " "), "made", sess.CreatedAt.UnixMilli(),
			"seen", sess.SeenAt.UnixMilli(), "agent", sess.Agent, "addr", sess.Address)...)
		if err != nil {
			return refused("create a session of user:"+sess.User, err, map[string]*auth.Error{
				"INVALID":  {Code: auth.InvalidGrant, Detail: "the user may not log in"},
				"CONFLICT": {Code: auth.Conflict, Detail: "this session exists"},
			})
		}
		named, more := reply.([]any)
		if !more {
			return nil
		}
		others = texts(named)
	}
}

// sessions appends the keys of a user's sessions and their logins to keys and their ids to args.
func (s *Store) sessions(user string, ids []string, keys []string, args []any) ([]string, []any) {
	for _, id := range ids {
		keys = append(keys, s.space.Session(user, id), s.space.SessionLogins(user, id))
		args = append(args, id)
	}
	return keys, args
}

// Session implements session.Store.
func (s *Store) Session(ctx context.Context, user, id string) (session.Session, []byte, error) {
	doing := "read a session of user:" + user
	pipe := s.rdb.Pipeline()
	owner := pipe.HMGet(ctx, s.space.User(user), "st", "ep")
	row := pipe.HMGet(ctx, s.space.Session(user, id), sessionFields...)
	if _, err := pipe.Exec(ctx); err != nil {
		return session.Session{}, nil, unavailable(doing, err)
	}
	sess, secret, found, err := readSession(user, id, row.Val())
	if err != nil {
		return session.Session{}, nil, unavailable(doing, err)
	}
	if u := owner.Val(); !found || u[0] != statusActive || u[1] != strconv.FormatUint(sess.Epoch, 10) {
		return session.Session{}, nil, notFound("session")
	}
	return sess, secret, nil
}

// readSession reads the values of sessionFields.
func readSession(user, id string, row []any) (sess session.Session, secret []byte, found bool, err error) {
	if row[0] != user || row[1] != id {
		return session.Session{}, nil, false, nil
	}
	text := func(i int) string { v, _ := row[i].(string); return v }
	epoch, badEpoch := number(row[2])
	authTime, badAuthTime := moment(row[3])
	created, badCreated := moment(row[5])
	seen, badSeen := moment(row[6])
	expires, badEnd := moment(row[7])
	sess = session.Session{
		User: user, ID: id, Epoch: epoch, AuthTime: authTime, AMR: strings.Fields(text(4)), CreatedAt: created, SeenAt: seen,
		ExpiresAt: expires, Agent: text(8), Address: text(9),
	}
	return sess, []byte(text(10)), true, errors.Join(badEpoch, badAuthTime, badCreated, badSeen, badEnd)
}

// Touch implements session.Store.
func (s *Store) Touch(ctx context.Context, user, id string, seen, idleUntil time.Time, address string) error {
	keys := []string{s.space.Session(user, id)}
	if _, err := s.runner.Run(ctx, touchSessionScript, keys, seen.UnixMilli(), idleUntil.UnixMilli(), address); err != nil {
		return unavailable("touch a session of user:"+user, err)
	}
	return nil
}

// Sessions implements session.Store.
func (s *Store) Sessions(ctx context.Context, user string) ([]session.Session, error) {
	doing := "list the sessions of user:" + user
	ids, err := s.rdb.ZRange(ctx, s.space.Sessions(user), 0, -1).Result()
	if err != nil {
		return nil, unavailable(doing, err)
	}
	pipe := s.rdb.Pipeline()
	rows := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		rows[i] = pipe.HMGet(ctx, s.space.Session(user, id), sessionFields...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable(doing, err)
	}
	sessions := make([]session.Session, 0, len(ids))
	for i, id := range ids {
		sess, _, found, err := readSession(user, id, rows[i].Val())
		if err != nil {
			return nil, unavailable(doing, err)
		}
		if found {
			sessions = append(sessions, sess)
		}
	}
	return sessions, nil
}

// loginText is how a login stands among its session's: '+' for one that outlives it, else '-', before the client.
func loginText(client string, offline bool) string {
	if offline {
		return "+" + client
	}
	return "-" + client
}

// Logins implements session.Store.
func (s *Store) Logins(ctx context.Context, user, id string) ([]session.Login, error) {
	doing := "list the logins of a session of user:" + user
	stored, err := s.rdb.HGetAll(ctx, s.space.SessionLogins(user, id)).Result()
	if err != nil {
		return nil, unavailable(doing, err)
	}
	logins := make([]session.Login, 0, len(stored))
	for m, text := range stored {
		if text == "" {
			return nil, unavailable(doing, fmt.Errorf("login %q has no client", m))
		}
		org, family, _ := strings.Cut(m, ":")
		logins = append(logins, session.Login{Org: org, Family: family, Client: text[1:], Offline: text[0] == '+'})
	}
	slices.SortFunc(logins, func(a, b session.Login) int { return strings.Compare(a.Org+":"+a.Family, b.Org+":"+b.Family) })
	return logins, nil
}

// EndSession implements session.Store. Which logins outlive the session the store knows itself.
func (s *Store) EndSession(
	ctx context.Context, user, id string, logins []session.Login, notices []session.Notice, now time.Time,
) (done bool, err error) {
	keys := []string{
		s.space.Session(user, id), s.space.SessionLogins(user, id), s.space.Sessions(user), s.space.Grants(user),
		s.space.Logouts(s.space.Partition(user)),
	}
	args := []any{id, now.UnixMilli(), noticeKept.Milliseconds()}
	for _, l := range logins {
		ref := auth.FamilyRef{User: user, Org: l.Org, ID: l.Family}
		keys, args = append(keys, s.family(ref)), append(args, member(ref))
	}
	for _, n := range notices {
		args = append(args, noticeText(n))
	}
	reply, err := s.runner.Run(ctx, endSessionScript, keys, args...)
	if err != nil {
		return false, unavailable("end a session of user:"+user, err)
	}
	return reply == int64(1), nil
}

// forgetSessions removes all sessions of a user who is being deleted, and what tells of their logins.
func (s *Store) forgetSessions(ctx context.Context, user string) error {
	for {
		ids, err := s.rdb.ZRange(ctx, s.space.Sessions(user), 0, 99).Result()
		if err != nil || len(ids) == 0 {
			return err
		}
		keys, args := s.sessions(user, ids, []string{s.space.User(user), s.space.Sessions(user)}, nil)
		if _, err := s.runner.Run(ctx, forgetSessionsScript, keys, args...); err != nil {
			return err
		}
	}
}

// noticeText is how a notice stands in its partition's set.
func noticeText(n session.Notice) string {
	return strings.Join([]string{strconv.FormatInt(n.Since.UnixMilli(), 10), n.User, n.Org, n.Family, n.Client}, ":")
}

func parseNotice(text string) (session.Notice, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 5 {
		return session.Notice{}, fmt.Errorf("a notice of %d parts", len(parts))
	}
	since, err := moment(parts[0])
	return session.Notice{User: parts[1], Org: parts[2], Family: parts[3], Client: parts[4], Since: since}, err
}

// DueNotices implements session.Store. It asks all partitions in one round trip whether anything is due, and those where something
// is for it. A partition that cannot answer does not hold up the others.
func (s *Store) DueNotices(ctx context.Context, now time.Time, lease time.Duration, n int) ([]session.Notice, error) {
	const doing = "take notices of logouts"
	pipe := s.rdb.Pipeline()
	due := make([]*redis.IntCmd, s.space.Partitions())
	for p := range due {
		due[p] = pipe.ZCount(ctx, s.space.Logouts(p), "-inf", strconv.FormatInt(now.UnixMilli(), 10))
	}
	_, failed := pipe.Exec(ctx)
	op := rand.Text()
	var notices []session.Notice
	for p := range due {
		if due[p].Val() == 0 || len(notices) >= n {
			continue
		}
		taken, err := s.takeNotices(ctx, p, op, now, lease, n-len(notices))
		if err != nil {
			failed = err
		}
		notices = append(notices, taken...)
	}
	if len(notices) == 0 && failed != nil {
		return nil, unavailable(doing, failed)
	}
	return notices, nil
}

func (s *Store) takeNotices(
	ctx context.Context, partition int, op string, now time.Time, lease time.Duration, n int,
) (notices []session.Notice, err error) {
	keys := []string{s.space.Logouts(partition), s.space.LogoutsTaken(partition, op)}
	reply, err := s.runner.Run(ctx, takeNoticesScript, keys,
		now.UnixMilli(), now.Add(lease).UnixMilli(), n, noticeKept.Milliseconds())
	if err != nil {
		return nil, err
	}
	values, _ := reply.([]any)
	for _, text := range texts(values) {
		notice, bad := parseNotice(text)
		if bad != nil {
			err = bad
			continue
		}
		notices = append(notices, notice)
	}
	return notices, err
}

// RetryNotice implements session.Store.
func (s *Store) RetryNotice(ctx context.Context, n session.Notice, at time.Time) error {
	return s.settleNotice(ctx, n, strconv.FormatInt(at.UnixMilli(), 10))
}

// DropNotice implements session.Store.
func (s *Store) DropNotice(ctx context.Context, n session.Notice) error {
	return s.settleNotice(ctx, n, "")
}

func (s *Store) settleNotice(ctx context.Context, n session.Notice, due string) error {
	keys := []string{s.space.Logouts(s.space.Partition(n.User))}
	if _, err := s.runner.Run(ctx, settleNoticeScript, keys, noticeText(n), due, noticeKept.Milliseconds()); err != nil {
		return unavailable("settle a notice of user:"+n.User, err)
	}
	return nil
}
