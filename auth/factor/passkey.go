package factor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	stdjson "encoding/json" // what the WebAuthn library makes its records and options for
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/claimsmith/claimsmith/auth"
)

const (
	// MaxPasskeys is how many passkeys a user can have.
	MaxPasskeys = 20
	// ceremonyTime is how long a browser has to answer, clockSkew by how much clocks may differ.
	ceremonyTime = 5 * time.Minute
	clockSkew    = time.Minute
)

// Purposes of what is sealed.
const (
	sealedRegistration = "passkey registration"
	sealedLogin        = "passkey login"
)

// Ceremony is a WebAuthn exchange with a browser: Options is the JSON for navigator.credentials, State is sealed and comes back with the
// answer.
type Ceremony struct{ Options, State string }

// ceremony is what State holds.
type ceremony struct {
	Session   webauthn.SessionData `json:"session"`
	ExpiresAt time.Time            `json:"expires_at"`
}

var (
	errNoPasskeys = &auth.Error{
		Code:   auth.InvalidRequest,
		Detail: "passkeys are not available here: the issuer needs a host name, and https unless it is localhost",
	}
	errEnrolAnswer = &auth.Error{
		Code: auth.InvalidRequest, Field: "response",
		Detail: "the browser's answer is not valid, or it took longer than five minutes: begin again",
	}
	errLoginAnswer = &auth.Error{Code: auth.InvalidCredentials, Field: "response", Detail: "this passkey was not accepted: try again"}
	errNoPasskey   = &auth.Error{Code: auth.NotFound, Detail: "no such passkey"}
	// errReplay marks in the audit log what tells of a thief.
	errReplay = &auth.Error{Code: auth.InvalidCredentials, Field: "replay"}
)

// because returns e with its cause, for the log.
func because(e *auth.Error, cause error) error {
	with := *e
	with.Err = cause
	return &with
}

// PasskeysAvailable reports whether browsers would make passkeys for this issuer: for a host name, not an address, and only in a secure
// context (Web Authentication Level 3 §5.1.3, §5.4.2).
func (s *Service) PasskeysAvailable() bool {
	issuer := s.issuer()
	host := issuer.Hostname()
	local := issuer.Scheme == "http" && (host == "localhost" || strings.HasSuffix(host, ".localhost"))
	return (issuer.Scheme == "https" || local) && protocol.ValidateRPID(host) == nil
}

// issuer is the issuer's URL, its host in lower case, as browsers write it.
func (s *Service) issuer() *url.URL {
	issuer, err := url.Parse(s.Issuer)
	if err != nil {
		return &url.URL{}
	}
	issuer.Host = strings.ToLower(issuer.Host)
	return issuer
}

