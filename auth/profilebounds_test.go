package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Row D-04: a biography has 32 KiB of text in all, wherever in it and whoever wrote it.
func TestTheWholeBiographyIsBounded(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	jane := s.person("jane")
	for member, add := range map[string]func(*auth.Biography){
		"title":     func(b *auth.Biography) { b.Title = "x" },
		"bio":       func(b *auth.Biography) { b.Bio = "x" },
		"education": func(b *auth.Biography) { b.LevelOfEducation = "x" },
		"goals":     func(b *auth.Biography) { b.Goals += "x" },
		"languages": func(b *auth.Biography) { b.Languages = []string{"x"} },
		"shown":     func(b *auth.Biography) { b.Shown = []string{"x"} },
		"links":     func(b *auth.Biography) { b.Links[0].URL += "x" },
		"platform":  func(b *auth.Biography) { b.Links[0].Platform += "x" },
		"extended":  func(b *auth.Biography) { b.Extended[0].Value += "x" },
		"field":     func(b *auth.Biography) { b.Extended[0].Name += "x" },
	} {
		longest := auth.Biography{Links: []auth.Link{{Platform: "x", URL: "https://a.example/"}}, Picture: "not text"}
		for _, name := range "bcdefghi" {
			longest.Extended = append(longest.Extended, auth.ExtendedField{Name: string(name), Value: strings.Repeat("é", 1999)})
		}
		longest.Goals = strings.Repeat("x", 32<<10-8*3999-len("xhttps://a.example/"))
		longer := longest
		longer.Extended, longer.Links = append([]auth.ExtendedField{}, longest.Extended...), append([]auth.Link{}, longest.Links...)
		add(&longer)
		for b, want := range map[*auth.Biography]string{&longest: "", &longer: "biography"} {
			newcomer := auth.NewUser{Biography: *b}
			_, created := s.users.Create(ctx, auth.System(), "acme", newcomer, "")
			_, changed := s.users.ChangeProfile(ctx, auth.Person(jane.ID, "acme"), "", "me", func(_ *claims.Profile, to *auth.Biography) error {
				*to = *b
				return nil
			})
			for what, err := range map[string]error{
				"tried": s.users.CheckNew(ctx, auth.System(), "acme", newcomer, ""), "created": created, "changed": changed,
			} {
				if fieldOf(err) != want || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "32768 bytes") {
					t.Errorf("%s, %s: %v, want %q", member, what, err, want)
				}
			}
		}
	}
}

// What would be refused is known without being done.
func TestCheckProfile(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	jane := s.person("jane")
	got, err := s.users.CheckProfile(jane, rename("Jane"))
	if err != nil || got.Profile.Name != "Jane" {
		t.Errorf("it becomes %+v (%v)", got, err)
	}
	_, err = s.users.CheckProfile(jane, rename("a\nb"))
	s.wantError("what is wrong", err, auth.InvalidRequest, "profile/name")
	if diff := cmp.Diff(jane, s.stored(jane.ID)); diff != "" {
		t.Errorf("checking changed:\n%s", diff)
	}
}

// An address that can be confirmed no more goes with the next change of the record, one that still can stays.
func TestExpiredAddressesAreDropped(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	ctx := t.Context()
	yes := true
	changes := map[string]func(auth.User) error{
		"by himself": func(u auth.User) error {
			_, err := s.users.ChangeProfile(ctx, auth.Person(u.ID, "acme"), "", "me", rename("x"))
			return err
		},
		"by an operator": func(u auth.User) error {
			_, err := s.users.Update(ctx, auth.System(), "acme", u.ID, nil, auth.UserChange{Profile: func(p *claims.Profile) { p.Name = "y" }})
			return err
		},
	}
	n := 0
	for what, change := range changes {
		n++
		u := s.person("user-" + string(rune('a'+n)))
		s.ask(u, u.Username+"-new@example.com")
		s.clock.Advance(24*time.Hour - time.Second)
		s.must(change(u))
		if got := s.stored(u.ID); got.PendingEmail == nil || got.Asked(s.clock.Now()) == nil {
			t.Errorf("%s: too early", what)
		}
		s.clock.Advance(time.Second)
		if got := s.stored(u.ID); got.Asked(s.clock.Now()) != nil {
			t.Errorf("%s: it can still be confirmed", what)
		}
		s.must(change(u))
		if got := s.stored(u.ID).PendingEmail; got != nil {
			t.Errorf("%s: there is still %+v", what, got)
		}
	}
	u := s.person("last")
	s.ask(u, "last-new@example.com")
	_, err := s.users.Update(ctx, auth.System(), "acme", u.ID, nil, auth.UserChange{Disabled: &yes})
	s.must(err)
	if got := s.stored(u.ID).PendingEmail; got != nil {
		t.Errorf("of a disabled user there is still %+v", got)
	}
}

// Who named no version is never told that it was another one, but to try again.
func TestOvertakenTimeAndAgain(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	jane := s.person("jane")
	self := auth.Person(jane.ID, "acme")
	other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
	overtaken := 0
	s.users.Store = interrupted{s.store, func() {
		overtaken++
		_, err := other.users.ChangeProfile(t.Context(), self, "", "me", rename("quicker"))
		s.must(err)
	}}
	_, err := s.users.ChangeProfile(t.Context(), self, "", "me", rename("slower"))
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.Busy || e.RetryAfter != time.Second || e.Detail == "" || overtaken != 8 {
		t.Errorf("overtaken %d times: %+v", overtaken, err)
	}
	if last := s.log.Last(); last.Action != "user.profile" || last.Outcome != "failed" || last.Reason != "busy" {
		t.Errorf("the event is %+v", last)
	}
	change := auth.UserChange{Profile: func(p *claims.Profile) { p.Name = "slower" }}
	if _, err = s.users.Update(t.Context(), auth.System(), "acme", jane.ID, nil, change); auth.CodeOf(err) != auth.Busy {
		t.Errorf("an operator: %v", err)
	}
	version := s.stored(jane.ID).Version
	overtaken = 0
	if _, err = s.users.Update(t.Context(), auth.System(), "acme", jane.ID, &version, change); auth.CodeOf(err) != auth.PreconditionFailed || overtaken != 1 {
		t.Errorf("with a precondition, overtaken %d times: %v", overtaken, err)
	}
	if got := s.stored(jane.ID).Profile.Name; got != "quicker" {
		t.Errorf("the name is %q", got)
	}
}
