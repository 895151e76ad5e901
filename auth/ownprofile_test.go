package auth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// person makes a user of acme, who may be of further organisations too.
func (s *services) person(username string, further ...string) auth.User {
	s.t.Helper()
	u, err := s.users.Create(s.t.Context(), auth.System(), "acme", auth.NewUser{
		Username: username, Email: username + "@example.com", EmailVerified: true, Password: registrationPassword,
		Profile: claims.Profile{PhoneNumber: "+14155550100", PhoneNumberVerified: true},
	}, "")
	s.must(err)
	if len(further) > 0 {
		orgs := append([]string{"acme"}, further...)
		u, err = s.users.Update(s.t.Context(), auth.System(), "acme", u.ID, nil, auth.UserChange{Orgs: &orgs})
		s.must(err)
	}
	return u
}

func (s *services) stored(id string) auth.User {
	s.t.Helper()
	u, _, err := s.store.User(s.t.Context(), id)
	s.must(err)
	return u
}

func rename(name string) auth.ProfileChange {
	return func(p *claims.Profile, _ *auth.Biography) error {
		p.Name = name
		return nil
	}
}

// Rows, L-12: a person changes himself, and whoever manages him; what is not said about a person but known stays.
func TestChangeProfile(t *testing.T) {
	b := redistest.Embedded(t)
	s := newServices(t, b)
	ctx := t.Context()
	jane, bob := s.person("jane", "default"), s.person("bob")
	self := auth.Person(jane.ID, "acme")

	s.clock.Advance(1e9)
	got, err := s.users.ChangeProfile(ctx, self, "", "me", func(p *claims.Profile, b *auth.Biography) error {
		p.Name, p.PhoneNumber, p.PhoneNumberVerified = "Jane", "14155550101", true
		p.Email, p.EmailVerified = "other@example.com", true
		b.Bio, b.Links = "Two\nlines", []auth.Link{{Platform: "x", URL: "https://x.com/j"}, {Platform: "linkedin", URL: "https://l.example/j"}}
		return nil
	})
	s.must(err)
	want := jane
	want.Profile = claims.Profile{Name: "Jane", PhoneNumber: "14155550101"}
	want.Biography = auth.Biography{
		Bio: "Two\nlines", Links: []auth.Link{{Platform: "linkedin", URL: "https://l.example/j"}, {Platform: "x", URL: "https://x.com/j"}},
	}
	want.UpdatedAt, want.Version = s.clock.Now(), jane.Version+1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer differs:\n%s", diff)
	}
	if diff := cmp.Diff(want, s.stored(jane.ID)); diff != "" {
		t.Errorf("what is stored differs:\n%s", diff)
	}
	if e := s.log.Last(); e.Action != "user.profile" || e.Target != "user:"+jane.ID || e.Actor != "user:"+jane.ID || e.Outcome != "success" {
		t.Errorf("the event is %+v", e)
	}

	// A phone number that stays as verified as it was, and one that is taken away.
	verified := func(p *claims.Profile) { p.PhoneNumberVerified = true }
	_, err = s.users.Update(ctx, auth.System(), "acme", jane.ID, nil, auth.UserChange{Profile: verified})
	s.must(err)
	for _, c := range []struct {
		number string
		want   bool
	}{{"14155550101", true}, {"", false}, {"14155550101", false}} {
		_, err = s.users.ChangeProfile(ctx, self, "acme", jane.ID, func(p *claims.Profile, _ *auth.Biography) error {
			p.PhoneNumber = c.number
			return nil
		})
		s.must(err)
		if p := s.stored(jane.ID).Profile; p.PhoneNumber != c.number || p.PhoneNumberVerified != c.want {
			t.Errorf("the number is %q, verified %t", p.PhoneNumber, p.PhoneNumberVerified)
		}
	}

	// Who else may, and what refuses whom.
	before := s.stored(jane.ID)
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		caller    *auth.Caller
		org, user string
		change    auth.ProfileChange
		want      auth.Code
	}{
		"a colleague":                   {auth.Person(bob.ID, "acme"), "", jane.ID, rename("x"), auth.NotFound},
		"a colleague, by name":          {auth.Person(bob.ID, "acme"), "", "jane", rename("x"), auth.NotFound},
		"in an organisation not logged": {self, "default", "me", rename("x"), auth.NotFound},
		"nobody":                        {auth.System(), "acme", "nobody", rename("x"), auth.NotFound},
		"what is wrong":                 {self, "", "me", rename("a\nb"), auth.InvalidRequest},
		"too long": {self, "", "me", func(_ *claims.Profile, b *auth.Biography) error {
			b.Bio = strings.Repeat("é", 301)
			return nil
		}, auth.InvalidRequest},
		"by its own will": {self, "", "me", func(p *claims.Profile, b *auth.Biography) error {
			p.Name, b.Title, b.Links[0].URL = "x", "x", "x"
			return mine
		}, ""},
	} {
		got, err := s.users.ChangeProfile(ctx, c.caller, c.org, c.user, c.change)
		if auth.CodeOf(err) != c.want || err == nil || c.want == "" && !errors.Is(err, mine) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want == "" {
			if diff := cmp.Diff(before, got); diff != "" {
				t.Errorf("%s: the answer differs:\n%s", name, diff)
			}
		}
	}
	if diff := cmp.Diff(before, s.stored(jane.ID)); diff != "" {
		t.Errorf("a refused change changed:\n%s", diff)
	}
	for name, caller := range map[string]*auth.Caller{"an operator": operatorOf(t, s, "acme"), "an administrator": auth.System()} {
		if _, err := s.users.ChangeProfile(ctx, caller, "acme", "jane", rename(name)); err != nil || s.stored(jane.ID).Profile.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = s.users.ChangeProfile(ctx, operatorOf(t, s, "default"), "default", "jane", rename("x"))
	s.wantError("the operator of a further organisation", err, auth.AccessDenied, "")
}