func (s *Service) relyingParty() (*webauthn.WebAuthn, error) {
	if !s.PasskeysAvailable() {
		return nil, errNoPasskeys
	}
	issuer := s.issuer()
	timeout := webauthn.TimeoutConfig{Timeout: ceremonyTime, TimeoutUVD: ceremonyTime} // told to the browser; State enforces it
	rp, err := webauthn.New(&webauthn.Config{
		RPID: issuer.Hostname(), RPDisplayName: issuer.Hostname(), RPOrigins: []string{issuer.Scheme + "://" + issuer.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationPreferred,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
		// Some password managers send what nobody asked for, and nothing here depends on it.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, because(errNoPasskeys, err)
	}
	return rp, nil
}

// person is a user as the WebAuthn library wants him. His handle is his id, at most 64 bytes.
type person struct {
	id, name    string
	credentials []webauthn.Credential
}

func (p *person) WebAuthnID() []byte                         { return []byte(p.id) }
func (p *person) WebAuthnName() string                       { return p.name }
func (p *person) WebAuthnDisplayName() string                { return p.name }
func (p *person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }

func newPerson(id, name string, f *Factors) (*person, error) {
	if name == "" {
		name = id
	}
	p := &person{id: id, name: name, credentials: make([]webauthn.Credential, len(f.Passkeys))}
	for n := range f.Passkeys {
		if err := stdjson.Unmarshal(f.Passkeys[n].Credential, &p.credentials[n]); err != nil {
			return nil, &auth.Error{Code: auth.Unavailable, Detail: "the passkeys of this user cannot be read", Err: err}
		}
	}
	return p, nil
}

func (s *Service) begin(options any, session *webauthn.SessionData, purpose string, bound ...string) (Ceremony, error) {
	shown, err := stdjson.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	plain, err := stdjson.Marshal(ceremony{*session, s.Now().Add(ceremonyTime)})
	if err != nil {
		return Ceremony{}, err
	}
	return Ceremony{Options: string(shown), State: s.seal(plain, purpose, bound...)}, nil
}

func (s *Service) openCeremony(state, purpose string, bound ...string) (c ceremony, ok bool) {
	plain, ok := s.open(state, purpose, bound...)
	return c, ok && stdjson.Unmarshal(plain, &c) == nil && s.Now().Before(c.ExpiresAt)
}

// once reports whether the challenge of a ceremony is used for the first time, by op.
func (s *Service) once(ctx context.Context, c *ceremony, op string) (bool, error) {
	return s.Once.Once(ctx, "webauthn", c.Session.Challenge, op, c.ExpiresAt.Add(clockSkew))
}

// BeginPasskey asks a browser for a new passkey of a user, who is shown by account.
func (s *Service) BeginPasskey(ctx context.Context, user, account string) (Ceremony, error) {
	rp, err := s.relyingParty()
	if err != nil {
		return Ceremony{}, err
	}
	f, err := s.Store.Factors(ctx, user)
	if err != nil {
		return Ceremony{}, err
	}
	if err := f.roomForPasskey(); err != nil {
		return Ceremony{}, err
	}
	p, err := newPerson(user, account, &f)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := rp.BeginRegistration(p, webauthn.WithExclusions(webauthn.Credentials(p.credentials).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, because(errNoPasskeys, err)
	}
	return s.begin(options, session, sealedRegistration, user)
}

func (f *Factors) roomForPasskey() error {
	if len(f.Passkeys) >= MaxPasskeys {
		return &auth.Error{Code: auth.Conflict, Detail: "there are 20 passkeys already: remove one first"}
	}
	return nil
}

// FinishPasskey keeps what the browser answered (RegistrationResponseJSON).
func (s *Service) FinishPasskey(ctx context.Context, user, name, state, response string) error {
	op := rand.Text()
	return s.own(ctx, "factor.enrol", user, func(f *Factors) error {
		if utf8.RuneCountInString(name) > 100 || strings.TrimSpace(name) == "" || strings.ContainsFunc(name, isUnprintable) {
			return &auth.Error{Code: auth.InvalidRequest, Field: "name", Detail: "1 to 100 printable characters"}
		}
		if err := f.roomForPasskey(); err != nil {
			return err
		}
		c, ok := s.openCeremony(state, sealedRegistration, user)
		if !ok {
			return errEnrolAnswer
		}
		added, err := s.newPasskey(user, f, &c, response)
		if err != nil {
			return err
		}
		if first, err := s.once(ctx, &c, op); err != nil {
			return err
		} else if !first {
			return errEnrolAnswer
		}
		added.Name, added.CreatedAt = name, s.Now()
		f.Passkeys = append(f.Passkeys, added)
		return nil
	})
}

func isUnprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// newPasskey checks the answer to a registration (Web Authentication Level 3 §7.1).
func (s *Service) newPasskey(user string, f *Factors, c *ceremony, response string) (Passkey, error) {
	rp, err := s.relyingParty()
	if err != nil {
		return Passkey{}, err
	}
	p, err := newPerson(user, "", f)
	if err != nil {
		return Passkey{}, err
	}
	if len(response) > maxText {
		return Passkey{}, errEnrolAnswer
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return Passkey{}, because(errEnrolAnswer, err)
	}
	credential, err := rp.CreateCredential(p, c.Session, answer)
	if err != nil {
		return Passkey{}, because(errEnrolAnswer, err)
	}
	if f.passkey(credential.ID) >= 0 {
		return Passkey{}, &auth.Error{Code: auth.Conflict, Detail: "this passkey is there already"}
	}
	credential.Attestation = webauthn.CredentialAttestation{} // none was asked for, so it tells nothing
	record, err := stdjson.Marshal(credential)
	return Passkey{ID: credential.ID, Credential: record}, err
}

// passkey returns the index of a passkey, or -1.
func (f *Factors) passkey(id []byte) int {
	return slices.IndexFunc(f.Passkeys, func(p Passkey) bool { return bytes.Equal(p.ID, id) })
}

// RemovePasskey forgets a passkey by its id in base64url; without another second factor the recovery codes go too.
func (s *Service) RemovePasskey(ctx context.Context, user, id string) error {
	return s.own(ctx, "factor.remove", user, func(f *Factors) error {
		named, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil {
			return because(errNoPasskey, err)
		}
		n := f.passkey(named)
		if n < 0 {
			return errNoPasskey
		}
		f.Passkeys = slices.Delete(f.Passkeys, n, n+1)
		f.tidy()
		return nil
	})
}
