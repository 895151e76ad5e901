package authorize

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// Bounds of what a request carries to its end, in bytes.
const (
	maxState = 2 << 10
	maxNonce = 1 << 10
	maxHint  = 256 // login_hint and ui_locales; longer ones are of no use to anybody and passed over
)

// maxMaxAge is the largest max_age that makes a difference, in seconds.
const maxMaxAge = 1_000_000_000

func invalid(field, detail string) *auth.Error {
	return &auth.Error{Code: auth.InvalidRequest, Field: field, Detail: detail}
}

// Begin reads an authorization request of a browser: its parameters, each with its one value, or a pushed request's. An error must be
// shown as a page: nobody is known whom it could be redirected to. An Answer is an error that can be redirected.
func (s *Service) Begin(ctx context.Context, params url.Values, browser string) (*Flow, *Answer, error) {
	client, err := s.clientNamed(ctx, params)
	if err != nil {
		s.record(ctx, actionAuthorize, nil, "", "", err)
		return nil, nil, err
	}
	r := request{client: client, params: params}
	if uri := params.Get("request_uri"); strings.HasPrefix(uri, pushedPrefix) {
		r, err = s.takePushed(ctx, client, uri) // everything else in the address is ignored (RFC 9126 §4)
	}
	if err == nil {
		err = r.checkRedirectURI()
	}
	var f *Flow
	if err == nil {
		f = s.begin(browser)
		if err = s.read(ctx, f, r); err == nil {
			return f, nil, nil
		}
	}
	s.record(ctx, actionAuthorize, nil, client.Org, client.ID, err)
	if f != nil && redirectable(err) {
		return nil, s.failure(f, err), nil
	}
	return nil, nil, err
}

// request is an authorization request of a known client.
type request struct {
	client *auth.Client
	params url.Values
	// pushed: it came from the client itself, whose DPoP key may be known already.
	pushed        bool
	keyThumbprint string
}

func (s *Service) clientNamed(ctx context.Context, params url.Values) (*auth.Client, error) {
	for name, values := range params {
		if len(values) != 1 { // RFC 6749 §3.1
			return nil, invalid(describable(name), "the parameter appears more than once")
		}
	}
	return s.client(ctx, params.Get("client_id"))
}

func (s *Service) client(ctx context.Context, id string) (*auth.Client, error) {
	if id == "" {
		return nil, invalid("client_id", "client_id is required")
	}
	client, err := s.Registry.Client(ctx, id)
	if auth.CodeOf(err) == auth.InvalidClient {
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: "client_id", Detail: "there is no such client", Err: err}
	}
	return client, err
}

// checkRedirectURI comes before everything whose answer is a redirect (RFC 6749 §4.1.2.1).
func (r *request) checkRedirectURI() error {
	switch uri := r.params.Get("redirect_uri"); {
	case uri == "": // OpenID Connect Core §3.1.2.1
		return invalid("redirect_uri", "redirect_uri is required")
	case !r.client.RedirectsTo(uri):
		return invalid("redirect_uri", "it must be exactly one of those registered for this client")
	}
	return nil
}

// read fills f from a request whose redirect URI is the client's, beginning with what an error answer needs.
func (s *Service) read(ctx context.Context, f *Flow, r request) error {
	p := r.params
	f.Client, f.RedirectURI, f.ResponseMode = r.client.ID, p.Get("redirect_uri"), modeQuery
	posted := p.Get("response_mode") == modeFormPost || !p.Has("response_mode") && modeIn(p.Get("request")) == modeFormPost
	if posted && takesForms(f.RedirectURI) {
		f.ResponseMode = modeFormPost
	}
	if state := p.Get("state"); len(state) > maxState || !printable(state) {
		return invalid("state", "at most 2048 bytes of UTF-8 without control characters")
	}
	f.State = p.Get("state")
	for _, step := range []func(context.Context, *Flow, request) error{
		s.readKind, s.readProof, s.readScope, s.readPrompt, s.readClaims, s.readHints,
	} {
		if err := step(ctx, f, r); err != nil {
			return err
		}
	}
	if len(encode(f)) > maxFlow {
		return invalid("", "the request is too long")
	}
	return nil
}