// operatorOf is a user with that role, logged in to the console.
func operatorOf(t *testing.T, s *services, org string) *auth.Caller {
	t.Helper()
	u, err := s.users.Create(t.Context(), auth.System(), org, auth.NewUser{}, "")
	s.must(err)
	s.must(s.users.SetRole(t.Context(), auth.System(), org, u.ID, auth.RoleOperator))
	u = s.stored(u.ID)
	caller, ok := auth.Operator(&u, org)
	if !ok {
		t.Fatal("no operator")
	}
	return caller
}

// Changes made at once are all made.
func TestProfileChangesAtOnce(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		jane := s.person("jane")
		const callers = 4
		var all sync.WaitGroup
		for n := range callers {
			users := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock).users
			all.Go(func() {
				_, err := users.ChangeProfile(t.Context(), auth.Person(jane.ID, "acme"), "", "me", func(_ *claims.Profile, b *auth.Biography) error {
					b.Languages = append(b.Languages, fmt.Sprint("l", n))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := s.stored(jane.ID).Biography.Languages; len(got) != callers {
			t.Errorf("the languages are %q", got)
		}

		// One that another overtakes is made again.
		self := auth.Person(jane.ID, "acme")
		other := instanceOver(t, &durable.Runner{Client: b.Client}, s.clock)
		s.users.Store = interrupted{s.store, sync.OnceFunc(func() {
			_, err := other.users.ChangeProfile(t.Context(), self, "", "me", rename("quicker"))
			s.must(err)
		})}
		_, err := s.users.ChangeProfile(t.Context(), self, "", "me", func(_ *claims.Profile, b *auth.Biography) error {
			b.Title = "slower"
			return nil
		})
		s.must(err)
		if u := s.stored(jane.ID); u.Profile.Name != "quicker" || u.Biography.Title != "slower" {
			t.Errorf("overtaken, there is %q and %q", u.Profile.Name, u.Biography.Title)
		}
	})
}

// A picture that is kept here lies below the issuer, also where that is http; every other address is https (row M-13).
func TestPictureAddresses(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	jane := s.person("jane")
	for address, want := range map[string]auth.Code{
		"http://localhost:8080/picture/x/500.jpg": "", "https://cdn.example/p.jpg": "", "": "",
		"http://localhost:8080": auth.InvalidRequest, "http://localhost:80801/x": auth.InvalidRequest, "http://cdn.example/p.jpg": auth.InvalidRequest,
		"javascript:alert(1)": auth.InvalidRequest, "http://localhost:8080/a\nb": auth.InvalidRequest, "http://localhost:8080@evil.example/": auth.InvalidRequest,
		"http://localhost:8080/" + strings.Repeat("x", 1024): auth.InvalidRequest,
	} {
		_, err := s.users.ChangeProfile(t.Context(), auth.Person(jane.ID, "acme"), "", "me", func(p *claims.Profile, _ *auth.Biography) error {
			p.Picture = address
			return nil
		})
		if auth.CodeOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
		_, err = s.users.ChangeProfile(t.Context(), auth.Person(jane.ID, "acme"), "", "me", func(p *claims.Profile, _ *auth.Biography) error {
			p.Website = address
			return nil
		})
		if (err == nil) != (address == "" || strings.HasPrefix(address, "https:")) {
			t.Errorf("website %q: %v", address, err)
		}
	}
}

// A biography is kept as it was given, within its bounds, or refused for the member that is wrong.
func TestBiographies(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	jane := s.person("jane")
	self := auth.Person(jane.ID, "acme")
	put := func(b auth.Biography) error {
		_, err := s.users.ChangeProfile(t.Context(), self, "", "me", func(_ *claims.Profile, to *auth.Biography) error {
			*to = b
			return nil
		})
		return err
	}
	text := rapid.OneOf(
		rapid.StringN(0, 310, -1), rapid.StringMatching(`[a-z \n\t]{295,305}`), rapid.StringMatching(`[a-zé]{250,260}`),
		rapid.SampledFrom([]string{"\x00", "\u2028", "\u0085", "\xff", "a\r\nb", "<script>"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		b := auth.Biography{
			Title: text.Draw(t, "title"), Bio: text.Draw(t, "bio"), Goals: text.Draw(t, "goals"),
			Privacy: rapid.SampledFrom([]string{"", "all_users", "private", "custom", "nobody"}).Draw(t, "privacy"),
			Shown:   rapid.SliceOfN(rapid.Just("bio"), 0, 52).Draw(t, "shown"),
		}
		clean := func(s string, longest int, lines bool) bool {
			for _, r := range s {
				if r < ' ' && !(lines && strings.ContainsRune("\n\r\t", r)) || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
					return false
				}
			}
			return utf8.ValidString(s) && utf8.RuneCountInString(s) <= longest
		}
		want := clean(b.Title, 255, false) && clean(b.Bio, 300, true) && clean(b.Goals, 2000, true) && b.Privacy != "nobody" && len(b.Shown) <= 50
		err := put(b)
		if want != (err == nil) || err != nil && (auth.CodeOf(err) != auth.InvalidRequest || !strings.HasPrefix(fieldOf(err), "biography/")) {
			t.Fatalf("%+v: %v, want %t", b, err, want)
		}
		if got := s.stored(jane.ID).Biography; err == nil && (got.Title != b.Title || got.Bio != b.Bio || got.Goals != b.Goals) {
			t.Fatalf("%+v comes back as %+v", b, got)
		}
	})

	many := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("x", i))
		}
		return list
	}
	links := func(urls ...string) (list []auth.Link) {
		for n, u := range urls {
			list = append(list, auth.Link{Platform: fmt.Sprint("p", n), URL: u})
		}
		return list
	}
	field := func(name, value string) auth.ExtendedField { return auth.ExtendedField{Name: name, Value: value} }
	for _, c := range []struct {
		biography auth.Biography
		field     string
	}{
		{auth.Biography{Languages: many(50)}, ""},
		{auth.Biography{Languages: many(51)}, "languages"},
		{auth.Biography{Languages: []string{"en", "de", "en"}}, "languages"},
		{auth.Biography{Languages: []string{""}}, "languages"},
		{auth.Biography{Links: links(slices.Repeat([]string{"https://a.example/x"}, 50)...)}, ""},
		{auth.Biography{Links: links(slices.Repeat([]string{"https://a.example/x"}, 51)...)}, "links"},
		{auth.Biography{Links: links("http://a.example")}, "links"},
		{auth.Biography{Links: links("javascript:alert(1)")}, "links"},
		{auth.Biography{Links: links("https://user@a.example/")}, "links"},
		{auth.Biography{Links: links("")}, "links"},
		{auth.Biography{Links: []auth.Link{{Platform: "x", URL: "https://a.example"}, {Platform: "x", URL: "https://b.example"}}}, "links"},
		{auth.Biography{Extended: []auth.ExtendedField{field("a", strings.Repeat("é", 2000))}}, ""},
		{auth.Biography{Extended: []auth.ExtendedField{field("a", strings.Repeat("é", 2001))}}, "extended"},
		{auth.Biography{Extended: []auth.ExtendedField{field("a", "1"), field("b", "2"), field("a", "3")}}, "extended"},
		{auth.Biography{Extended: []auth.ExtendedField{field("", "1")}}, "extended"},
		{auth.Biography{Goals: strings.Repeat("é", 2000)}, ""},
		{auth.Biography{Goals: strings.Repeat("é", 2001)}, "goals"},
		{auth.Biography{LevelOfEducation: strings.Repeat("x", 256)}, "level_of_education"},
	} {
		want := ""
		if c.field != "" {
			want = "biography/" + c.field
		}
		if err := put(c.biography); fieldOf(err) != want || (err == nil) != (want == "") {
			t.Errorf("%.80v: %v, want %q", c.biography, err, want)
		}
	}
}

