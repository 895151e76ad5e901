package factor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/internal/audit"
)

func TestPasskeyOptions(t *testing.T) {
	w := newWorld(t)
	b := w.register("jane")
	public := func(c factor.Ceremony, err error) map[string]any {
		t.Helper()
		w.must(err)
		var options struct {
			PublicKey map[string]any `json:"publicKey"`
		}
		w.must(json.Unmarshal([]byte(c.Options), &options))
		challenge, _ := options.PublicKey["challenge"].(string)
		if len(challenge) < 43 || strings.Contains(c.State, challenge) {
			t.Errorf("the challenge is %q, the state %q", challenge, c.State)
		}
		delete(options.PublicKey, "challenge")
		return options.PublicKey
	}
	known := []any{map[string]any{"type": "public-key", "id": b.id()}}

	created := public(w.BeginPasskey(t.Context(), "jane", "jane@acme.example"))
	algorithms, _ := created["pubKeyCredParams"].([]any)
	delete(created, "pubKeyCredParams")
	want := map[string]any{
		"rp":   map[string]any{"id": "id.example", "name": "id.example"},
		"user": map[string]any{"id": "amFuZQ", "name": "jane@acme.example", "displayName": "jane@acme.example"},
		"authenticatorSelection": map[string]any{
			"residentKey": "required", "requireResidentKey": true, "userVerification": "preferred",
		},
		"attestation": "none", "timeout": 300000.0, "excludeCredentials": known,
	}
	if diff := cmp.Diff(want, created); diff != "" || len(algorithms) < 2 {
		t.Errorf("%d algorithms, options differ:\n%s", len(algorithms), diff)
	}
	want = map[string]any{"rpId": "id.example", "userVerification": "preferred", "timeout": 300000.0}
	if diff := cmp.Diff(want, public(w.BeginLogin(t.Context(), ""))); diff != "" {
		t.Errorf("options of a login differ:\n%s", diff)
	}
	want["allowCredentials"] = known
	if diff := cmp.Diff(want, public(w.BeginLogin(t.Context(), "jane"))); diff != "" {
		t.Errorf("options of a second factor differ:\n%s", diff)
	}
	_, err := w.BeginLogin(t.Context(), "bob")
	w.wantCode(err, auth.NotFound)
	_, err = w.BeginLogin(t.Context(), "nobody")
	w.wantCode(err, auth.NotFound)
	_, err = w.BeginPasskey(t.Context(), "nobody", "x")
	w.wantCode(err, auth.NotFound)
}

