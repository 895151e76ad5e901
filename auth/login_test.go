package auth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// doors is where passwords are checked, over the users of a store.
type doors struct {
	auth.Authenticator
	t       *testing.T
	store   *redisstore.Store
	factors *factor.Service
	now     time.Time
	hash    string // of testPassword
	client  *auth.Client
}

func newDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{t: t, now: time.Now().UTC().Truncate(time.Second), client: &auth.Client{ID: "app", Org: "acme", AllOrgs: true}}
	d.store = redisstore.New(&durable.Runner{Client: redistest.Embedded(t).Client}, keyspace.New(keyspace.DefaultPartitions))
	clock, logger := func() time.Time { return d.now }, slog.New(slog.NewTextHandler(io.Discard, nil))
	hasher, err := auth.NewHasher(auth.HashConfig{})
	d.must(err)
	d.hash, err = hasher.Hash(t.Context(), testPassword)
	d.must(err)
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	d.must(err)
	d.factors = &factor.Service{
		Store: d.store, Once: d.store, UserIDs: d.store, Limiter: d.store, Sealer: sealer, Issuer: "https://id.example",
		Audit: audit.NewLog(logger), Now: clock,
	}
	d.Authenticator = auth.Authenticator{
		Users: d.store, Factors: d.factors, Hasher: hasher, Limiter: d.store, Limits: auth.DefaultLoginLimits,
		Registry: &auth.Registry{ClientStore: d.store, OrgStore: d.store, Now: clock}, Logger: logger, Now: clock,
	}
	for _, slug := range []string{"acme", "globex"} {
		_, err := d.store.PutOrg(t.Context(), auth.Org{Slug: slug}, slug)
		d.must(err)
	}
	return d
}

func (d *doors) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// add makes a user of acme, as changed by change, with a password.
func (d *doors) add(id, hash string, change func(*auth.User)) {
	d.t.Helper()
	u := auth.User{ID: id, Username: id, Orgs: []string{"acme"}, Epoch: 7}
	if change != nil {
		change(&u)
	}
	_, err := d.store.PutUser(d.t.Context(), u, &hash, nil, id)
	d.must(err)
	for _, h := range u.Handles() {
		_, err := d.store.ClaimHandle(d.t.Context(), h, auth.Holder{User: id}, auth.Holder{})
		d.must(err)
	}
}

func (d *doors) login(name, password, otp string) (auth.Subject, error) {
	return d.Authenticate(d.t.Context(), auth.Login{
		Username: name, Password: password, OTP: otp, Client: d.client, Address: "192.0.2.1",
	})
}

