package operate

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// tokensPage is the data of the list of API tokens, with the form for another one.
type tokensPage struct {
	paging
	Tokens []auth.APIToken
	Roles  []auth.Role
	Name   string
	Now    time.Time
	// Secret is the text of the one that was just made, shown once.
	Secret string
}

func (k *desk) tokens() error {
	query, err := k.query("cursor")
	if err != nil {
		return err
	}
	p, err := k.paging(query)
	if err != nil {
		return err
	}
	return k.showTokens(p, "", nil)
}

func (k *desk) showTokens(p paging, secret string, fault error) error {
	data := tokensPage{paging: p, Roles: []auth.Role{auth.RoleReader, auth.RoleOperator}, Name: k.form.Get("name"), Now: k.Now(), Secret: secret}
	tokens, next, err := k.APITokens.List(k.Request().Context(), k.caller, k.org.Slug, auth.Page{After: p.After, Limit: pageSize})
	if err != nil {
		return err
	}
	data.Tokens = tokens
	data.then(next)
	if fault != nil {
		return k.refuse(fault, "tokens", "tokens", &data)
	}
	return k.respond(http.StatusOK, "tokens", "tokens", &data)
}

const (
	day     = 24 * time.Hour
	maxDays = 36_500
)

func (k *desk) createToken() error {
	n := auth.NewAPIToken{Name: k.form.Get("name"), Org: k.org.Slug, Role: auth.Role(k.form.Get("role"))}
	days, err := strconv.ParseUint(strings.TrimSpace(k.form.Get("days")), 10, 32)
	if err != nil || days > maxDays {
		return k.showTokens(paging{}, "", &auth.Error{
			Code: auth.InvalidRequest, Field: "days", Detail: "must be a whole number from 0, for no end, to " + strconv.Itoa(maxDays),
		})
	}
	if days > 0 {
		n.ExpiresAt = k.Now().Add(time.Duration(days) * day)
	}
	_, text, err := k.APITokens.Create(k.Request().Context(), k.caller, n)
	if err != nil {
		return k.showTokens(paging{}, "", err)
	}
	return k.showTokens(paging{}, text, nil)
}

func (k *desk) deleteToken() error {
	err := k.APITokens.Delete(k.Request().Context(), k.caller, k.form.Get("id"), nil)
	if err != nil && auth.CodeOf(err) != auth.NotFound { // gone already is what was wanted
		return k.showTokens(paging{}, "", err)
	}
	return k.done(k.here("token"), "token_deleted")
}