func TestPasskeyRegistration(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.BeginPasskey(ctx, "jane", "jane")
	w.must(err)
	b := newBrowser("jane")
	answer := b.create(t, c)
	refuse := func(what, user, name, state, answer string, want auth.Code) {
		t.Helper()
		if err := w.FinishPasskey(ctx, user, name, state, answer); auth.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	for _, name := range []string{"", " ", strings.Repeat("é", 101), "a\nb", "\u202eyek", "\xff", "a\x00"} {
		refuse("name "+name, "jane", name, c.State, answer, auth.InvalidRequest)
	}
	for _, state := range []string{"", "x", c.State[1:], c.State + "A", w.begin("").State, strings.Repeat("A", 1<<20)} {
		refuse("a wrong state", "jane", "key", state, answer, auth.InvalidRequest)
	}
	for _, bad := range []string{"", "{}", "null", "[]", answer[:len(answer)/2], strings.Repeat(" ", 1<<20)} {
		refuse("a wrong answer", "jane", "key", c.State, bad, auth.InvalidRequest)
	}
	refuse("another user", "bob", "key", c.State, answer, auth.InvalidRequest)
	refuse("nobody", "nobody", "key", c.State, answer, auth.NotFound)
	elsewhere := *b
	elsewhere.rp.Origin = "https://id.example.evil.example"
	refuse("another origin", "jane", "key", c.State, elsewhere.create(t, c), auth.InvalidRequest)
	elsewhere = *b
	elsewhere.rp.ID = "evil.example"
	refuse("another relying party", "jane", "key", c.State, elsewhere.create(t, c), auth.InvalidRequest)
	absent := newBrowser("jane")
	absent.authenticator.Options.UserNotPresent = true
	refuse("nobody there", "jane", "key", c.State, absent.create(t, c), auth.InvalidRequest)
	login := w.begin("")
	refuse("the answer to a login", "jane", "key", login.State, b.get(t, login), auth.InvalidRequest)
	if f, err := w.Of(ctx, "jane"); err != nil || f.Version != 0 {
		t.Fatalf("a refused passkey left %+v (%v)", f, err)
	}

	w.recorded()
	w.must(w.FinishPasskey(ctx, "jane", strings.Repeat("é", 100), c.State, answer))
	want := []audit.Event{{Action: "factor.enrol", Actor: "user:jane", Target: "user:jane", Org: "acme", Outcome: audit.Success}}
	if diff := cmp.Diff(want, w.recorded("factor.enrol")); diff != "" {
		t.Errorf("events differ:\n%s", diff)
	}
	refuse("the same again", "jane", "key", c.State, answer, auth.Conflict)
	again, err := w.BeginPasskey(ctx, "jane", "jane")
	w.must(err)
	refuse("a passkey that is there", "jane", "key", again.State, b.create(t, again), auth.Conflict)
	f, err := w.Of(ctx, "jane")
	w.must(err)
	if p := f.Passkeys; len(p) != 1 || p[0].Name != strings.Repeat("é", 100) || !p[0].CreatedAt.Equal(w.time()) || !p[0].UsedAt.IsZero() {
		t.Errorf("passkeys are %+v", p)
	}
	if len(f.Passkeys[0].Credential) > 600 {
		t.Errorf("a record has %d bytes", len(f.Passkeys[0].Credential))
	}
	if required, err := w.Required(ctx, "jane"); err != nil || !required {
		t.Errorf("required is %v (%v)", required, err)
	}

	// A challenge that was answered is used up, also when the passkey is gone again.
	w.wantCode(w.RemovePasskey(ctx, "bob", b.id()), auth.NotFound)
	for _, id := range []string{"", "!", b.id()[1:], newBrowser("x").id()} {
		w.wantCode(w.RemovePasskey(ctx, "jane", id), auth.NotFound)
	}
	w.must(w.RemovePasskey(ctx, "jane", b.id()))
	w.wantCode(w.RemovePasskey(ctx, "jane", b.id()), auth.NotFound)
	refuse("an answer once used", "jane", "key", c.State, answer, auth.InvalidRequest)

	late, err := w.BeginPasskey(ctx, "jane", "jane")
	w.must(err)
	w.advance(5 * time.Minute)
	refuse("after five minutes", "jane", "key", late.State, b.create(t, late), auth.InvalidRequest)
}

func TestPasskeysAreLimited(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var ceremonies []factor.Ceremony
	for range factor.MaxPasskeys + 2 {
		c, err := w.BeginPasskey(ctx, "jane", "jane")
		w.must(err)
		ceremonies = append(ceremonies, c)
	}
	for n, c := range ceremonies {
		err := w.FinishPasskey(ctx, "jane", fmt.Sprint("key ", n), c.State, newBrowser("jane").create(t, c))
		if n < factor.MaxPasskeys {
			w.must(err)
		} else {
			w.wantCode(err, auth.Conflict)
		}
	}
	_, err := w.BeginPasskey(ctx, "jane", "jane")
	w.wantCode(err, auth.Conflict)
}

func TestPasskeyLogin(t *testing.T) {
	w := newWorld(t)
	jane, bob := w.register("jane"), w.register("bob")
	for _, user := range []string{"", "jane"} {
		for _, unverified := range []bool{false, true} {
			w.recorded()
			jane.authenticator.Options.UserNotVerified = unverified
			c := w.begin(user)
			answer := jane.get(t, c)
			w.advance(time.Second)
			got, verified, err := w.finish(c, answer)
			if err != nil || got != "jane" || verified == unverified {
				t.Fatalf("login for %q: %q, verified %v (%v)", user, got, verified, err)
			}
			if f, err := w.Of(t.Context(), "jane"); err != nil || !f.Passkeys[0].UsedAt.Equal(w.time()) {
				t.Errorf("last used %v (%v)", f.Passkeys[0].UsedAt, err)
			}
			_, _, err = w.finish(c, answer)
			w.wantCode(err, auth.InvalidCredentials)
			// The counter alone would refuse the same answer, so one with a counter that has grown, too.
			_, _, err = w.finish(c, jane.get(t, c))
			w.wantCode(err, auth.InvalidCredentials)
			want := []audit.Event{{Action: "factor.verify", Actor: "user:jane", Org: "acme", Target: "user:jane", Outcome: audit.Success}}
			denied := audit.Event{Action: "factor.verify", Org: "acme", Target: "user:jane", Outcome: audit.Denied, Reason: "replay"}
			if diff := cmp.Diff(append(want, denied, denied), w.recorded("factor.verify")); diff != "" {
				t.Errorf("events differ:\n%s", diff)
			}
		}
	}
	jane.authenticator.Options.UserNotVerified = false

	refuse := func(what string, c factor.Ceremony, answer string) {
		t.Helper()
		if user, verified, err := w.finish(c, answer); auth.CodeOf(err) != auth.InvalidCredentials || user != "" || verified {
			t.Errorf("%s: %q, %v, %v", what, user, verified, err)
		}
	}
	refuse("another's passkey", w.begin("jane"), bob.get(t, w.begin("bob")))
	c := w.begin("jane")
	refuse("another's passkey, right challenge", c, bob.get(t, c))
	posing := *bob
	posing.authenticator.Options.UserHandle = []byte("jane")
	refuse("another's passkey under her name", c, posing.get(t, c))
	open := w.begin("")
	refuse("another's passkey under her name, for anybody", open, posing.get(t, open))
	for _, handle := range []string{"", "nobody", "bad id", "\xff", strings.Repeat("x", 64)} {
		posing.authenticator.Options.UserHandle = []byte(handle)
		refuse("the handle "+handle, open, posing.get(t, open))
	}
	refuse("another challenge", open, jane.get(t, w.begin("")))
	counted := w.begin("")
	if _, _, err := w.finish(counted, jane.get(t, counted)); err != nil { // the counter kept is hers from here on
		t.Fatal(err)
	}
	for what, change := range map[string]func(*browser){
		"another origin":        func(b *browser) { b.rp.Origin = "https://evil.example" },
		"http":                  func(b *browser) { b.rp.Origin = "http://id.example" },
		"another port":          func(b *browser) { b.rp.Origin = "https://id.example:8443" },
		"another relying party": func(b *browser) { b.rp.ID = "example" },
		"nobody there":          func(b *browser) { b.authenticator.Options.UserNotPresent = true },
		"another key":           func(b *browser) { b.credential.Key = newCredential().Key },
		"an unknown key":        func(b *browser) { b.credential.ID = []byte("an id of at least sixteen bytes") },
		"a backup out of nowhere": func(b *browser) {
			b.authenticator.Options.BackupEligible, b.authenticator.Options.BackupState = true, true
		},
		"an old counter":   func(b *browser) { b.credential.Counter = 1 },
		"the same counter": func(b *browser) { b.credential.Counter-- },
	} {
		for _, c := range []factor.Ceremony{w.begin(""), w.begin("jane")} {
			b := *jane
			change(&b)
			refuse(what, c, b.get(t, c))
		}
	}
	right := jane.get(t, open)
	for _, state := range []string{"", "x", open.State[1:], open.State + "A", strings.Repeat("A", 1<<20)} {
		refuse("a wrong state", factor.Ceremony{State: state}, right)
	}
	registration, err := w.BeginPasskey(t.Context(), "jane", "jane")
	w.must(err)
	refuse("the state of a registration", registration, jane.get(t, registration))
	for _, answer := range []string{
		"", "{}", "null", "[]", "\x00", right[:len(right)-2], strings.Repeat(" ", 1<<20), newBrowser("jane").create(t, registration),
	} {
		refuse("a wrong answer", open, answer)
	}
	w.change("jane", func(u *auth.User) { u.Disabled = true })
	refuse("a disabled user", open, right)
	w.change("jane", func(u *auth.User) { u.Disabled = false })
	if user, _, err := w.finish(open, right); err != nil || user != "jane" { // none of all this has used it up
		t.Fatalf("the right answer: %q, %v", user, err)
	}

	late := w.begin("jane")
	w.advance(5 * time.Minute)
	refuse("after five minutes", late, jane.get(t, late))
	gone := w.begin("jane")
	w.must(w.RemovePasskey(t.Context(), "jane", jane.id()))
	refuse("a passkey that was removed", gone, jane.get(t, gone))
}

func TestRacesForOneAnswer(t *testing.T) {
	w := newWorld(t)
	b := w.register("jane")
	for _, user := range []string{"", "jane"} {
		for round := range 5 {
			c := w.begin(user)
			answers := make([]string, crowd) // of one challenge, each with a counter of its own
			for n := range answers {
				answers[n] = b.get(t, c)
			}
			if n := w.race(func(n int) error {
				_, _, err := w.finish(c, answers[n])
				return err
			}); n != 1 {
				t.Errorf("round %d: %d of %d at once succeeded", round, n, crowd)
			}
			w.Limiter = unlimited{}
		}
	}
	c, err := w.BeginPasskey(t.Context(), "bob", "bob")
	w.must(err)
	answers := make([]string, crowd)
	for n := range answers {
		answers[n] = newBrowser("bob").create(t, c)
	}
	registered := w.race(func(n int) error {
		err := w.FinishPasskey(t.Context(), "bob", "key", c.State, answers[n])
		if auth.CodeOf(err) == auth.InvalidRequest {
			return &auth.Error{Code: auth.InvalidCredentials}
		}
		return err
	})
	if f, err := w.Of(t.Context(), "bob"); err != nil || registered != 1 || len(f.Passkeys) != 1 {
		t.Errorf("one challenge made %d passkeys, %d reported (%v)", len(f.Passkeys), registered, err)
	}
}

// Whoever sends rubbish meets a limit, but only at his own address.
func TestAnswersAreLimited(t *testing.T) {
	w := newWorld(t)
	b := w.register("jane")
	c := w.begin("")
	var codes []auth.Code
	for range 150 {
		_, _, err := w.FinishLogin(t.Context(), c.State, "{}", "198.51.100.1")
		codes = append(codes, auth.CodeOf(err))
	}
	if n := slices.Index(codes, auth.Throttled); n < 100 || n > 140 {
		t.Errorf("throttled at attempt %d", n)
	}
	if user, _, err := w.finish(c, b.get(t, c)); err != nil || user != "jane" {
		t.Errorf("from elsewhere: %q (%v)", user, err)
	}
}

// A user who has only passkeys has no codes, unless he asked for some.
func TestOnlyPasskeys(t *testing.T) {
	w := newWorld(t)
	w.register("jane")
	w.wantCode(w.check("jane", "000000"), auth.SecondFactorRequired)
	codes, err := w.NewRecoveryCodes(t.Context(), "jane")
	w.must(err)
	w.wantCode(w.check("jane", "000000"), auth.InvalidCredentials)
	w.must(w.check("jane", codes[0]))
	a, recovery := w.enrol("jane")
	if recovery != nil {
		t.Errorf("the codes he had were replaced by %q", recovery)
	}
	w.must(w.check("jane", codes[1]))
	w.must(w.check("jane", a.code(t, w.time())))
	w.must(w.RemoveTOTP(t.Context(), "jane"))
	w.must(w.check("jane", codes[2])) // the passkey is still there
}

func TestWherePasskeysAreAvailable(t *testing.T) {
	w := newWorld(t)
	for issuer, want := range map[string]bool{
		"https://id.example": true, "https://id.example:8443/tenant": true, "https://ID.example": true, "http://localhost:8080": true,
		"http://app.localhost": true, "https://localhost": true,
		"http://127.0.0.1:8080": false, "http://[::1]:8080": false, "https://192.0.2.1": false, "http://id.example": false,
		"https://intranet": false, "": false, "://": false, "http://localhost.evil.example": false,
	} {
		w.Issuer = issuer
		if got := w.PasskeysAvailable(); got != want {
			t.Errorf("%q: available is %v", issuer, got)
		}
		_, errLogin := w.BeginLogin(t.Context(), "")
		_, errCreate := w.BeginPasskey(t.Context(), "jane", "jane")
		for _, err := range []error{errLogin, errCreate} {
			if want != (err == nil) || err != nil && auth.CodeOf(err) != auth.InvalidRequest {
				t.Errorf("%q: %v", issuer, err)
			}
		}
	}
	w.Issuer = "http://127.0.0.1:8080"
	_, _, err := w.finish(factor.Ceremony{}, "{}")
	w.wantCode(err, auth.InvalidRequest)
	w.wantCode(w.FinishPasskey(t.Context(), "jane", "key", "", "{}"), auth.InvalidRequest)

	for issuer, rp := range map[string]virtualwebauthn.RelyingParty{
		"https://ID.example:8443/tenant": {ID: "id.example", Origin: "https://id.example:8443"},
		"http://localhost:8080":          {ID: "localhost", Origin: "http://localhost:8080"},
	} {
		w.Issuer = issuer
		b := newBrowser("bob")
		b.rp = rp
		c, err := w.BeginPasskey(t.Context(), "bob", "bob")
		w.must(err)
		w.must(w.FinishPasskey(t.Context(), "bob", "key", c.State, b.create(t, c)))
		c = w.begin("")
		if user, _, err := w.finish(c, b.get(t, c)); err != nil || user != "bob" {
			t.Errorf("%s: %q (%v)", issuer, user, err)
		}
		w.must(w.RemovePasskey(t.Context(), "bob", b.id()))
	}
}

// Nothing a browser can send that is not the answer lets anybody in.
func FuzzFinishLogin(f *testing.F) {
	w := newWorld(f)
	w.Limiter = unlimited{}
	b := w.register("jane")
	foreign := w.begin("")
	c := w.begin("")
	f.Add(b.get(f, foreign))
	f.Add(newBrowser("jane").get(f, c))
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key",
		"response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"amFuZQ"}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		if user, _, err := w.FinishLogin(t.Context(), c.State, answer, "::1"); err == nil {
			t.Errorf("%q lets %q in", answer, user)
		}
	})
}