func (d *doors) wantCode(what string, err error, want auth.Code) {
	d.t.Helper()
	if auth.CodeOf(err) != want || err == nil {
		d.t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// Rows L-06, L-08: the pages' door and that of the password grant tell failures apart as little as each other.
func TestPasswordDoors(t *testing.T) {
	d := newDoors(t)
	ctx := t.Context()
	d.add("jane", d.hash, func(u *auth.User) { u.Email, u.EmailVerified = "jane@acme.example", true })
	d.add("disabled", d.hash, func(u *auth.User) { u.Disabled = true })
	d.add("passwordless", "", nil)
	for _, name := range []string{"jane", "JANE@acme.example"} {
		u, err := d.Password(ctx, name, testPassword, "192.0.2.1")
		if err != nil || u.ID != "jane" || u.Epoch != 7 || u.Version != 1 {
			t.Errorf("%s: %+v (%v)", name, u, err)
		}
		subject, err := d.login(name, testPassword, "000000") // which nobody asked for
		want := auth.Subject{User: "jane", Org: "acme", AuthTime: d.now, AMR: []string{"pwd"}, ACR: "1", Epoch: 7}
		if diff := cmp.Diff(want, subject); err != nil || diff != "" {
			t.Errorf("%s: subject (%v) differs:\n%s", name, err, diff)
		}
	}

	_, wrong := d.Password(ctx, "jane", "not her password", "192.0.2.1")
	for _, class := range []struct{ name, password, tried string }{
		{"jane", "not her password", "jane"}, {"jane", "", "jane"}, {"disabled", testPassword, "disabled"}, {"disabled", "wrong", "disabled"},
		{"passwordless", testPassword, "passwordless"}, {"nobody", testPassword, ""}, {"no body\u200b", testPassword, ""},
	} {
		u, err := d.Password(ctx, class.name, class.password, "192.0.2.1")
		tried := auth.User{ID: class.tried}
		if class.tried != "" {
			tried.Orgs = []string{"acme"}
		}
		if diff := cmp.Diff(tried, u); diff != "" || err == nil || err.Error() != wrong.Error() {
			t.Errorf("%s: %v, want %v; user differs:\n%s", class.name, err, wrong, diff)
		}
		subject, err := d.login(class.name, class.password, "")
		want := auth.Subject{User: class.tried}
		if class.tried != "" {
			want.Org = "acme"
		}
		if diff := cmp.Diff(want, subject); diff != "" || err == nil || err.Error() != wrong.Error() {
			t.Errorf("%s at the grant: %v, want %v; subject differs:\n%s", class.name, err, wrong, diff)
		}
	}

	// Both count against the same limit, and a success gives its attempts back.
	d.add("bob", d.hash, nil)
	guess := func(n int) error {
		if n%2 == 0 {
			_, err := d.Password(ctx, "bob", "guess", "192.0.2.2")
			return err
		}
		_, err := d.Authenticate(ctx, auth.Login{Username: "bob", Password: "guess", Client: d.client, Address: "192.0.2.2"})
		return err
	}
	for n := range 9 {
		d.wantCode(fmt.Sprint("guess ", n), guess(n), auth.InvalidCredentials)
	}
	_, err := d.Password(ctx, "bob", testPassword, "192.0.2.2")
	d.must(err)
	for n := range 10 {
		d.wantCode(fmt.Sprint("new guess ", n), guess(n), auth.InvalidCredentials)
	}
	d.wantCode("one too many", guess(0), auth.Throttled)
	d.wantCode("and at the other door", guess(1), auth.Throttled)
}

func TestSecondFactorOfPasswords(t *testing.T) {
	d := newDoors(t)
	ctx := t.Context()
	d.add("jane", d.hash, nil)
	d.add("temporary", d.hash, func(u *auth.User) { u.MustChangePassword = true })
	codes := map[string][]string{}
	secrets := map[string]string{}
	for _, user := range []string{"jane", "temporary"} {
		e, err := d.factors.BeginTOTP(ctx, user, user)
		d.must(err)
		first, err := totp.GenerateCode(e.Secret, d.now.Add(-30*time.Second))
		d.must(err)
		codes[user], err = d.factors.FinishTOTP(ctx, user, e.State, first)
		d.must(err)
		secrets[user] = e.Secret
	}
	code, err := totp.GenerateCode(secrets["jane"], d.now)
	d.must(err)

	// Whether there is a second factor shows only after the right password, and its code is not looked at before.
	_, wrong := d.login("nobody", "not the password", "")
	for _, otp := range []string{"", "000000", code} {
		_, err := d.login("jane", "not the password", otp)
		if err == nil || err.Error() != wrong.Error() {
			t.Errorf("wrong password and %q: %v, want %v", otp, err, wrong)
		}
	}
	_, err = d.login("jane", testPassword, "")
	d.wantCode("no code", err, auth.SecondFactorRequired)
	subject, err := d.login("jane", testPassword, "abcdef")
	d.wantCode("a wrong code", err, auth.InvalidCredentials)
	if diff := cmp.Diff(auth.Subject{User: "jane", Org: "acme"}, subject); diff != "" {
		t.Errorf("who failed differs:\n%s", diff)
	}
	if u, err := d.Password(ctx, "jane", testPassword, "192.0.2.1"); err != nil || u.ID != "jane" {
		t.Errorf("the password alone: %v (%v)", u.ID, err) // the page asks for the rest
	}
	want := auth.Subject{User: "jane", Org: "acme", AuthTime: d.now, AMR: []string{"pwd", "otp", "mfa"}, ACR: "2", Epoch: 7}
	for _, otp := range []string{code, codes["jane"][0]} {
		subject, err := d.login("jane", testPassword, otp)
		if diff := cmp.Diff(want, subject); err != nil || diff != "" {
			t.Errorf("with %q (%v):\n%s", otp, err, diff)
		}
		_, err = d.login("jane", testPassword, otp)
		d.wantCode("the same code again", err, auth.InvalidCredentials)
	}

	// A password that is good for nothing but another one uses up no code.
	_, err = d.login("temporary", testPassword, codes["temporary"][0])
	d.wantCode("a temporary password", err, auth.InvalidGrant)
	d.must(d.factors.CheckCode(ctx, "temporary", codes["temporary"][0], ""))

	// An organisation he may not log in to is refused before his second factor.
	_, err = d.Authenticate(ctx, auth.Login{Username: "jane", Password: testPassword, Org: "globex", Client: d.client, Address: "192.0.2.1"})
	if err == nil || err.Error() != wrong.Error() {
		t.Errorf("a foreign organisation: %v, want %v", err, wrong)
	}
}

// failing is a second factor that cannot be asked.
type failing struct{ err error }

func (f failing) Required(context.Context, string) (bool, error)          { return false, f.err }
func (f failing) CheckCode(context.Context, string, string, string) error { return f.err }

// Nobody gets in because his second factor could not be asked for.
func TestSecondFactorThatCannotBeAsked(t *testing.T) {
	d := newDoors(t)
	d.add("jane", d.hash, nil)
	for code, want := range map[auth.Code]auth.Code{
		auth.Unavailable: auth.Unavailable, auth.Busy: auth.Busy, auth.NotFound: auth.InvalidCredentials, // deleted meanwhile
	} {
		d.Factors = failing{&auth.Error{Code: code}}
		subject, err := d.login("jane", testPassword, "000000")
		d.wantCode(string(code), err, want)
		if subject.AMR != nil || subject.Epoch != 0 {
			t.Errorf("%s: subject %+v", code, subject)
		}
	}
	d.Factors = nil
	if _, err := d.login("jane", testPassword, ""); err != nil {
		t.Errorf("without any: %v", err)
	}
}
