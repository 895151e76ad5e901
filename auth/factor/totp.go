package factor

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base32"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/claimsmith/claimsmith/auth"
)

// The parameters every authenticator app knows (RFC 6238 §4, RFC 4226 §5.3).
const (
	period = 30 // seconds
	digits = otp.DigitsSix
	hash   = otp.AlgorithmSHA1
)

// enrolmentTime is how long a user has to set up his app.
const enrolmentTime = 10 * time.Minute

// Purposes of what is sealed.
const (
	sealedSecret    = "authenticator app"
	sealedEnrolment = "authenticator app enrolment"
)

// Enrolment is an authenticator app on its way: Secret is to be typed into it, or URI shown to it, and State is sealed and comes back
// with the first code.
type Enrolment struct{ Secret, URI, State string }

// enrolment is what State holds.
type enrolment struct {
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expires_at"`
}

var errTOTPExists = &auth.Error{Code: auth.Conflict, Detail: "there is an authenticator app already: remove it first"}

// BeginTOTP makes a secret for a user, who is named in the app by account. Nothing is kept.
func (s *Service) BeginTOTP(ctx context.Context, user, account string) (Enrolment, error) {
	f, err := s.Store.Factors(ctx, user)
	if err != nil {
		return Enrolment{}, err
	}
	if f.TOTP != nil {
		return Enrolment{}, errTOTPExists
	}
	key, err := s.newKey(user, account, nil)
	if err != nil {
		return Enrolment{}, err
	}
	plain, err := json.Marshal(enrolment{key.Secret(), s.Now().Add(enrolmentTime)})
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Secret: key.Secret(), URI: key.URL(), State: s.seal(plain, sealedEnrolment, user)}, nil
}

// ResumeTOTP returns an enrolment again that has not been finished and is not over, from its State.
func (s *Service) ResumeTOTP(ctx context.Context, user, account, state string) (Enrolment, error) {
	f, err := s.Store.Factors(ctx, user)
	if err != nil {
		return Enrolment{}, err
	}
	if f.TOTP != nil {
		return Enrolment{}, errTOTPExists
	}
	secret, err := s.openEnrolment(user, state)
	if err != nil {
		return Enrolment{}, err
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return Enrolment{}, err
	}
	key, err := s.newKey(user, account, raw)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Secret: key.Secret(), URI: key.URL(), State: state}, nil
}

// newKey makes a key of a secret, of a new one for nil.
func (s *Service) newKey(user, account string, secret []byte) (*otp.Key, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: s.issuer().Hostname(), AccountName: cmp.Or(account, user), Period: period, Digits: digits, Algorithm: hash,
		Secret: secret, SecretSize: 20, // RFC 4226 §4, R6
	})
	if err != nil {
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: "account", Detail: "no app could show this name", Err: err}
	}
	return key, nil
}

// FinishTOTP keeps it once the app has shown that it knows it, and returns the first recovery codes if the user has none yet.
func (s *Service) FinishTOTP(ctx context.Context, user, state, code string) (recovery []string, err error) {
	err = s.own(ctx, "factor.enrol", user, func(f *Factors) error {
		if f.TOTP != nil {
			return errTOTPExists
		}
		secret, err := s.openEnrolment(user, state)
		if err != nil {
			return err
		}
		now := s.Now()
		step, ok := stepOf(secret, compact(code), now)
		if !ok {
			return &auth.Error{Code: auth.InvalidCredentials, Field: "code", Detail: "this is not the code the app shows: is its clock right?"}
		}
		f.TOTP = &TOTP{Secret: s.Sealer.Seal([]byte(secret), sealedSecret, user), Step: step, CreatedAt: now}
		recovery = nil
		if len(f.RecoveryCodes) == 0 {
			recovery = newRecoveryCodes(f, user)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

func (s *Service) openEnrolment(user, state string) (secret string, err error) {
	var e enrolment
	plain, ok := s.open(state, sealedEnrolment, user)
	if !ok || json.Unmarshal(plain, &e) != nil || !s.Now().Before(e.ExpiresAt) {
		return "", &auth.Error{Code: auth.InvalidRequest, Field: "state", Detail: "this took longer than ten minutes: begin again"}
	}
	return e.Secret, nil
}

// RemoveTOTP forgets the app; without another second factor the recovery codes go too.
func (s *Service) RemoveTOTP(ctx context.Context, user string) error {
	return s.own(ctx, "factor.remove", user, func(f *Factors) error {
		if f.TOTP == nil {
			return &auth.Error{Code: auth.NotFound, Detail: "there is no authenticator app"}
		}
		f.TOTP = nil
		f.tidy()
		return nil
	})
}

// tidy drops the recovery codes of a user who has no second factor that they could stand in for.
func (f *Factors) tidy() {
	if !f.Any() {
		f.RecoveryCodes = nil
	}
}

// compact drops what people put between the groups of a code.
func compact(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.NewReplacer(" ", "", "-", "").Replace(code)
}

// isOneTime reports whether a compact code is one of an app, right or wrong.
func isOneTime(code string) bool {
	if len(code) != digits.Length() {
		return false
	}
	for _, c := range []byte(code) {
		if c < '0' || '9' < c {
			return false
		}
	}
	return true
}

// useTOTP accepts a one-time password and makes it, and all before it, a used one (RFC 6238 §5.2).
func (s *Service) useTOTP(f *Factors, user, code string) error {
	if f.TOTP == nil {
		return errCode
	}
	secret, err := s.Sealer.Open(f.TOTP.Secret, sealedSecret, user)
	if err != nil {
		return &auth.Error{Code: auth.Unavailable, Detail: "the authenticator app of this user cannot be checked now", Err: err}
	}
	step, ok := stepOf(string(secret), code, s.Now())
	if !ok || step <= f.TOTP.Step {
		return errCode
	}
	f.TOTP.Step = step
	if !s.Sealer.Current(f.TOTP.Secret) {
		f.TOTP.Secret = s.Sealer.Seal(secret, sealedSecret, user)
	}
	return nil
}

// stepOf returns the last time step a code is right for, among the present one and its neighbours: clocks differ (RFC 6238 §5.2). The
// last, so that a code two steps share is used up for both.
func stepOf(secret, code string, now time.Time) (step int64, ok bool) {
	present := now.Unix() / period
	for n := present - 1; n <= present+1; n++ {
		counter := uint64(n) //nolint:gosec // a time after 1970
		right, err := hotp.GenerateCodeCustom(secret, counter, hotp.ValidateOpts{Digits: digits, Algorithm: hash})
		if err == nil && subtle.ConstantTimeCompare([]byte(right), []byte(code)) == 1 {
			step, ok = n, true
		}
	}
	return step, ok
}
