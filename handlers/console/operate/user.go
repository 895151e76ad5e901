package operate

import (
	"net/http"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// person is the heading of every page about a user.
type person struct {
	ID, Name, Username, Email string
	Disabled                  bool
}

func personOf(u *auth.User) person {
	return person{u.ID, page.NameOf(u), u.Username, u.Email, u.Disabled}
}

// userPage is the data of a user's page.
type userPage struct {
	Person person
	User   auth.User
	// Manage: he is of this organisation, so that whoever writes here manages the person.
	Manage  bool
	Fields  []field
	Orgs    []string
	Groups  []groupChoice
	Role    auth.Role
	Roles   []auth.Role
	Factors factor.Factors
	// Own is what he says of himself beyond his profile, to be seen here and not changed.
	Own []page.Fact
	// Sessions are where he is logged in; Known says that the user may see that.
	Sessions []browserSession
	Known    bool
}

// field is a field of the profile's form.
type field struct{ Name, Label, Value string }

type groupChoice struct {
	metadata.Group
	In bool
}

type browserSession struct {
	ID, Agent, Address string
	CreatedAt, SeenAt  time.Time
}

// named reads the user a path names.
func (k *desk) named() (auth.User, error) {
	name, err := k.value("user")
	if err != nil {
		return auth.User{}, err
	}
	return k.Users.Find(k.Request().Context(), k.caller, k.org.Slug, name)
}

func (k *desk) user() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.showUser(nil)
}

// showUser shows the page, with what was wrong with one of its forms, which keeps what was typed.
func (k *desk) showUser(fault error) error {
	k.tab = "overview"
	user, err := k.named()
	if err != nil {
		return err
	}
	data := &userPage{
		Person: personOf(&user), User: user, Manage: user.Orgs[0] == k.org.Slug, Fields: k.fields(&user.Profile),
		Roles: []auth.Role{"", auth.RoleReader, auth.RoleOperator},
	}
	if k.caller.IsAdmin() {
		data.Roles = append(data.Roles, auth.RoleAdmin)
	}
	for _, org := range user.Orgs {
		if k.caller.MayRead(org) { // row A-07
			data.Orgs = append(data.Orgs, org)
		}
	}
	ctx := k.Request().Context()
	if data.Role, err = k.Users.RoleOf(ctx, k.caller, k.org.Slug, user.ID); err != nil {
		return err
	}
	scheme, err := k.scheme()
	if err != nil {
		return err
	}
	in, _, err := k.Metadata.GroupsOf(ctx, k.caller, metadata.Target{Org: k.org.Slug, User: user.ID})
	if err != nil {
		return err
	}
	for _, g := range scheme.Groups {
		is := slices.ContainsFunc(in, func(other metadata.Group) bool { return other.ID == g.ID })
		data.Groups = append(data.Groups, groupChoice{g, is})
	}
	if err := k.addLogins(data); err != nil {
		return err
	}
	if data.Own, err = k.ownOf(&user); err != nil {
		return err
	}
	if fault != nil {
		return k.refuse(fault, "user", "users", k.kept(data))
	}
	return k.respond(http.StatusOK, "user", "users", data)
}

// addLogins adds how and where the user is logged in, as far as that is the caller's to see.
func (k *desk) addLogins(data *userPage) error {
	sessions, err := k.Sessions.List(k.Request().Context(), k.caller, k.org.Slug, data.User.ID)
	if code := auth.CodeOf(err); code == auth.NotFound || code == auth.AccessDenied {
		return nil
	}
	if err != nil {
		return err
	}
	data.Known = true
	for _, s := range sessions {
		data.Sessions = append(data.Sessions, browserSession{s.ID, k.words().Agent(s.Agent), s.Address, s.CreatedAt, s.SeenAt})
	}
	data.Factors, err = k.Factors.Of(k.Request().Context(), data.User.ID)
	if auth.CodeOf(err) == auth.NotFound {
		err = nil
	}
	return err
}

// kept puts what was typed into the form back there.
func (k *desk) kept(data *userPage) *userPage {
	if k.form.Get("form") != "profile" {
		return data
	}
	data.User.Username, data.User.Email, data.User.EmailVerified = k.form.Get("username"), k.form.Get("email"), k.checked("email_verified")
	for n := range data.Fields {
		data.Fields[n].Value = k.form.Get(data.Fields[n].Name)
	}
	return data
}

// profileField is where a field of the form is in a profile.
type profileField struct {
	name, label string
	at          func(*claims.Profile) *string
}

