package native

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type sessionBody struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	AuthTime  time.Time `json:"auth_time"`
	AMR       []string  `json:"amr"`
	SeenAt    time.Time `json:"seen_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Agent     string    `json:"agent,omitempty"`
	Address   string    `json:"address,omitempty"`
}

func viewSession(s *session.Session) sessionBody {
	return sessionBody{
		ID: s.ID, CreatedAt: s.CreatedAt, AuthTime: s.AuthTime, AMR: s.AMR, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt,
		Agent: s.Agent, Address: s.Address,
	}
}

type passkeyBody struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
}

type factorsBody struct {
	TOTP          bool          `json:"totp"`
	RecoveryCodes int           `json:"recovery_codes"`
	Passkeys      []passkeyBody `json:"passkeys"`
}

func viewFactors(f *factor.Factors) factorsBody {
	return factorsBody{
		TOTP: f.TOTP != nil, RecoveryCodes: len(f.RecoveryCodes),
		Passkeys: each(f.Passkeys, func(p *factor.Passkey) passkeyBody {
			return passkeyBody{Name: p.Name, CreatedAt: p.CreatedAt, UsedAt: p.UsedAt}
		}),
	}
}

type consentBody struct {
	Org          string    `json:"org"`
	ClientID     string    `json:"client_id"`
	ClientName   string    `json:"client_name,omitempty"`
	Scopes       []string  `json:"scopes"`
	RedirectURIs []string  `json:"redirect_uris"`
	GrantedAt    time.Time `json:"granted_at"`
}

func viewConsent(a *authorize.Application) consentBody {
	return consentBody{
		Org: a.Org, ClientID: a.Client, ClientName: a.Name, Scopes: a.Scopes, RedirectURIs: a.RedirectURIs, GrantedAt: a.GrantedAt,
	}
}

// each views all of a list that is never long.
func each[T, B any](items []T, view func(*T) B) []B {
	views := make([]B, len(items))
	for n := range items {
		views[n] = view(&items[n])
	}
	return views
}

func (d *Dialect) listSessions(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	sessions, err := d.Sessions.List(c.Request().Context(), caller, org, name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, map[string]any{"sessions": each(sessions, viewSession)})
}

func (d *Dialect) endSession(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	id, err := request.PathValue(c, "sessionId")
	if err != nil {
		return err
	}
	if err := d.Sessions.End(c.Request().Context(), caller, org, name, id); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) endEverything(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	if err := d.Users.EndEverything(c.Request().Context(), caller, org, name); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) getFactors(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	factors, err := d.Factors.Show(c.Request().Context(), caller, org, name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, viewFactors(&factors))
}

func (d *Dialect) resetFactors(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	if err := d.Factors.Reset(c.Request().Context(), caller, org, name); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) listConsents(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	applications, err := d.Authorize.ApplicationsOf(c.Request().Context(), caller, org, name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, map[string]any{"consents": each(applications, viewConsent)})
}

func (d *Dialect) withdrawConsent(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	client, err := request.PathValue(c, "clientId")
	if err != nil {
		return err
	}
	if err := d.Authorize.WithdrawOf(c.Request().Context(), caller, org, name, client); err != nil {
		return err
	}
	return noContent(c)
}
