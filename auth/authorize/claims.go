package authorize

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
)

// claimsParameter is the claims parameter (OpenID Connect Core §5.5). Members and claims that are not known are ignored.
type claimsParameter struct {
	UserInfo map[string]*claimRequest `json:"userinfo"`
	IDToken  map[string]*claimRequest `json:"id_token"`
}

type claimRequest struct {
	Essential bool             `json:"essential"`
	Value     jsontext.Value   `json:"value"`
	Values    []jsontext.Value `json:"values"`
}

// texts are the values asked for. ok is false if one is not a string.
func (c *claimRequest) texts() (texts []string, ok bool) {
	if c == nil {
		return nil, true
	}
	values := c.Values
	if c.Value != nil {
		values = append(values, c.Value)
	}
	for _, v := range values {
		if v.Kind() != '"' {
			return nil, false
		}
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil, false
		}
		texts = append(texts, string(text))
	}
	return texts, true
}

// readClaims reads acr_values and the claims parameter.
func (s *Service) readClaims(_ context.Context, f *Flow, r request) error {
	f.ACR = classes(strings.Fields(r.params.Get("acr_values")))
	text := r.params.Get("claims")
	if text == "" {
		return nil
	}
	var c claimsParameter
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return &auth.Error{
			Code: auth.InvalidRequest, Field: "claims", Err: err,
			Detail: "a JSON object with the members userinfo and id_token (OpenID Connect Core section 5.5)",
		}
	}
	f.Requested = auth.RequestedClaims{UserInfo: claimNames(r.client, c.UserInfo), IDToken: claimNames(r.client, c.IDToken)}
	for _, member := range []map[string]*claimRequest{c.UserInfo, c.IDToken} {
		subjects, ok := member["sub"].texts()
		if !ok || len(subjects) > 1 || len(subjects) == 1 && f.HintUser != "" && f.HintUser != subjects[0] {
			return invalid("claims", "sub can have one value, a string")
		}
		if len(subjects) == 1 {
			f.HintUser = subjects[0]
		}
	}
	return f.wantClass(c.IDToken["acr"])
}

// wantClass takes over what the claims parameter says of acr; it is more exact than acr_values, which are voluntary (OpenID Connect
// Core §5.5.1.1).
func (f *Flow) wantClass(asked *claimRequest) error {
	values, ok := asked.texts()
	if !ok {
		return invalid("claims", "values of acr are strings")
	}
	if len(values) == 0 {
		return nil
	}
	f.ACR, f.ACREssential = classes(values), asked.Essential
	if len(f.ACR) == 0 && f.ACREssential {
		return &auth.Error{Code: auth.UnmetAuthentication, Field: "claims", Detail: "acr can be: 1, 2"}
	}
	return nil
}

// classes are those of some values of acr that are served here, in the order of preference they came in.
func classes(values []string) (known []string) {
	for _, v := range values {
		if slices.Contains(auth.Classes(), v) && !slices.Contains(known, v) {
			known = append(known, v)
		}
	}
	return known
}

// claimNames are the standard claims among those asked for whose scope the client may ask for: the parameter is no way around its scopes.
func claimNames(client *auth.Client, asked map[string]*claimRequest) (names []string) {
	for name := range asked {
		if client.MayAsk(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// consentScope is what a request amounts to for the user: its scopes, and those of the claims it asks for by name.
func (f *Flow) consentScope() string {
	scopes := auth.Scopes(f.Scope)
	for _, name := range slices.Concat(f.Requested.UserInfo, f.Requested.IDToken) {
		if scope := auth.ClaimScopes[name]; !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return strings.Join(scopes, " ")
}