var profileFields = []profileField{
	{"name", "profile.name", func(p *claims.Profile) *string { return &p.Name }},
	{"given_name", "profile.given_name", func(p *claims.Profile) *string { return &p.GivenName }},
	{"middle_name", "profile.middle_name", func(p *claims.Profile) *string { return &p.MiddleName }},
	{"family_name", "profile.family_name", func(p *claims.Profile) *string { return &p.FamilyName }},
	{"nickname", "profile.nickname", func(p *claims.Profile) *string { return &p.Nickname }},
	{"preferred_username", "user.preferred_username", func(p *claims.Profile) *string { return &p.PreferredUsername }},
	{"phone_number", "profile.phone_number", func(p *claims.Profile) *string { return &p.PhoneNumber }},
	{"birthdate", "profile.birthdate", func(p *claims.Profile) *string { return &p.Birthdate }},
	{"gender", "profile.gender", func(p *claims.Profile) *string { return &p.Gender }},
	{"locale", "profile.locale", func(p *claims.Profile) *string { return &p.Locale }},
	{"zoneinfo", "profile.zoneinfo", func(p *claims.Profile) *string { return &p.Zoneinfo }},
	{"website", "profile.website", func(p *claims.Profile) *string { return &p.Website }},
	{"profile", "profile.profile", func(p *claims.Profile) *string { return &p.ProfileURL }},
	{"picture", "profile.picture", func(p *claims.Profile) *string { return &p.Picture }},
	{"street_address", "user.street_address", func(p *claims.Profile) *string { return &p.Address.StreetAddress }},
	{"postal_code", "user.postal_code", func(p *claims.Profile) *string { return &p.Address.PostalCode }},
	{"locality", "user.locality", func(p *claims.Profile) *string { return &p.Address.Locality }},
	{"region", "user.region", func(p *claims.Profile) *string { return &p.Address.Region }},
	{"country", "user.country", func(p *claims.Profile) *string { return &p.Address.Country }},
}

func (k *desk) fields(p *claims.Profile) []field {
	fields := make([]field, 0, len(profileFields))
	for _, f := range profileFields {
		fields = append(fields, field{f.name, k.text(f.label), *f.at(p)})
	}
	return fields
}

func (k *desk) saveProfile() error {
	username, email := k.form.Get("username"), k.form.Get("email")
	verified := email != "" && k.checked("email_verified")
	version, err := k.version()
	if err != nil {
		return err
	}
	return k.changed("profile", func(name string) error {
		_, err := k.Users.Update(k.Request().Context(), k.caller, k.org.Slug, name, version, auth.UserChange{
			Username: &username, Email: &email, EmailVerified: &verified,
			Profile: func(p *claims.Profile) {
				for _, f := range profileFields {
					*f.at(p) = k.form.Get(f.name)
				}
				if p.PhoneNumber == "" {
					p.PhoneNumberVerified = false
				}
			},
		})
		return err
	})
}

// changed makes a change of the user a path names and goes back to his page, or shows there why it was not made.
func (k *desk) changed(what string, change func(name string) error) error {
	name, err := k.value("user")
	if err != nil {
		return err
	}
	if err := change(name); err != nil {
		if k.fault(err) == "" {
			return err
		}
		return k.showUser(err)
	}
	return k.done(k.here("user", name), what)
}

func (k *desk) saveGroups() error {
	scheme, err := k.scheme()
	if err != nil {
		return err
	}
	slugs := []string{}
	for _, g := range scheme.Groups {
		if k.checked("group." + g.ID) {
			slugs = append(slugs, g.Slug)
		}
	}
	return k.changed("groups", func(name string) error {
		t := metadata.Target{Org: k.org.Slug, User: name}
		_, _, err := k.Metadata.SetGroups(k.Request().Context(), k.caller, t, slugs, metadata.Precondition{})
		return err
	})
}

// setPassword sets a password of the operator's choice. It is temporary unless he says otherwise: nobody but the user should know it for long.
func (k *desk) setPassword() error {
	return k.changed("password", func(name string) error {
		if err := k.isAnother(); err != nil {
			return err
		}
		return k.Users.SetPassword(k.Request().Context(), k.caller, k.org.Slug, name, auth.NewPassword{
			Password: k.form.Get("password"), Temporary: k.checked("temporary"),
		})
	})
}

// isAnother refuses to change here how the user himself logs in: the pages of his account ask for what he has to know for that.
func (k *desk) isAnother() error {
	user, err := k.named()
	if err == nil && user.ID == k.who.ID {
		err = &auth.Error{Code: auth.AccessDenied, Detail: k.text("user.own", "address", k.site().At(pathAccount))}
	}
	return err
}

func (k *desk) setState() error {
	disable := k.form.Get("state") == "disabled"
	what := "user_enabled"
	if disable {
		what = "user_disabled"
	}
	return k.changed(what, func(name string) error {
		_, err := k.Users.Update(k.Request().Context(), k.caller, k.org.Slug, name, nil, auth.UserChange{Disabled: &disable})
		return err
	})
}

func (k *desk) setRole() error {
	return k.changed("role", func(name string) error {
		return k.Users.SetRole(k.Request().Context(), k.caller, k.org.Slug, name, auth.Role(k.form.Get("role")))
	})
}

func (k *desk) endSession() error {
	return k.changed("session", func(name string) error {
		err := k.Sessions.End(k.Request().Context(), k.caller, k.org.Slug, name, k.form.Get("id"))
		if auth.CodeOf(err) == auth.NotFound { // gone already is what was wanted; the page says if the user is
			return nil
		}
		return err
	})
}

func (k *desk) endSessions() error {
	return k.changed("sessions", func(name string) error {
		return k.Users.EndEverything(k.Request().Context(), k.caller, k.org.Slug, name)
	})
}

func (k *desk) resetFactors() error {
	return k.changed("factors", func(name string) error {
		if err := k.isAnother(); err != nil {
			return err
		}
		return k.Factors.Reset(k.Request().Context(), k.caller, k.org.Slug, name)
	})
}
