package native

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

type previewBody struct {
	User        string                `json:"user"`
	Org         string                `json:"org"`
	ClientID    string                `json:"client_id"`
	Scope       string                `json:"scope"`
	Revision    uint64                `json:"claims_rev"`
	AppRevision uint64                `json:"claims_app_rev"`
	OrgRevision uint64                `json:"claims_org_rev"`
	Tokens      tokensBody            `json:"tokens"`
	Before      *tokensBody           `json:"before,omitempty"`
	Budget      budgetsBody           `json:"budget"`
	Diff        []claimDifferenceBody `json:"diff"`
	Entries     []candidateBody       `json:"entries"`
}

type tokensBody struct {
	AccessToken   *tokenBody `json:"access_token"`
	IDToken       *tokenBody `json:"id_token"`
	UserInfo      *tokenBody `json:"userinfo"`
	Introspection *tokenBody `json:"introspection"`
}

// tokenBody is one token; only those that are signed have a size.
type tokenBody struct {
	Claims jsontext.Value `json:"claims"`
	Bytes  int            `json:"bytes"`
	Size   int            `json:"size,omitzero"`
}

type budgetsBody struct {
	Own         budgetBody `json:"own"`
	Application budgetBody `json:"application"`
	Inherited   budgetBody `json:"inherited"`
}

type budgetBody struct {
	Before int `json:"before"`
	After  int `json:"after"`
	Limit  int `json:"limit"`
	Left   int `json:"left"`
}

type claimDifferenceBody struct {
	Claim  string         `json:"claim"`
	Tokens []string       `json:"tokens"`
	Before jsontext.Value `json:"before,omitzero"`
	After  jsontext.Value `json:"after,omitzero"`
}

type candidateBody struct {
	Key          string            `json:"key"`
	Source       string            `json:"source"`
	Group        string            `json:"group,omitempty"`
	Value        jsontext.Value    `json:"value,omitzero"`
	ProfileClaim bool              `json:"profileClaim"`
	HiddenBy     string            `json:"hidden_by,omitempty"`
	Shown        []string          `json:"shown"`
	Reasons      map[string]string `json:"reasons"`
}

func viewPreview(p *preview.Preview) previewBody {
	body := previewBody{
		User: p.User, Org: p.Org, ClientID: p.Client, Scope: p.Scope,
		Revision: p.Revision, AppRevision: p.AppRevision, OrgRevision: p.OrgRevision, Tokens: viewTokens(&p.After),
		Budget:  budgetsBody{Own: viewBudget(p.Own), Application: viewBudget(p.App), Inherited: viewBudget(p.Inherited)},
		Diff:    each(p.Diff, viewClaimDifference),
		Entries: each(p.Entries, viewCandidate),
	}
	if p.Before != nil {
		before := viewTokens(p.Before)
		body.Before = &before
	}
	return body
}

func viewTokens(t *preview.Tokens) tokensBody {
	return tokensBody{
		AccessToken: viewToken(t.AccessToken), IDToken: viewToken(t.IDToken), UserInfo: viewToken(t.UserInfo),
		Introspection: viewToken(t.Introspection),
	}
}

// viewToken is null for a kind that the client would not get.
func viewToken(t preview.Token) *tokenBody {
	if t.Claims == nil {
		return nil
	}
	return &tokenBody{Claims: t.Claims, Bytes: t.Bytes, Size: t.Size}
}

func viewBudget(b preview.Budget) budgetBody {
	return budgetBody{Before: b.Before, After: b.After, Limit: b.Limit, Left: b.Limit - b.After}
}

func viewClaimDifference(d *preview.Difference) claimDifferenceBody {
	return claimDifferenceBody{Claim: d.Claim, Tokens: names(d.Tokens), Before: d.Before, After: d.After}
}

func viewCandidate(c *metadata.Candidate) candidateBody {
	body := candidateBody{
		Key: c.Key, Source: string(c.Source), Group: c.Group, ProfileClaim: c.ProfileClaim, HiddenBy: string(c.HiddenBy),
		Shown: []string{}, Reasons: map[string]string{},
	}
	if c.JSON != "" {
		body.Value = jsontext.Value(c.JSON)
	}
	for _, place := range metadata.Places {
		switch why := c.Why[place]; {
		case why != "":
			body.Reasons[place] = why
		case c.ProfileClaim && c.HiddenBy == "":
			body.Shown = append(body.Shown, place)
		}
	}
	return body
}

// point reads which moment of the past is meant.
func point(query url.Values) (metadata.Point, error) {
	var p metadata.Point
	for name, at := range map[string]**uint64{"revision": &p.Revision, "app_revision": &p.AppRevision, "org_revision": &p.OrgRevision} {
		if !query.Has(name) {
			continue
		}
		n, err := strconv.ParseUint(query.Get(name), 10, 64)
		if err != nil {
			return p, &request.Error{Code: request.Malformed, Field: name, Detail: "must be a revision, a number from 0"}
		}
		*at = &n
	}
	if query.Has("at") {
		t, err := time.Parse(time.RFC3339, query.Get("at"))
		if err != nil {
			return p, &request.Error{Code: request.Malformed, Field: "at", Detail: "must be a time as in 2026-11-21T09:00:00Z"}
		}
		p.Time = &t
	}
	return p, nil
}

func (d *Dialect) previewClaims(c echo.Context, caller *auth.Caller) error {
	user, err := request.PathValue(c, "userId")
	if err != nil {
		return err
	}
	query, err := request.Query(c.Request(), "org", "client", "scope", "revision", "app_revision", "org_revision", "at")
	if err != nil {
		return err
	}
	at, err := point(query)
	if err != nil {
		return err
	}
	return d.preview(c, caller, preview.Request{
		Target: metadata.Target{Org: query.Get("org"), User: user}, Client: query.Get("client"), Scope: query.Get("scope"), At: at,
	})
}

type proposalBody struct {
	ClientID string    `json:"client_id"`
	Scope    string    `json:"scope"`
	App      bool      `json:"app"`
	Set      []setBody `json:"set"`
	Delete   []string  `json:"delete"`
	Replace  bool      `json:"replace"`
	Groups   *[]string `json:"groups"`
}

// proposal is the change a body asks about, nil if it names none.
func (b *proposalBody) proposal() (*metadata.Proposal, error) {
	if b.Set == nil && b.Delete == nil && b.Groups == nil && !b.Replace {
		return nil, nil
	}
	set, err := puts(b.Set)
	if err != nil {
		return nil, err
	}
	p := &metadata.Proposal{Change: metadata.Change{Set: set, Delete: b.Delete, Replace: b.Replace}, App: b.App}
	if b.Groups != nil {
		groups := names(*b.Groups)
		p.Groups = &groups
	}
	return p, nil
}

func (d *Dialect) previewChange(c echo.Context, caller *auth.Caller) error {
	org, user, err := userName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[proposalBody](c.Request(), maxMetadataBody)
	if err != nil {
		return err
	}
	change, err := body.proposal()
	if err != nil {
		return err
	}
	return d.preview(c, caller, preview.Request{
		Target: metadata.Target{Org: org, User: user}, Client: body.ClientID, Scope: body.Scope, Change: change,
	})
}

func (d *Dialect) preview(c echo.Context, caller *auth.Caller, r preview.Request) error {
	p, err := d.Preview.Preview(c.Request().Context(), caller, r)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, viewPreview(&p))
}
