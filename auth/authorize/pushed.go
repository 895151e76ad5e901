package authorize

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/ticket"
)

const (
	pushedPrefix   = "urn:ietf:params:oauth:request_uri:" // RFC 9126 §2.2
	pushedIDLen    = 32
	pushedLifetime = time.Minute
)

// How fast requests may be pushed, and devices begin, from one address in the name of one client: in that of a public one anybody can.
var (
	maxPublic       = auth.Bucket{Burst: 100, Period: time.Second}
	maxConfidential = auth.Bucket{Burst: 1000, Period: 20 * time.Millisecond}
)

// takeFor uses up one of the requests of a kind that a client has from an address.
func (s *Service) takeFor(ctx context.Context, kind string, client *auth.Client, address string) error {
	bucket := maxConfidential
	if client.Public() {
		bucket = maxPublic
	}
	bucket.Kind, bucket.Subject = kind, client.ID+"\x00"+address
	return auth.Attempt(ctx, s.Limiter, bucket)
}

// pushedRequest is what is stored of a pushed request. It is read again when it is used, by the rules of then.
type pushedRequest struct {
	Client        string     `json:"client"`
	Params        url.Values `json:"params"`
	KeyThumbprint string     `json:"jkt,omitempty"`
	ExpiresAt     time.Time  `json:"expires_at"`
}

// pushedParams are all parameters with a meaning, so that nothing else is stored.
var pushedParams = []string{
	"response_type", "redirect_uri", "response_mode", "state", "nonce", "scope", "org", "code_challenge", "code_challenge_method",
	"dpop_jkt", "prompt", "max_age", "acr_values", "claims", "id_token_hint", "login_hint", "ui_locales",
}

// Push keeps the request of an authenticated client and returns its request_uri (RFC 9126 §2.2). keyThumbprint is that of the key of
// the DPoP proof that came with it, "" for none.
func (s *Service) Push(
	ctx context.Context, client *auth.Client, params url.Values, keyThumbprint, address string,
) (requestURI string, lifetime time.Duration, err error) {
	requestURI, err = s.push(ctx, request{client, params, true, keyThumbprint}, address)
	s.recordBy(ctx, actionPush, "client:"+client.ID, client.Org, client.ID, err)
	return requestURI, pushedLifetime, err
}

func (s *Service) push(ctx context.Context, r request, address string) (string, error) {
	if err := s.takeFor(ctx, "push", r.client, address); err != nil {
		return "", err
	}
	for name, values := range r.params {
		if len(values) != 1 {
			return "", invalid(describable(name), "the parameter appears more than once")
		}
	}
	if id := r.params.Get("client_id"); id != "" && id != r.client.ID {
		return "", invalid("client_id", "it is not the client that has authenticated")
	}
	if r.params.Get("request_uri") != "" { // RFC 9126 §2.1
		return "", invalid("request_uri", "a pushed request cannot refer to another")
	}
	if err := r.checkRedirectURI(); err != nil {
		return "", err
	}
	if err := s.read(ctx, &Flow{}, r); err != nil {
		return "", err
	}
	until := s.Now().Add(pushedLifetime)
	p := pushedRequest{Client: r.client.ID, Params: url.Values{}, KeyThumbprint: r.keyThumbprint, ExpiresAt: until}
	for _, name := range pushedParams {
		if value := r.params.Get(name); value != "" {
			p.Params.Set(name, value)
		}
	}
	text := encode(p)
	if len(text) > maxFlow {
		return "", invalid("", "the request is too large")
	}
	id := base64.RawURLEncoding.EncodeToString(ticket.Random(pushedIDLen))
	return pushedPrefix + id, s.Pushed.Push(ctx, id, text, until)
}

// takePushed returns the request a request_uri stands for, once and only to its client (row O-23).
func (s *Service) takePushed(ctx context.Context, client *auth.Client, uri string) (request, error) {
	refused := &auth.Error{
		Code: auth.InvalidRequestURI, Field: "request_uri", Detail: "it was used already, has expired or is not this client's",
	}
	id := strings.TrimPrefix(uri, pushedPrefix)
	if !isHash(id) {
		return request{}, refused
	}
	text, err := s.Pushed.TakePushed(ctx, id, rand.Text())
	if auth.CodeOf(err) == auth.NotFound {
		return request{}, refused
	}
	if err != nil {
		return request{}, err
	}
	var p pushedRequest
	if err := json.Unmarshal(text, &p); err != nil {
		return request{}, &auth.Error{Code: auth.Unavailable, Err: err}
	}
	if p.Client != client.ID || !s.Now().Before(p.ExpiresAt) {
		return request{}, refused
	}
	return request{client, p.Params, true, p.KeyThumbprint}, nil
}
