package authorize_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
)

// signIn gives the right password.
func (w *world) signIn(f *authorize.Flow, name string) *auth.Subject {
	w.t.Helper()
	who, err := w.SignIn(w.t.Context(), f, name, password, address)
	w.must(err)
	return who
}

// wantWho checks who has logged in and how.
func (w *world) wantWho(who *auth.Subject, user, amr, acr string) {
	w.t.Helper()
	if who == nil || who.User != user || strings.Join(who.AMR, " ") != amr || who.ACR != acr || !who.AuthTime.Equal(w.clock.Now()) {
		w.t.Fatalf("logged in is %+v, want %s by %s of class %s", who, user, amr, acr)
	}
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	f := w.begin("app", "prompt", "login")
	who := w.signIn(f, "Jane@Example.com")
	w.wantWho(who, "jane-id", "pwd", "1")
	if got := w.recorded("login.password"); !slices.Equal(got, []string{"success user:jane-id default user:jane-id"}) {
		t.Errorf("recorded %q", got)
	}
	w.approval(w.next(f, w.start(*who), authorize.StepAnswer).Answer)

	yes := true
	_, err := w.users.Update(t.Context(), auth.System(), "default", "john", nil, auth.UserChange{Disabled: &yes})
	w.must(err)
	for name, c := range map[string][3]string{
		"a wrong password": {"jane", "wrong horse", "default user:jane-id"}, "no password": {"jane", "", "default user:jane-id"},
		"nobody": {"nobody", password, ""}, "no name": {"", password, ""}, "what is no name": {"<svg>", password, ""},
		"a disabled user": {"john", password, "default user:john-id"},
	} {
		who, err := w.SignIn(t.Context(), f, c[0], c[1], address)
		w.wantCode(err, auth.InvalidCredentials)
		if who != nil || f.Primary != nil {
			t.Errorf("%s: %v, first is %v", name, who, f.Primary)
		}
		want := strings.TrimSpace("denied invalid_credentials " + c[2])
		if got := w.recorded("login.password"); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: recorded %q, want %q", name, got, want)
		}
	}
}

func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	code := w.enrol("jane-id")
	f := w.begin("app", "acr_values", "2")
	if who := w.signIn(f, "jane"); who != nil {
		t.Fatalf("logged in as %+v without the second factor", who)
	}
	step := w.next(f, nil, authorize.StepFactor)
	if step.Factors.TOTP == nil || step.User != nil {
		t.Errorf("the page is %+v", step)
	}
	_, err := w.CheckCode(t.Context(), f, "000000", address)
	w.wantCode(err, auth.InvalidCredentials)
	_, err = w.CheckCode(t.Context(), w.begin("app"), code(), address) // no password before it
	w.wantCode(err, auth.LoginRequired)
	w.pass(10 * time.Minute)
	used := code()
	replayed := w.reopened(f)
	who, err := w.CheckCode(t.Context(), w.reopened(f), used, address)
	w.must(err)
	w.wantWho(who, "jane-id", "pwd otp mfa", "2")
	_, err = w.CheckCode(t.Context(), replayed, used, address)
	w.wantCode(err, auth.InvalidCredentials)
	if a := w.approval(w.next(f, w.start(*who), authorize.StepAnswer).Answer); a.ACR != "2" {
		t.Errorf("acr is %s", a.ACR)
	}

	// The first is good for ten minutes.
	w.pass(time.Millisecond)
	_, err = w.CheckCode(t.Context(), f, code(), address)
	w.wantCode(err, auth.LoginRequired)
	w.next(f, nil, authorize.StepSignIn)

	// And for nothing once the factors were reset, which changes the epoch.
	f = w.begin("app")
	w.signIn(f, "jane")
	w.must(w.Factors.Reset(t.Context(), auth.System(), "default", "jane"))
	w.next(f, nil, authorize.StepSignIn)
	_, err = w.CheckCode(t.Context(), f, code(), address)
	w.wantCode(err, auth.InvalidCredentials)
}

// A password that is changed between the two factors makes both void (row L-08).
func TestPasswordChangesBetweenFactors(t *testing.T) {
	w := newWorld(t)
	code := w.enrol("jane-id")
	f := w.begin("app")
	w.signIn(f, "jane")
	w.must(w.users.SetPassword(t.Context(), auth.System(), "default", "jane", auth.NewPassword{Password: "another one of hers"}))
	who, err := w.CheckCode(t.Context(), f, code(), address)
	w.must(err)
	_, _, err = w.Sessions.Start(t.Context(), *who, nil, "", address)
	w.wantCode(err, auth.InvalidGrant)
}

