package authorize

import (
	"context"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
)

// LogoutRequest is what asks to log out (OpenID Connect RP-Initiated Logout §2).
type LogoutRequest struct{ IDTokenHint, ClientID, RedirectURI, State string }

// Logout is what to do about a LogoutRequest. Confirm: ask the user first. Redirect: where to go afterwards, "" for a page.
type Logout struct {
	Confirm  bool
	Redirect string
	Org      *auth.Org
}

// BeginLogout decides about a request to log out, for a browser with that session or nil. It ends nothing. An error is a page. Only a
// client that shows an ID token of its own is redirected to, and only a hint of the very user who is logged in spares him the question:
// anything else can come from anywhere (row O-19).
func (s *Service) BeginLogout(ctx context.Context, r LogoutRequest, sess *session.Session) (Logout, error) {
	l := Logout{Confirm: sess != nil}
	id := r.ClientID
	if r.IDTokenHint != "" {
		hint, err := s.verifyHint(ctx, r.IDTokenHint)
		if err != nil {
			return Logout{}, err
		}
		if id, err = hintedClient(hint, r.ClientID); err != nil {
			return Logout{}, err
		}
		l.Confirm = sess != nil && sess.User != hint.Subject
	}
	client, err := s.client(ctx, id)
	if auth.CodeOf(err) == auth.InvalidRequest {
		client = &auth.Client{} // unknown or disabled: logging out is possible all the same
	} else if err != nil {
		return Logout{}, err
	}
	switch {
	case r.RedirectURI == "" || r.IDTokenHint == "":
	case !client.ReturnsTo(r.RedirectURI):
		return Logout{}, invalid("post_logout_redirect_uri", "it must be exactly one of those registered for this client")
	case len(r.State) > maxState || !printable(r.State):
		return Logout{}, invalid("state", "at most 2048 bytes of UTF-8 without control characters")
	case r.State != "":
		l.Redirect = withQuery(r.RedirectURI, Parameter{"state", r.State})
	default:
		l.Redirect = r.RedirectURI
	}
	l.Org, err = s.look(ctx, client.Org)
	return l, err
}

// hintedClient is the client an ID token was issued to, which must be the one that names itself, if any.
func hintedClient(hint *claims.Identity, named string) (string, error) {
	switch {
	case named == "" && len(hint.Audience) == 1:
		return hint.Audience[0], nil
	case named == "":
		return hint.AuthorizedParty, nil
	case !slices.Contains(hint.Audience, named):
		return "", invalid("client_id", "the ID token was issued to another client")
	}
	return named, nil
}
