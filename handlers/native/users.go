package native

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type userBody struct {
	ID            string   `json:"id"`
	Username      string   `json:"username,omitempty"`
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"email_verified"`
	Orgs          []string `json:"orgs"`
	Disabled      bool     `json:"disabled"`
	// PasswordTemporary: he must choose another password before anything else.
	PasswordTemporary bool        `json:"password_temporary"`
	Profile           profileBody `json:"profile"`
	CreatedAt         time.Time   `json:"created_at"`
	UpdatedAt         time.Time   `json:"updated_at"`
}

// viewUser shows of the user's organisations only those the caller may see (row A-07).
func viewUser(caller *auth.Caller, u *auth.User) userBody {
	orgs := []string{}
	for _, org := range u.Orgs {
		if _, self := caller.Self(org); self || caller.MayRead(org) {
			orgs = append(orgs, org)
		}
	}
	return userBody{
		ID: u.ID, Username: u.Username, Email: u.Email, EmailVerified: u.EmailVerified, Orgs: orgs, Disabled: u.Disabled,
		PasswordTemporary: u.MustChangePassword, Profile: viewProfile(&u.Profile), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

type newUserBody struct {
	ID            string       `json:"id"`
	Username      string       `json:"username"`
	Email         string       `json:"email"`
	EmailVerified bool         `json:"email_verified"`
	Password      string       `json:"password"`
	PasswordHash  string       `json:"password_hash"`
	HashAlgorithm string       `json:"hash_algorithm"`
	Temporary     bool         `json:"temporary"`
	Profile       profilePatch `json:"profile"`
}

func (b newUserBody) newUser() auth.NewUser {
	n := auth.NewUser{
		ID: b.ID, Username: b.Username, Email: b.Email, EmailVerified: b.EmailVerified,
		Password: b.Password, PasswordHash: b.PasswordHash, HashAlgorithm: b.HashAlgorithm, Temporary: b.Temporary,
	}
	b.Profile.apply(&n.Profile)
	return n
}

type userPatch struct {
	Username      *string      `json:"username"`
	Email         *string      `json:"email"`
	EmailVerified *bool        `json:"email_verified"`
	Disabled      *bool        `json:"disabled"`
	Orgs          *[]string    `json:"orgs"`
	Profile       profilePatch `json:"profile"`
}

type passwordBody struct {
	Password        string `json:"password"`
	CurrentPassword string `json:"current_password"`
	Temporary       bool   `json:"temporary"`
}

func (d *Dialect) createUser(c echo.Context, caller *auth.Caller) error {
	org, err := org(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[newUserBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	key, err := request.IdempotencyKey(c.Request())
	if err != nil {
		return err
	}
	u, err := d.Users.Create(c.Request().Context(), caller, org, body.newUser(), key)
	if err != nil {
		return err
	}
	location(c, "user", u.ID)
	return respond(c, http.StatusCreated, u.Version, viewUser(caller, &u))
}

func userName(c echo.Context) (org_, name string, err error) {
	if org_, err = org(c); err != nil {
		return "", "", err
	}
	name, err = request.PathValue(c, "userId")
	return org_, name, err
}

func (d *Dialect) getUser(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	u, err := d.Users.Find(c.Request().Context(), caller, org, name)
	if err != nil {
		return err
	}
	return show(c, u.Version, viewUser(caller, &u))
}

func (d *Dialect) updateUser(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[userPatch](c.Request(), maxBody)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	u, err := d.Users.Update(c.Request().Context(), caller, org, name, want, auth.UserChange{
		Username: body.Username, Email: body.Email, EmailVerified: body.EmailVerified, Disabled: body.Disabled, Orgs: body.Orgs,
		Profile: body.Profile.apply,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, u.Version, viewUser(caller, &u))
}

func (d *Dialect) deleteUser(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	if err := d.Users.Delete(c.Request().Context(), caller, org, name, want); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) setPassword(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[passwordBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	p := auth.NewPassword{Password: body.Password, Current: body.CurrentPassword, Temporary: body.Temporary}
	if err := d.Users.SetPassword(c.Request().Context(), caller, org, name, p); err != nil {
		return err
	}
	return noContent(c)
}
