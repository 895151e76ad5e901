package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"
	"unicode"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/ticket"
	"github.com/claimsmith/claimsmith/internal/audit"
)

const (
	textPrefix = "cs_ss_"
	idLen      = 12
	secretLen  = 24

	// maxSessions is how many browsers of one user can be logged in (row D-07).
	maxSessions = 50
	// touchEvery is how exactly the last use of a session is known, so that not every request has to write.
	touchEvery = time.Minute
	maxAgent   = 200 // characters
)

// Lifetimes bound a session: Idle from its last use, Absolute from when the user proved who he is.
type Lifetimes struct{ Idle, Absolute time.Duration }

// Service manages sessions.
type Service struct {
	Store    Store
	Registry *auth.Registry
	Users    *auth.Users
	// Keys authenticate the texts browsers hold, the first for new ones.
	Keys      [][]byte
	Lifetimes Lifetimes
	Audit     audit.Log
	Now       func() time.Time
	// Ended, if not nil, is called when notices have become due. It must not block.
	Ended func()
}

// codec writes and reads the texts browsers hold: cs_ss_<user>.<payload>, the payload being id and secret (see package ticket).
func (s *Service) codec() ticket.Codec {
	return ticket.Codec{Prefix: textPrefix, Parts: 1, Payload: idLen + secretLen, Keys: s.Keys}
}

// Start logs a browser in and returns the session and the text that proves it. prior, if not nil, is the session the browser had: one of
// the same user is replaced, with a new id and text (row S-02), one of another user is ended.
func (s *Service) Start(ctx context.Context, who auth.Subject, prior *Session, agent, address string) (*Session, string, error) {
	payload := ticket.Random(idLen + secretLen)
	now := s.Now()
	sess := &Session{
		User: who.User, ID: formatID(payload[:idLen]), Epoch: who.Epoch, AuthTime: who.AuthTime, AMR: who.AMR,
		CreatedAt: now, SeenAt: now, ExpiresAt: who.AuthTime.Add(s.Lifetimes.Absolute), Agent: legible(agent), Address: address,
	}
	err := s.start(ctx, sess, payload[idLen:], prior)
	s.record(ctx, "session.start", "user:"+who.User, who.Org, who.User, sess.ID, err)
	if err != nil {
		return nil, "", err
	}
	return sess, s.codec().Format(payload, sess.User), nil
}

func (s *Service) start(ctx context.Context, sess *Session, secret []byte, prior *Session) error {
	if !sess.SeenAt.Before(sess.ExpiresAt) {
		return &auth.Error{Code: auth.LoginRequired, Detail: "the login is too long ago, log in again"}
	}
	replaces := ""
	switch {
	case prior == nil:
	case prior.User == sess.User:
		replaces, sess.CreatedAt = prior.ID, prior.CreatedAt
	default:
		if err := s.end(ctx, prior.User, prior.ID); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(secret)
	return s.Store.CreateSession(ctx, *sess, sum[:], s.idleUntil(sess), replaces, maxSessions)
}

// idleUntil is when a session ends unless it is used again.
func (s *Service) idleUntil(sess *Session) time.Time {
	if idle := sess.SeenAt.Add(s.Lifetimes.Idle); idle.Before(sess.ExpiresAt) {
		return idle
	}
	return sess.ExpiresAt
}

func (s *Service) alive(sess *Session, now time.Time) bool { return now.Before(s.idleUntil(sess)) }

// Resolve returns the session a text proves, nil for none, and notes that it was used.
func (s *Service) Resolve(ctx context.Context, text, address string) (*Session, error) {
	payload, parts, ok := s.codec().Parse(text)
	if !ok || !auth.ValidUserID(parts[0]) {
		return nil, nil
	}
	sess, secret, err := s.Store.Session(ctx, parts[0], formatID(payload[:idLen]))
	if auth.CodeOf(err) == auth.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := s.Now()
	sum := sha256.Sum256(payload[idLen:])
	if subtle.ConstantTimeCompare(sum[:], secret) != 1 || !s.alive(&sess, now) {
		return nil, nil
	}
	if now.Sub(sess.SeenAt) >= touchEvery {
		sess.SeenAt, sess.Address = now, address
		if err := s.Store.Touch(ctx, sess.User, sess.ID, now, s.idleUntil(&sess), address); err != nil {
			return nil, err
		}
	}
	return &sess, nil
}

// Past returns the session a text was once made for, live or not, nil for none. It proves nobody to be logged in; it is for ending what
// was opened from a session that has ended by time.
func (s *Service) Past(text string) *Session {
	payload, parts, ok := s.codec().Parse(text)
	if !ok || !auth.ValidUserID(parts[0]) {
		return nil
	}
	return &Session{User: parts[0], ID: formatID(payload[:idLen])}
}

func formatID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func validID(id string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	return err == nil && len(b) == idLen && formatID(b) == id
}

// legible makes what a browser says it is fit to be shown in a list.
func legible(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(agent, ""))
	if runes := []rune(agent); len(runes) > maxAgent {
		agent = string(runes[:maxAgent])
	}
	return agent
}

func (s *Service) record(ctx context.Context, action, actor, org, user, id string, err error) {
	e := auth.About(auth.Outcome(action, actor, err), org, "", "")
	if user != "" && validID(id) {
		e.Target = "session:" + user + "/" + id
	}
	s.Audit.Record(ctx, e)
}