// takesForms reports whether a form can be posted to a redirect URI: an application with a scheme of its own takes addresses alone.
func takesForms(uri string) bool {
	return strings.HasPrefix(uri, "https:") || strings.HasPrefix(uri, "http:")
}

// modeIn is the response mode a request object names (OpenID Connect Core §6.1). Nothing else is read of what is refused anyway: its
// client hears of the refusal where it listens.
func modeIn(object string) string {
	_, rest, _ := strings.Cut(object, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var named struct {
		Mode string `json:"response_mode"`
	}
	if err != nil || json.Unmarshal(text, &named) != nil {
		return ""
	}
	return named.Mode
}

// readKind is about what kind of request it is, and whether the client may make such.
func (s *Service) readKind(_ context.Context, f *Flow, r request) error {
	p := r.params
	switch {
	case !r.client.Allows(auth.GrantAuthorizationCode):
		return &auth.Error{Code: auth.UnauthorizedClient, Detail: "this client may not use the authorization code grant"}
	case p.Get("request") != "": // OpenID Connect Core §6.1
		return &auth.Error{Code: auth.RequestNotSupported, Field: "request", Detail: "send the parameters themselves"}
	case p.Get("request_uri") != "": // OpenID Connect Core §6.2
		return &auth.Error{Code: auth.RequestURINotSupported, Field: "request_uri", Detail: "only those of pushed requests are served"}
	case r.client.RequirePAR && !r.pushed: // RFC 9126 §5
		return invalid("", "this client must push its requests first (RFC 9126)")
	}
	if err := auth.CheckResource(p.Get("resource")); err != nil {
		return err
	}
	switch p.Get("response_type") {
	case "code":
	case "":
		return invalid("response_type", "response_type is required and can be: code")
	default:
		return &auth.Error{Code: auth.UnsupportedResponseType, Field: "response_type", Detail: "response_type can be: code"}
	}
	if p.Get("response_mode") == modeFormPost && !takesForms(f.RedirectURI) {
		return invalid("response_mode", "form_post needs an http or https redirect URI")
	}
	switch p.Get("response_mode") {
	case "", modeQuery, modeFormPost:
	default:
		return invalid("response_mode", "response_mode can be: query, form_post")
	}
	f.Nonce = p.Get("nonce")
	if len(f.Nonce) > maxNonce || !printable(f.Nonce) {
		return invalid("nonce", "at most 1024 bytes of UTF-8 without control characters")
	}
	return nil
}

// readProof is about what the code will be bound to besides the client.
func (s *Service) readProof(_ context.Context, f *Flow, r request) error {
	p := r.params
	f.Challenge = p.Get("code_challenge")
	switch method := p.Get("code_challenge_method"); {
	case f.Challenge == "" && (r.client.RequirePKCE || method != ""):
		return invalid("code_challenge", "code_challenge is required (RFC 7636)")
	case f.Challenge != "" && method != "S256": // absent means plain (RFC 7636 §4.3), which is not served
		return invalid("code_challenge_method", "code_challenge_method must be S256")
	case f.Challenge != "" && !isHash(f.Challenge):
		return invalid("code_challenge", "a SHA-256 in base64url, 43 characters")
	}
	f.KeyThumbprint = p.Get("dpop_jkt")
	switch {
	case f.KeyThumbprint != "" && !isHash(f.KeyThumbprint):
		return invalid("dpop_jkt", "a SHA-256 in base64url, 43 characters")
	case f.KeyThumbprint != "" && r.keyThumbprint != "" && f.KeyThumbprint != r.keyThumbprint: // RFC 9449 §10.1
		return invalid("dpop_jkt", "it is not the thumbprint of the key of the DPoP proof")
	case f.KeyThumbprint == "":
		f.KeyThumbprint = r.keyThumbprint
	}
	return nil
}

// isHash reports whether a text is a SHA-256 in base64url without padding, in its one spelling.
func isHash(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == 43 && len(b) == 32
}

func (s *Service) readScope(_ context.Context, f *Flow, r request) (err error) {
	f.Scope, f.Org, err = narrow(r.client, r.params.Get("scope"), r.params.Get("org"))
	return err
}

// narrow decides the scope of a request and its organisation, "" for one still to be chosen.
func narrow(client *auth.Client, asked, org string) (scope, orgAsked string, err error) {
	var scopes []string
	for _, value := range auth.Scopes(asked) {
		slug, isOrg := strings.CutPrefix(value, auth.ScopeOrgPrefix)
		switch {
		case !isOrg:
			scopes = append(scopes, value)
		case org != "" && org != slug:
			return "", "", invalid("org", "two different organisations are asked for")
		default:
			org = slug
		}
	}
	switch {
	case org != "" && !auth.ValidSlug(org):
		return "", "", invalid("org", "the slug of an organisation: 1 to 63 of a-z 0-9 -")
	case !client.AllOrgs && org != "" && org != client.Org: // row A-05
		return "", "", invalid("org", "this client serves its own organisation only")
	case !client.AllOrgs:
		org = client.Org
	}
	scope, err = auth.NarrowScope(client, strings.Join(scopes, " "))
	return scope, org, err
}

var prompts = []string{"none", "login", "consent", "select_account"}

func (s *Service) readPrompt(_ context.Context, f *Flow, r request) error {
	f.Prompt = strings.Fields(r.params.Get("prompt"))
	for _, p := range f.Prompt {
		if !slices.Contains(prompts, p) {
			return invalid("prompt", "prompt can be: "+strings.Join(prompts, ", "))
		}
	}
	if f.asks("none") && len(f.Prompt) > 1 { // OpenID Connect Core §3.1.2.1
		return invalid("prompt", "none cannot be combined")
	}
	text := r.params.Get("max_age")
	if text == "" {
		return nil
	}
	age, err := strconv.ParseUint(text, 10, 63)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return invalid("max_age", "a number of seconds")
	}
	seconds := int64(min(age, maxMaxAge))
	f.MaxAge = &seconds
	return nil
}