// Rows: people find those of their organisation by username and nothing else; numbers show nobody more than ids do.
func TestPeersAndNumbers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		ctx := t.Context()
		jane, bob := s.person("jane"), s.person("bob", "default")
		stranger, err := s.users.Create(ctx, auth.System(), "default", auth.NewUser{Username: "stranger"}, "")
		s.must(err)
		asJane := auth.Person(jane.ID, "acme")
		want := func(what string, got auth.User, err error, id string) {
			t.Helper()
			if id == "" && auth.CodeOf(err) != auth.NotFound || id != "" && (err != nil || got.ID != id) {
				t.Errorf("%s: %q (%v), want %q", what, got.ID, err, id)
			}
		}
		for _, c := range []struct {
			caller *auth.Caller
			name   string
			want   string
		}{
			{asJane, "bob", bob.ID}, {asJane, "BOB", bob.ID}, {asJane, "jane", jane.ID}, {asJane, bob.ID, ""}, {asJane, "bob@example.com", ""},
			{asJane, "me", ""}, {asJane, "stranger", ""}, {asJane, "nobody", ""}, {asJane, "", ""},
			{auth.Person(bob.ID, "default"), "jane", ""}, {auth.Person(bob.ID, "default"), "stranger", stranger.ID},
			{operatorOf(t, s, "acme"), "bob", bob.ID}, {operatorOf(t, s, "acme"), "stranger", ""},
		} {
			got, err := s.users.Peer(ctx, c.caller, c.name)
			want(c.caller.Ref()+" looks for "+c.name, got, err, c.want)
		}

		numbers := map[uint64]bool{}
		for _, u := range []auth.User{jane, bob, stranger, jane} {
			n, err := s.users.Number(ctx, u.ID)
			s.must(err)
			numbers[n] = true
		}
		if len(numbers) != 3 {
			t.Errorf("the numbers are %v", numbers)
		}
		ofBob, err := s.users.Number(ctx, bob.ID)
		s.must(err)
		for _, c := range []struct {
			caller *auth.Caller
			org    string
			number uint64
			want   string
		}{
			{auth.System(), "acme", ofBob, bob.ID}, {auth.System(), "default", ofBob, bob.ID}, {auth.System(), "acme", ofBob + 3000, ""},
			{asJane, "", ofBob, ""}, {auth.Person(bob.ID, "acme"), "", ofBob, bob.ID}, {operatorOf(t, s, "acme"), "", ofBob, bob.ID},
			{operatorOf(t, s, "acme"), "default", ofBob, ""},
		} {
			got, err := s.users.Numbered(ctx, c.caller, c.org, c.number)
			want(c.caller.Ref()+" looks for a number", got, err, c.want)
		}
		s.must(s.users.Delete(ctx, auth.System(), "acme", "bob", nil))
		_, err = s.users.Numbered(ctx, auth.System(), "acme", ofBob)
		want("the number of a deleted user", auth.User{}, err, "")
		_, err = s.users.Peer(ctx, asJane, "bob")
		want("a deleted user", auth.User{}, err, "")
		_, err = s.users.Number(ctx, bob.ID)
		want("numbering a deleted user", auth.User{}, err, "")
	})
}