// key is a software authenticator.
type key struct {
	rp            virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
}

// register gives a user a passkey that asks who he is, or not.
func (w *world) register(user string, verifies bool) *key {
	w.t.Helper()
	k := &key{
		rp: virtualwebauthn.RelyingParty{ID: "id.example", Name: "id.example", Origin: issuer},
		authenticator: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{
			UserHandle: []byte(user), UserNotVerified: !verifies,
		}),
	}
	for k.credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(k.credential.Key.AttestationData()) != 77; {
		k.credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2) // it writes a coordinate that begins with a zero too short
	}
	c, err := w.Factors.BeginPasskey(w.t.Context(), user, user)
	w.must(err)
	options, err := virtualwebauthn.ParseAttestationOptions(c.Options)
	w.must(err)
	answer := virtualwebauthn.CreateAttestationResponse(k.rp, k.authenticator, k.credential, *options)
	w.must(w.Factors.FinishPasskey(w.t.Context(), user, "a key", c.State, answer))
	return k
}

// use answers a ceremony for any user, "", or for one.
func (w *world) use(k *key, f *authorize.Flow, user string) (*auth.Subject, error) {
	w.t.Helper()
	c, err := w.Factors.BeginLogin(w.t.Context(), user)
	w.must(err)
	options, err := virtualwebauthn.ParseAssertionOptions(c.Options)
	w.must(err)
	k.credential.Counter++
	answer := virtualwebauthn.CreateAssertionResponse(k.rp, k.authenticator, k.credential, *options)
	return w.CheckPasskey(w.t.Context(), f, c.State, answer, address)
}

func TestPasskey(t *testing.T) {
	w := newWorld(t)
	verifies := w.register("jane-id", true)
	f := w.begin("app", "acr_values", "2")
	who, err := w.use(verifies, f, "")
	w.must(err)
	w.wantWho(who, "jane-id", "pop mfa", "2")
	w.approval(w.next(f, w.start(*who), authorize.StepAnswer).Answer)

	// As the second factor it need not verify.
	touched := w.register("john-id", false)
	f = w.begin("app")
	if who := w.signIn(f, "john"); who != nil {
		t.Fatalf("logged in as %+v without the second factor", who)
	}
	if step := w.next(f, nil, authorize.StepFactor); len(step.Factors.Passkeys) != 1 {
		t.Errorf("the page is %+v", step)
	}
	who, err = w.use(touched, f, "john-id")
	w.must(err)
	w.wantWho(who, "john-id", "pwd pop mfa", "2")

	// Of another user than the one who gave the password it stands for itself.
	f = w.begin("app")
	w.signIn(f, "john")
	who, err = w.use(verifies, f, "")
	w.must(err)
	w.wantWho(who, "jane-id", "pop mfa", "2")

	// Alone and without verification it is not enough, but a code makes it so.
	f = w.begin("app")
	who, err = w.use(touched, f, "")
	if w.wantCode(err, auth.InvalidCredentials); who != nil || f.Primary != nil {
		t.Errorf("logged in as %+v, first is %+v", who, f.Primary)
	}
	code := w.enrol("john-id")
	who, err = w.use(touched, f, "")
	w.must(err)
	if who != nil || f.Primary == nil {
		t.Fatalf("logged in as %+v, first is %+v", who, f.Primary)
	}
	twice := w.reopened(f) // the same kind twice is not two kinds
	if who, err := w.use(touched, twice, ""); err != nil || who != nil {
		t.Errorf("logged in as %+v %v", who, err)
	}
	who, err = w.CheckCode(t.Context(), f, code(), address)
	w.must(err)
	w.wantWho(who, "john-id", "pop otp mfa", "2")

	yes := true
	_, err = w.users.Update(t.Context(), auth.System(), "default", "jane", nil, auth.UserChange{Disabled: &yes})
	w.must(err)
	who, err = w.use(verifies, w.begin("app"), "")
	if w.wantCode(err, auth.InvalidCredentials); who != nil {
		t.Errorf("logged in as %+v", who)
	}
}