// readHints is about whom the client expects. Everything here but id_token_hint is a wish (OpenID Connect Core §3.1.2.1).
func (s *Service) readHints(ctx context.Context, f *Flow, r request) error {
	p := r.params
	if hint := p.Get("login_hint"); len(hint) <= maxHint && printable(hint) {
		f.LoginHint = hint
	}
	if locales := p.Get("ui_locales"); len(locales) <= maxHint && printable(locales) {
		f.UILocales = locales
	}
	text := p.Get("id_token_hint")
	if text == "" {
		return nil
	}
	hint, err := s.verifyHint(ctx, text)
	switch {
	case err != nil:
		return err
	case !slices.Contains(hint.Audience, r.client.ID):
		return invalid("id_token_hint", "it was issued to another client")
	case f.HintUser != "" && f.HintUser != hint.Subject:
		return invalid("id_token_hint", "it names another user than the claims parameter")
	}
	f.HintUser = hint.Subject
	if f.Org == "" { // what was chosen for the login the hint comes from
		f.Org = hint.Org
	}
	return nil
}

// verifyHint checks an ID token this server issued, be it expired.
func (s *Service) verifyHint(ctx context.Context, text string) (*claims.Identity, error) {
	hint, err := s.Verifier.VerifyIDTokenHint(ctx, text)
	if errors.Is(err, claims.ErrUnavailable) {
		return nil, &auth.Error{Code: auth.Unavailable, Err: err}
	}
	if err != nil {
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: "id_token_hint", Detail: "it is not an ID token of this issuer", Err: err}
	}
	return hint, nil
}

// printable reports whether a text survives form fields and log lines as it is.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
