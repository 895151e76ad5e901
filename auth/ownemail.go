package auth

import (
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth/ticket"
)

// emailLifetime is how long a new address can be confirmed.
const emailLifetime = 24 * time.Hour

var errEmailSecret = &Error{Code: InvalidGrant, Detail: "this link is not valid, or no longer"}

// emailCodec writes and reads what is mailed to a new address, cs_em_<user>.<payload>. It is of use to whoever reads the mail alone, so the
// record has its hash.
func (s *Users) emailCodec() ticket.Codec {
	return ticket.Codec{Prefix: "cs_em_", Parts: 1, Payload: 32, Keys: s.EmailKeys}
}

// AskEmail notes that a person wants another address and returns what has to come back from there, through ConfirmEmail, within a day; the
// last one asked for is the one that counts. It is "" where the address is somebody's already, which nothing else shows the person, or
// his own verified one, when nothing is noted. It is Throttled where he asks too often, and AccessDenied where he is
// logged in to another organisation than his home one, whose clients are none of the business of who manages him.
func (s *Users) AskEmail(ctx context.Context, caller *Caller, address string) (secret string, err error) {
	user, err := s.Find(ctx, caller, "", "me")
	if err == nil && caller.HomeOrg() != user.Orgs[0] { // he logs in by it everywhere (row A-04)
		err = errForbidden("change an address: that takes a login to the home organisation")
	}
	if err == nil {
		secret, err = s.askEmail(ctx, &user, address)
	}
	s.record(ctx, "user.email.ask", caller, caller.HomeOrg(), user.ID, err)
	return secret, err
}

func (s *Users) askEmail(ctx context.Context, user *User, address string) (secret string, err error) {
	h, err := ParseEmail(address)
	if err != nil || owns(user, h) {
		return "", err
	}
	if err := Attempt(ctx, s.Limiter, Bucket{Kind: "email", Subject: "user:" + user.ID, Burst: 5, Period: 12 * time.Minute}); err != nil {
		return "", err
	}
	secret = s.emailCodec().Format(ticket.Random(32), user.ID)
	// Also where the address is somebody's, so that neither the record nor what was asked for before tells whether it is.
	if err := s.noteEmail(ctx, user, h.Canonical, hashSecret(secret)); err != nil {
		return "", err
	}
	if err := s.checkFree(ctx, h, user.ID); CodeOf(err) == Conflict {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return secret, nil
}

func (s *Users) noteEmail(ctx context.Context, asking *User, address, hash string) error {
	err := unlessChanged(nil, func() error {
		user, _, err := s.Store.User(ctx, asking.ID)
		if err != nil {
			return err
		}
		user.PendingEmail = &PendingEmail{Address: address, Hash: hash, Until: s.Now().Add(emailLifetime), Epoch: asking.Epoch}
		_, err = s.Store.PutUser(ctx, user, nil, nil, newOperation())
		return err
	})
	s.changed()
	return err
}

// AskedEmail returns the user and the address of a secret that ConfirmEmail would accept, else an InvalidGrant.
func (s *Users) AskedEmail(ctx context.Context, secret string) (User, string, error) {
	user, confirmed, err := s.emailUser(ctx, secret)
	if err != nil {
		return User{}, "", err
	}
	if confirmed {
		return user, user.Email, nil
	}
	return user, user.PendingEmail.Address, nil
}

// emailUser returns the user whom a secret makes the owner of an address, or, with confirmed, has made it already.
func (s *Users) emailUser(ctx context.Context, secret string) (user User, confirmed bool, err error) {
	_, parts, ok := s.emailCodec().Parse(secret)
	if !ok {
		return User{}, false, errEmailSecret
	}
	user, _, err = s.Store.User(ctx, parts[0])
	if CodeOf(err) == NotFound || err == nil && (user.Deleting || user.Disabled) {
		return User{}, false, errEmailSecret
	}
	if err != nil {
		return User{}, false, err
	}
	is := func(hash string) bool {
		return subtle.ConstantTimeCompare([]byte(hash), []byte(hashSecret(secret))) == 1
	}
	if asked := user.Asked(s.Now()); asked != nil && is(asked.Hash) {
		return user, false, nil
	}
	if is(user.EmailProof) {
		return user, true, nil
	}
	return User{}, false, errEmailSecret
}

// ConfirmEmail makes the address that a secret was mailed to the user's verified one. Repeating it is no error, and then before is after.
// Who has told after.EmailsBefore of it says so to ToldBefore. A secret that is not valid, or no longer, is InvalidGrant; an address that became somebody else's in between is a Conflict.
func (s *Users) ConfirmEmail(ctx context.Context, secret string) (before, after User, err error) {
	done := false
	err = unlessChanged(nil, func() (err error) {
		before, after, done, err = s.confirmEmail(ctx, secret)
		return err
	})
	if before.ID != "" && !done {
		s.record(ctx, "user.email", Person(before.ID, before.Orgs[0]), before.Orgs[0], before.ID, err)
	}
	return before, after, err
}

// confirmEmail reports with done that everything was done before.
func (s *Users) confirmEmail(ctx context.Context, secret string) (before, after User, done bool, err error) {
	before, confirmed, err := s.emailUser(ctx, secret)
	if err != nil {
		return User{}, User{}, false, err
	}
	after, old := before, before
	if confirmed {
		if done, err = s.settled(ctx, &before); done || err != nil {
			return before, before, done, err
		}
		// The call before may have been cut off after it had written the record, or be about to give the address up for somebody who was
		// quicker. It cannot once the record has another version.
		old.EmailVerified = false
	} else {
		after.Email, after.UpdatedAt = before.PendingEmail.Address, s.Now()
		after.PendingEmail, after.EmailProof = nil, before.PendingEmail.Hash
		if before.EmailVerified {
			after.EmailsBefore = append(slices.Clone(before.EmailsBefore), before.Email)
		}
		after.EmailsBefore = without(after.EmailsBefore, []string{after.Email})
	}
	after.EmailVerified = true
	if _, err = s.write(ctx, &after, &old, nil); err != nil {
		return before, before, false, err
	}
	if confirmed {
		before = after
	}
	return before, after, false, nil
}

// settled reports whether the user's address is his, and stays so.
func (s *Users) settled(ctx context.Context, u *User) (bool, error) {
	if !u.EmailVerified {
		return false, nil
	}
	return s.Store.SettleHandle(ctx, Handle{Kind: KindEmail, Canonical: u.Email}, Holder{u.ID, newOperation()})
}

// ToldBefore notes that addresses among a user's EmailsBefore need not be told again.
func (s *Users) ToldBefore(ctx context.Context, id string, addresses []string) error {
	err := unlessChanged(nil, func() error {
		user, _, err := s.Store.User(ctx, id)
		if err != nil {
			return err
		}
		left := without(user.EmailsBefore, addresses)
		if len(left) == len(user.EmailsBefore) {
			return nil
		}
		user.EmailsBefore = left
		_, err = s.Store.PutUser(ctx, user, nil, nil, newOperation())
		return err
	})
	s.changed()
	return err
}
