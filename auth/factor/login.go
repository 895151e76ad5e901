package factor

import (
	"context"
	"crypto/rand"
	stdjson "encoding/json" // what the WebAuthn library makes its records for
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/claimsmith/claimsmith/auth"
)

// BeginLogin asks a browser to prove a passkey: any of its own for user "", one of that user's otherwise, which is NotFound if he has
// none. It tells which passkeys a user has, so he must have given his password before. Whoever asks must look whose passkey FinishLogin
// says it was.
func (s *Service) BeginLogin(ctx context.Context, user string) (Ceremony, error) {
	rp, err := s.relyingParty()
	if err != nil {
		return Ceremony{}, err
	}
	if user == "" {
		options, session, err := rp.BeginDiscoverableLogin()
		if err != nil {
			return Ceremony{}, because(errNoPasskeys, err)
		}
		return s.begin(options, session, sealedLogin)
	}
	f, err := s.Store.Factors(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	if len(f.Passkeys) == 0 {
		return Ceremony{}, errNoPasskey
	}
	p, err := newPerson(user, "", &f)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := rp.BeginLogin(p)
	if err != nil {
		return Ceremony{}, because(errNoPasskeys, err)
	}
	return s.begin(options, session, sealedLogin)
}

// FinishLogin returns who answered (AuthenticationResponseJSON) and whether the authenticator verified the person, and not only that
// somebody was there. InvalidCredentials or Throttled. The answer works once. A signature is not for guessing, so attempts count by
// address alone: nobody can use up those of another user.
func (s *Service) FinishLogin(ctx context.Context, state, response, address string) (user string, verified bool, err error) {
	u, verified, err := s.finishLogin(ctx, state, response, address)
	if auth.CodeOf(err) == auth.NotFound {
		err = because(errLoginAnswer, err)
	}
	if err != nil {
		s.record(ctx, "factor.verify", "", &u, err)
		return "", false, err
	}
	s.record(ctx, "factor.verify", "user:"+u.ID, &u, nil)
	return u.ID, verified, nil
}

func (s *Service) finishLogin(ctx context.Context, state, response, address string) (u auth.User, verified bool, err error) {
	rp, err := s.relyingParty()
	if err != nil {
		return u, false, err
	}
	if err := auth.Attempt(ctx, s.Limiter, auth.Bucket{Kind: "passkey", Subject: address, Burst: 100, Period: time.Second}); err != nil {
		return u, false, err
	}
	c, ok := s.openCeremony(state, sealedLogin)
	if !ok || len(response) > maxText {
		return u, false, errLoginAnswer
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return u, false, because(errLoginAnswer, err)
	}
	id := string(c.Session.UserID)
	if id == "" {
		id = string(answer.Response.UserHandle)
	}
	if u, err = s.active(ctx, id); err != nil {
		return u, false, err
	}
	op := rand.Text()
	err = s.change(ctx, id, func(f *Factors) error {
		credential, err := checkAnswer(rp, id, f, &c, answer)
		if err != nil {
			return err
		}
		first, err := s.once(ctx, &c, op)
		switch {
		case err != nil:
			return err
		case !first, credential.Authenticator.CloneWarning: // a counter that did not grow (Web Authentication Level 3 §7.2, step 22)
			return because(errLoginAnswer, errReplay)
		}
		used := &f.Passkeys[f.passkey(credential.ID)]
		used.UsedAt = s.Now()
		used.Credential, err = stdjson.Marshal(credential)
		return err
	})
	return u, answer.Response.AuthenticatorData.Flags.HasUserVerified(), err
}

// checkAnswer checks the answer to a login (Web Authentication Level 3 §7.2) and returns the passkey as it is from now on.
func checkAnswer(
	rp *webauthn.WebAuthn, id string, f *Factors, c *ceremony, answer *protocol.ParsedCredentialAssertionData,
) (*webauthn.Credential, error) {
	p, err := newPerson(id, "", f)
	if err != nil {
		return nil, err
	}
	var credential *webauthn.Credential
	if len(c.Session.UserID) > 0 {
		credential, err = rp.ValidateLogin(p, c.Session, answer)
	} else {
		_, credential, err = rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != id {
				return nil, errors.New("the handle is another user's")
			}
			return p, nil
		}, c.Session, answer)
	}
	if err != nil {
		return nil, because(errLoginAnswer, err)
	}
	return credential, nil
}
