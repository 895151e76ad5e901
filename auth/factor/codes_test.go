package factor_test

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/internal/audit"
)

func TestEnrolment(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	e, err := w.BeginTOTP(ctx, "jane", "jane@acme.example")
	w.must(err)
	uri, err := url.Parse(e.URI)
	w.must(err)
	want := url.Values{"secret": {e.Secret}, "issuer": {"id.example"}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	if diff := cmp.Diff(want, uri.Query()); diff != "" || !strings.HasPrefix(e.URI, "otpauth://totp/id.example:jane@acme.example?") {
		t.Errorf("%s differs:\n%s", e.URI, diff)
	}
	if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(e.Secret) || strings.Contains(e.State, e.Secret) {
		t.Errorf("the secret is %q, the state %q", e.Secret, e.State)
	}
	a := app{e.Secret}
	code := func() string { return a.code(t, w.time()) }
	if again, err := w.ResumeTOTP(ctx, "jane", "jane@acme.example", e.State); err != nil || again != e {
		t.Errorf("resumed as %+v (%v), want %+v", again, err, e)
	}
	refuseToResume := func(user, state string, want auth.Code) {
		t.Helper()
		if got, err := w.ResumeTOTP(ctx, user, user, state); auth.CodeOf(err) != want || got != (factor.Enrolment{}) {
			t.Errorf("resumed as %+v (%v), want %q", got, err, want)
		}
	}
	refuseToResume("bob", e.State, auth.InvalidRequest)
	refuseToResume("jane", "x", auth.InvalidRequest)
	refuseToResume("nobody", e.State, auth.NotFound)
	other, err := w.BeginTOTP(ctx, "jane", "")
	w.must(err)
	bobs, err := w.BeginTOTP(ctx, "bob", "bob")
	w.must(err)

	finish := func(user, state, code string, want auth.Code) []string {
		t.Helper()
		recovery, err := w.FinishTOTP(ctx, user, state, code)
		if auth.CodeOf(err) != want || want == "" && err != nil || err != nil && recovery != nil {
			t.Fatalf("finished with %v (%v), want %q", recovery, err, want)
		}
		return recovery
	}
	for _, state := range []string{
		"", "x", bobs.State, e.State[:len(e.State)-1], e.State + "A", strings.ToLower(e.State), strings.Repeat("A", 1<<20),
	} {
		finish("jane", state, code(), auth.InvalidRequest)
	}
	finish("bob", e.State, code(), auth.InvalidRequest)
	finish("jane", other.State, code(), auth.InvalidCredentials)
	for _, wrong := range []string{
		"", "000000x", code()[:5], code() + "0", a.code(t, w.time().Add(-time.Minute)), a.code(t, w.time().Add(time.Minute)),
	} {
		finish("jane", e.State, wrong, auth.InvalidCredentials)
	}
	if f, err := w.Of(ctx, "jane"); err != nil || f.Version != 0 {
		t.Fatalf("a refused enrolment left %+v (%v)", f, err)
	}
	w.recorded()

	w.advance(10*time.Minute - time.Second)
	recovery := finish("jane", e.State, code(), "")
	refuseToResume("jane", e.State, auth.Conflict)
	if len(recovery) != 10 {
		t.Fatalf("recovery codes are %q", recovery)
	}
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$`)
	for n, code := range recovery {
		if !form.MatchString(code) || slices.Contains(recovery[:n], code) {
			t.Errorf("recovery code %q", code)
		}
	}
	wantEvent := []audit.Event{{Action: "factor.enrol", Actor: "user:jane", Target: "user:jane", Org: "acme", Outcome: audit.Success}}
	if diff := cmp.Diff(wantEvent, w.recorded("factor.enrol", "factor.verify")); diff != "" {
		t.Errorf("events differ:\n%s", diff)
	}
	if required, err := w.Required(ctx, "jane"); err != nil || !required {
		t.Errorf("required is %v (%v)", required, err)
	}
	if required, err := w.Required(ctx, "bob"); err != nil || required {
		t.Errorf("of another user: %v (%v)", required, err)
	}
	// The code that enrolled it is used up, and a second app has no room.
	w.wantCode(w.check("jane", code()), auth.InvalidCredentials)
	finish("jane", other.State, app{other.Secret}.code(t, w.time()), auth.Conflict)
	_, err = w.BeginTOTP(ctx, "jane", "jane")
	w.wantCode(err, auth.Conflict)
	_, err = w.BeginTOTP(ctx, "nobody", "x")
	w.wantCode(err, auth.NotFound)

	// At ten minutes it is over.
	late, err := w.BeginTOTP(ctx, "bob", "bob")
	w.must(err)
	w.advance(10 * time.Minute)
	finish("bob", late.State, app{late.Secret}.code(t, w.time()), auth.InvalidRequest)
	finish("nobody", late.State, app{late.Secret}.code(t, w.time()), auth.NotFound)
}

func TestOneTimePasswords(t *testing.T) {
	w := newWorld(t)
	w.Limiter = unlimited{}
	a, _ := w.enrol("jane")
	now := w.time()
	at := func(steps int) string { return a.code(t, now.Add(time.Duration(steps)*30*time.Second)) }
	accept := func(code string) {
		t.Helper()
		w.must(w.check("jane", code))
		w.wantCode(w.check("jane", code), auth.InvalidCredentials)
	}
	refuse := func(user string, codes ...string) {
		t.Helper()
		for _, code := range codes {
			w.wantCode(w.check(user, code), auth.InvalidCredentials)
		}
	}
	refuse("jane", at(-2), at(-1), at(2), at(3), "", "0", "abcdef", at(0)+"0", "٠١٢٣٤٥", strings.Repeat(at(0), 1000))
	refuse("bob", at(0))
	refuse("nobody", at(0))
	refuse("bad id", at(0))
	accept(at(0)[:3] + " " + at(0)[3:])
	accept(at(1)) // a clock that is fast
	refuse("jane", at(0), at(-1))
	now = now.Add(time.Minute)
	w.advance(time.Minute)
	accept(at(0))
	w.advance(-time.Hour) // a clock set back brings nothing back
	refuse("jane", at(-120), at(-1), at(0))
	w.advance(time.Hour + 30*time.Second)
	accept(at(1))

	w.change("jane", func(u *auth.User) { u.Disabled = true })
	w.advance(time.Minute)
	refuse("jane", a.code(t, w.time()))
}

// Two steps in a row with one code: using it uses it up for both.
func TestACodeOfTwoSteps(t *testing.T) {
	const secret, step, code = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 58874584, "533286"
	w := newWorld(t)
	w.advance(time.Unix(step*30, 0).Sub(w.time()))
	for _, at := range []time.Duration{0, 30 * time.Second} {
		if got := (app{secret}).code(t, w.time().Add(at)); got != code {
			t.Fatalf("the code is %s", got)
		}
	}
	totp := &factor.TOTP{Secret: w.sealer.Seal([]byte(secret), "authenticator app", "jane")}
	_, err := w.store.PutFactors(t.Context(), "jane", factor.Factors{TOTP: totp}, "op")
	w.must(err)
	w.must(w.check("jane", code))
	for range 3 {
		w.wantCode(w.check("jane", code), auth.InvalidCredentials)
		w.advance(30 * time.Second)
	}
}

func TestRecoveryCodes(t *testing.T) {
	w := newWorld(t)
	w.Limiter = unlimited{}
	ctx := t.Context()
	_, err := w.NewRecoveryCodes(ctx, "jane")
	w.wantCode(err, auth.Conflict)
	_, codes := w.enrol("jane")
	_, bobs := w.enrol("bob")
	variants := []func(string) string{
		strings.ToUpper, func(s string) string { return strings.ReplaceAll(s, "-", "") },
		func(s string) string { return " " + strings.ReplaceAll(s, "-", " - ") + " " },
		func(s string) string { return strings.NewReplacer("1", "l", "0", "O").Replace(s) },
		func(s string) string { return strings.ReplaceAll(s, "1", "I") },
	}
	for n, code := range codes[:9] {
		for _, wrong := range []string{code[:len(code)-1], code + "0", "x" + code[1:] + "x", strings.Replace(code, "-", "_", 1)} {
			w.wantCode(w.check("jane", wrong), auth.InvalidCredentials)
		}
		w.wantCode(w.check("bob", code), auth.InvalidCredentials)
		w.must(w.check("jane", variants[n%len(variants)](code)))
		for _, variant := range variants {
			w.wantCode(w.check("jane", variant(code)), auth.InvalidCredentials)
		}
		if f, err := w.Of(ctx, "jane"); err != nil || len(f.RecoveryCodes) != 9-n {
			t.Fatalf("%d codes are left (%v)", len(f.RecoveryCodes), err)
		}
	}
	f, err := w.Of(ctx, "jane")
	w.must(err)
	for _, kept := range f.RecoveryCodes {
		if strings.Contains(kept, codes[9]) || strings.Contains(kept, strings.ReplaceAll(codes[9], "-", "")) || len(kept) != 43 {
			t.Errorf("a code is kept as %q", kept)
		}
	}

	fresh, err := w.NewRecoveryCodes(ctx, "jane")
	w.must(err)
	w.wantCode(w.check("jane", codes[9]), auth.InvalidCredentials)
	w.must(w.check("jane", fresh[0]))
	w.recorded()
	w.must(w.RemoveTOTP(ctx, "jane"))
	wantEvent := []audit.Event{{Action: "factor.remove", Actor: "user:jane", Target: "user:jane", Org: "acme", Outcome: audit.Success}}
	if diff := cmp.Diff(wantEvent, w.recorded("factor.remove")); diff != "" {
		t.Errorf("events differ:\n%s", diff)
	}
	w.wantCode(w.check("jane", fresh[1]), auth.InvalidCredentials) // they stood in for the app
	f, err = w.Of(ctx, "jane")
	if diff := cmp.Diff(factor.Factors{}, f, cmpopts.IgnoreFields(f, "Version"), cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("what is left (%v):\n%s", err, diff)
	}
	w.wantCode(w.RemoveTOTP(ctx, "jane"), auth.NotFound)
	w.must(w.check("bob", bobs[0]))
}

// A code never works twice, nor for another user, whatever happens in what order.
func TestCodesWorkOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.Limiter = unlimited{}
		users := []string{"jane", "bob"}
		apps, recovery := map[string]app{}, map[string][]string{}
		for _, user := range users {
			apps[user], recovery[user] = w.enrol(user)
		}
		last := map[string]int64{}
		for _, user := range users {
			last[user] = w.time().Unix()/30 - 1
		}
		used := map[string]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) {
				w.advance(time.Duration(rapid.IntRange(-90, 90).Draw(rt, "seconds")) * time.Second)
			},
			"a code of an app": func(rt *rapid.T) {
				owner, user := rapid.SampledFrom(users).Draw(rt, "owner"), rapid.SampledFrom(users).Draw(rt, "user")
				skew := rapid.Int64Range(-3, 3).Draw(rt, "skew")
				present := w.time().Unix() / 30
				at := func(user string, step int64) string { return apps[user].code(t, time.Unix(step*30, 0)) }
				code, step := at(owner, present+skew), int64(-1)
				for n := present - 1; n <= present+1; n++ { // codes can be the same by chance
					if at(user, n) == code {
						step = n
					}
				}
				want := step > last[user]
				err := w.check(user, code)
				if (err == nil) != want || err != nil && auth.CodeOf(err) != auth.InvalidCredentials {
					rt.Fatalf("%s's code of step %+d for %s: %v, want %v", owner, skew, user, err, want)
				}
				if want {
					last[user] = step
				}
			},
			"a recovery code": func(rt *rapid.T) {
				owner, user := rapid.SampledFrom(users).Draw(rt, "owner"), rapid.SampledFrom(users).Draw(rt, "user")
				code := rapid.SampledFrom(recovery[owner]).Draw(rt, "code")
				want := owner == user && !used[code]
				if err := w.check(user, code); (err == nil) != want || err != nil && auth.CodeOf(err) != auth.InvalidCredentials {
					rt.Fatalf("%s's recovery code for %s: %v, want %v", owner, user, err, want)
				}
				used[code] = used[code] || want
			},
			"new recovery codes": func(rt *rapid.T) {
				user := rapid.SampledFrom(users).Draw(rt, "user")
				for _, code := range recovery[user] {
					used[code] = true
				}
				fresh, err := w.NewRecoveryCodes(t.Context(), user)
				if err != nil {
					rt.Fatal(err)
				}
				recovery[user] = append(recovery[user], fresh...)
			},
		})
	})
}

// race runs calls at once and returns how many succeeded; the others must be refused.
func (w *world) race(call func(n int) error) int {
	w.t.Helper()
	var mu sync.Mutex
	var done sync.WaitGroup
	start := make(chan struct{})
	succeeded := 0
	for n := range crowd {
		done.Go(func() {
			<-start
			err := call(n)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				succeeded++
			} else if code := auth.CodeOf(err); code != auth.InvalidCredentials && code != auth.Busy {
				w.t.Errorf("refused with %v", err)
			}
		})
	}
	close(start)
	done.Wait()
	return succeeded
}

func TestRacesForOneCode(t *testing.T) {
	w := newWorld(t)
	w.Limiter = unlimited{}
	a, recovery := w.enrol("jane")
	for round, code := range append(recovery[:5:5], a.code(t, w.time())) {
		if n := w.race(func(int) error { return w.check("jane", code) }); n != 1 {
			t.Errorf("round %d: %d of %d at once succeeded", round, n, crowd)
		}
	}
	// Different codes at once are used at most once each.
	w.race(func(n int) error { return w.check("jane", recovery[5+n%5]) })
	f, err := w.Of(t.Context(), "jane")
	w.must(err)
	left := 0
	for _, code := range recovery[5:] {
		if w.check("jane", code) == nil {
			left++
		}
	}
	if left != len(f.RecoveryCodes) {
		t.Errorf("%d codes were left and %d work", len(f.RecoveryCodes), left)
	}
}

// Row L-07 for second factors: guesses count per user, over both kinds of codes, and a success gives them back.
func TestGuessesAreLimited(t *testing.T) {
	w := newWorld(t)
	a, recovery := w.enrol("jane")
	w.enrol("bob")
	for range 4 {
		w.wantCode(w.check("jane", "abcd"), auth.InvalidCredentials)
	}
	w.must(w.check("jane", recovery[0]))
	for n := range 5 {
		w.wantCode(w.check("jane", []string{"000000", "aaaa-aaaa-aaaa-aaaa"}[n%2]), auth.InvalidCredentials)
	}
	for _, code := range []string{recovery[1], a.code(t, w.time()), "000000"} {
		err := w.CheckCode(t.Context(), "jane", code, fmt.Sprint("192.0.2.", len(code)))
		w.wantCode(err, auth.Throttled)
		if e := new(auth.Error); !errors.As(err, &e) || e.RetryAfter <= 0 || e.RetryAfter > 30*time.Second {
			t.Errorf("throttled with %v", err)
		}
	}
	w.wantCode(w.check("bob", "000000"), auth.InvalidCredentials)
	events := w.recorded("factor.verify")
	last := events[len(events)-2]
	want := audit.Event{
		Action: "factor.verify", Actor: "user:jane", Target: "user:jane", Org: "acme", Outcome: audit.Denied, Reason: "throttled",
	}
	if diff := cmp.Diff(want, last); diff != "" || len(events) != 14 {
		t.Errorf("%d events, that of the last attempt differs:\n%s", len(events), diff)
	}
}

// Secrets are sealed for their user, under a key-encryption key that can be changed.
func TestSecretsAreSealed(t *testing.T) {
	w := newWorld(t)
	w.Limiter = unlimited{}
	ctx := t.Context()
	a, recovery := w.enrol("jane")
	f, err := w.Of(ctx, "jane")
	w.must(err)
	if strings.Contains(string(f.TOTP.Secret), a.secret) || w.sealer.Current(f.TOTP.Secret) != true {
		t.Error("the secret is not sealed")
	}
	_, err = w.store.PutFactors(ctx, "bob", factor.Factors{TOTP: f.TOTP, RecoveryCodes: f.RecoveryCodes}, "move")
	w.must(err)
	w.wantCode(w.check("bob", a.code(t, w.time())), auth.Unavailable)
	w.wantCode(w.check("bob", recovery[0]), auth.InvalidCredentials)

	w.Sealer = newSealer(t, "the next encryption key 32 bytes", "a key encryption key of 32 bytes")
	w.must(w.check("jane", a.code(t, w.time())))
	w.Sealer = newSealer(t, "the next encryption key 32 bytes")
	w.advance(time.Minute)
	w.must(w.check("jane", a.code(t, w.time()))) // sealed again when it was used
	w.Sealer = w.sealer
	w.advance(time.Minute)
	w.wantCode(w.check("jane", a.code(t, w.time())), auth.Unavailable)
	w.must(w.check("jane", recovery[0]))
}

func TestReset(t *testing.T) {
	w := newWorld(t)
	w.Limiter = unlimited{}
	ctx := t.Context()
	a, recovery := w.enrol("jane")
	b := w.register("jane")
	family := auth.Family{
		FamilyRef: auth.FamilyRef{User: "jane", Org: "globex", ID: "F"}, Client: "c", Scope: "openid", AuthTime: w.time(), Epoch: 1,
		ExpiresAt: w.time().Add(time.Hour), Generation: 1,
	}
	w.must(w.store.CreateFamily(ctx, family, []byte("h"), w.time().Add(time.Hour), 5))
	untouched := func() {
		t.Helper()
		if f, err := w.Of(ctx, "jane"); err != nil || f.TOTP == nil || len(f.Passkeys) != 1 {
			t.Fatalf("factors are %+v (%v)", f, err)
		}
	}
	for _, test := range []struct {
		caller    *auth.Caller
		org, name string
		want      auth.Code
	}{
		{auth.Person("jane", "acme"), "acme", "jane", auth.AccessDenied},
		{auth.Person("jane", "acme"), "acme", "me", auth.AccessDenied},
		{auth.Person("bob", "acme"), "acme", "jane", auth.NotFound},
		{w.caller(auth.RoleReader, "acme"), "acme", "jane", auth.AccessDenied},
		{w.caller(auth.RoleOperator, "globex"), "globex", "jane", auth.AccessDenied}, // not his home
		{w.caller(auth.RoleOperator, "globex"), "acme", "jane", auth.NotFound},
		{w.caller(auth.RoleOperator, "globex"), "globex", "bob", auth.NotFound},
		{w.caller(auth.RoleOperator, "acme"), "acme", "nobody", auth.NotFound},
	} {
		w.recorded()
		w.wantCode(w.Reset(ctx, test.caller, test.org, test.name), test.want)
		events := w.recorded("factor.reset")
		if len(events) != 1 || events[0].Outcome != audit.Denied || events[0].Actor != test.caller.Ref() || events[0].Org != test.org {
			t.Errorf("%s by %s: events %+v", test.name, test.caller.Ref(), events)
		}
		untouched()
	}

	operator := w.caller(auth.RoleOperator, "acme")
	for range 2 {
		w.recorded()
		w.must(w.Reset(ctx, operator, "", "jane"))
		want := []audit.Event{{Action: "factor.reset", Actor: operator.Ref(), Org: "acme", Target: "user:jane", Outcome: audit.Success}}
		if diff := cmp.Diff(want, w.recorded("factor.reset")); diff != "" {
			t.Errorf("events differ:\n%s", diff)
		}
	}
	if required, err := w.Required(ctx, "jane"); err != nil || required {
		t.Errorf("required is %v (%v)", required, err)
	}
	if live, _, err := w.store.Live(ctx, family.FamilyRef, "J"); err != nil || live {
		t.Errorf("a login of before is live: %v (%v)", live, err)
	}
	for _, code := range []string{recovery[0], a.code(t, w.time())} {
		w.wantCode(w.check("jane", code), auth.InvalidCredentials)
	}
	c := w.begin("")
	_, _, err := w.finish(c, b.get(t, c))
	w.wantCode(err, auth.InvalidCredentials)
}
